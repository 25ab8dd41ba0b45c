"""What a run's key is folded with first, so that no two uses share random bits."""

__all__ = ["CARVE", "DROP", "FOLLOW", "INIT", "MINE", "NEGATIVES", "ORDER", "SIDES"]

INIT, NEGATIVES, ORDER, CARVE, FOLLOW, MINE, DROP, SIDES = range(8)
