"""Exact top-k retrieval: the best unseen items of each user, with ties broken by item id."""

from recneg.retrieval.factors import rank_factors
from recneg.retrieval.ranking import TopItems, top_items

__all__ = ["TopItems", "rank_factors", "top_items"]
