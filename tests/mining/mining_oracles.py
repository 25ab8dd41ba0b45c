"""Mining in plain Python, one row at a time: what the functions are held to."""

import bisect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from recneg.keys import Key, random_bits
from recneg.samplers import Negatives

Row = dict[str, Any]


def eligible(row: Row) -> list[int]:
    return [j for j, kept in enumerate(row["mask"]) if kept and row["scores"][j] != -math.inf]


def ranked(row: Row, places: list[int], value: Callable[[int], float]) -> list[int]:
    """Places by value descending, then by item id."""
    return sorted(places, key=lambda j: (-value(j), row["items"][j]))


def unit(row: Row, purpose: str, slot: int, attempt: int) -> float:
    key = Key(row["key"]).fold_in(int.from_bytes(purpose.encode(), "big"))
    return ((int(random_bits(key, row["row"], slot, attempt)) >> 12) + 0.5) / 2**52


def gumbel(row: Row, purpose: str, place: int, places: list[int]) -> float:
    item = row["items"][place]
    occurrence = sum(row["items"][other] == item for other in places if other < place)
    return -math.log(-math.log(unit(row, purpose, item, occurrence)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def softmax(logits: list[float]) -> list[float]:
    top = max(logits, default=0.0)
    terms = [math.exp(value - top) for value in logits]
    return [term / math.fsum(terms) for term in terms]


def hardest(row: Row, count: int) -> list[int]:
    return ranked(row, eligible(row), lambda j: row["scores"][j])[:count]


def hardest_among(row: Row, count: int, among: int) -> list[int]:
    top = sorted(hardest(row, among))
    return ranked(row, top, lambda j: gumbel(row, "hardest", j, top))[:count]


def top_k_without_hits(row: Row, count: int) -> list[int]:
    places = [j for j in eligible(row) if row["items"][j] != row["positive"]]
    return ranked(row, places, lambda j: row["scores"][j])[:count]


def ambiguous(row: Row, count: int, a: float, b: float, among: int | None) -> list[int]:
    places = eligible(row)
    if among is not None:
        places = sorted(hardest(row, among))

    def value(j: int) -> float:
        log_p = -a * (row["scores"][j] - row["positive_score"] - b) ** 2
        return log_p + gumbel(row, "simans", j, places)

    return ranked(row, places, value)[:count]


def positive_aware(row: Row, count: int, bound: Callable[[float], float]) -> list[int]:
    places = [j for j in eligible(row) if row["scores"][j] < bound(row["positive_score"])]
    return ranked(row, places, lambda j: row["scores"][j])[:count]


def guided(row: Row, count: int, bound: Callable[[float], float]) -> list[int]:
    limit = bound(row["guide_positive_score"])
    return [j for j in eligible(row) if row["guide_scores"][j] <= limit][:count]


def violation(row: Row, margin: float, num_items: int) -> tuple[list[int], float]:
    for place, score in enumerate(row["scores"]):
        if place in eligible(row) and score > row["positive_score"] - margin:
            weight = math.log(max(1, (num_items - 1) // (place + 1)))
            return [place], min(weight, 10.0)
    return [], 0.0


def variance(row: Row, count: int, alpha: float, epoch: int, warm_up: int) -> list[int]:
    def value(j: int) -> float:
        past = [sigmoid(s - p) for s, p in zip(row["past"][j], row["past_positive"], strict=True)]
        mean = sum(past) / len(past)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in past) / len(past))
        gap = row["scores"][j] - row["positive_score"]
        return sigmoid(gap) + alpha * min(1.0, epoch / warm_up) * deviation

    return ranked(row, eligible(row), value)[:count]


def bayesian(row: Row, count: int, popularity: list[float], trade_off: float) -> list[int]:
    places = eligible(row)

    def value(j: int) -> float:
        below = [row["scores"][other] <= row["scores"][j] for other in places]
        share = sum(below) / len(places)
        prior = popularity[row["items"][j]] / sum(popularity)
        negative = (1 - share) * (1 - prior)
        total = negative + share * prior
        unbias = negative / total if total > 0 else 1 - prior
        info = sigmoid(row["scores"][j] - row["positive_score"])
        return -((1 - unbias) * info - trade_off * unbias * info)

    return ranked(row, places, value)[:count]


def weights(row: Row, logit: Callable[[int], float]) -> list[float]:
    places = eligible(row)
    out = [0.0] * len(row["items"])
    for place, weight in zip(places, softmax([logit(j) for j in places]), strict=True):
        out[place] = weight
    return out


def adaptive_weights(row: Row, rho: float) -> list[float]:
    loss = {j: softplus(row["scores"][j] - row["positive_score"]) for j in eligible(row)}
    mean = math.fsum(loss.values()) / max(len(loss), 1)
    spread = math.fsum((value - mean) ** 2 for value in loss.values()) / max(len(loss), 1)
    tau = math.sqrt(spread / (2 * rho)) or 1.0
    return weights(row, lambda j: (loss[j] - mean) / tau - row["log_q"][j])


def resampled(row: Row, count: int, temperature: float) -> list[int]:
    places = sorted(eligible(row), key=lambda j: row["items"][j])
    if not places:
        return []
    shares = softmax([row["scores"][j] / temperature - row["log_q"][j] for j in places])
    chosen = []
    running = list(itertools.accumulate(shares))
    for slot in range(count):
        drawn = bisect.bisect_right(running, unit(row, "resample", slot, 0) * running[-1])
        chosen.append(places[min(drawn, len(places) - 1)])
    return chosen


class Batch:
    """Rows in which an item has one score, one past and so on, wherever it stands."""

    def __init__(
        self, seed: int, batch: int, n: int, *, ties: bool = False, scale: float = 1.0,
        dtype: Any = np.float64, num_items: int = 9,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        shape = (batch, num_items)
        table = rng.normal(size=shape) * scale
        if ties:
            table = np.round(table / scale) * scale
        table[rng.random(shape) < 0.05] = -np.inf
        table, positive = table.astype(dtype), rng.normal(size=batch) * scale
        mask = rng.random(shape) < 0.8
        items = rng.integers(0, num_items, (batch, n))
        mask = np.take_along_axis(mask, items, 1)

        def of_items(values: np.ndarray) -> np.ndarray:
            return np.take_along_axis(values, items, 1)

        log_q = np.log(rng.uniform(0.01, 0.2, shape))
        self.negatives = Negatives(
            np.where(mask, items, -1), np.where(mask, of_items(log_q), -np.inf), mask
        )
        self.scores = of_items(table)
        past = rng.normal(size=(*shape, 4))
        self.known = {
            "positive_scores": positive.astype(dtype),
            "positives": rng.integers(0, num_items, batch),
            "guide_scores": of_items(rng.normal(size=shape)),
            "guide_positive_scores": rng.normal(size=batch),
            "past_scores": np.take_along_axis(past, items[..., None], 1),
            "past_positive_scores": rng.normal(size=(batch, 4)),
            "rows": np.arange(batch) * 5 + 2**33,
            "item_popularity": rng.integers(0, 50, num_items),
        }
        self.key, self.num_items = seed, num_items

    def row(self, r: int) -> Row:
        known = self.known
        return {
            "items": self.negatives.items[r].tolist(),
            "mask": self.negatives.mask[r].tolist(),
            "log_q": self.negatives.log_q[r].tolist(),
            "scores": self.scores[r].tolist(),
            "key": self.key,
            "row": int(known["rows"][r]),
            "positive": int(known["positives"][r]),
            "positive_score": float(known["positive_scores"][r]),
            "guide_scores": known["guide_scores"][r].tolist(),
            "guide_positive_score": float(known["guide_positive_scores"][r]),
            "past": known["past_scores"][r].tolist(),
            "past_positive": known["past_positive_scores"][r].tolist(),
        }

    def arguments(self, part: Any = slice(None), order: Any = None, kind: Any = np.asarray) -> Any:
        """Return (negatives, scores, known) of some rows, candidates permuted, of another kind."""
        of_candidates = ("guide_scores", "past_scores")
        known = {
            name: value if name == "item_popularity" else value[part]
            for name, value in self.known.items()
        }
        arrays = [array[part] for array in (*self.negatives, self.scores)]
        if order is not None:
            arrays = [array[:, order] for array in arrays]
            known |= {name: known[name][:, order] for name in of_candidates}
        *negatives, scores = (kind(array) for array in arrays)
        return Negatives(*negatives), scores, {name: kind(v) for name, v in known.items()}
