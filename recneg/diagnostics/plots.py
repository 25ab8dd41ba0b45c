"""Plots of comparisons; matplotlib is imported here alone."""

from __future__ import annotations

from pathlib import Path

from recneg.diagnostics.comparison import Comparison

__all__ = ["plot_curves"]


def plot_curves(comparison: Comparison, path: Path) -> None:
    """Write a PNG: validation NDCG@20 against training time, one line a sampler."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    curves = comparison.curves()
    markers = "osD^vP*X<>"
    for number, name in enumerate(comparison.outcomes):
        rows = curves.filter(curves["sampler"] == name)
        axes.plot(
            rows["seconds"].to_numpy(),
            rows["validation ndcg@20"].to_numpy(),
            marker=markers[number % len(markers)],
            markersize=4,
            label=name,
        )
    axes.set_xlabel("training time in seconds, without compilation and evaluation")
    axes.set_ylabel("NDCG@20 on validation")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, format="png", metadata={"Software": None})
