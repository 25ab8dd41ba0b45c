"""What a sampler really draws, and what training on it gives: figures, tables, plots."""

from recneg.diagnostics.comparison import Comparison, compare_samplers
from recneg.diagnostics.negatives import NegativesSummary, summarise_negatives

__all__ = ["Comparison", "NegativesSummary", "compare_samplers", "summarise_negatives"]
