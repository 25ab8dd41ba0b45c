"""Losses of one row as plain loops over floats, written from the papers' formulas, not stable."""

import math
from collections.abc import Callable


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def bpr(p: float, n: list[float]) -> float:
    total = 0.0
    for s in n:
        total -= math.log(sigmoid(p - s))
    return total


def logistic(p: float, n: list[float], share: float) -> float:
    total = -math.log(sigmoid(p))
    for s in n:
        total -= share * math.log(1 - sigmoid(s))
    return total


def squared(p: float, n: list[float], share: float) -> float:
    total = (1 - p) * (1 - p)
    for s in n:
        total += share * s * s
    return total


def gbce(p: float, n: list[float], num_items: int, t: float) -> float:
    alpha = min(len(n) / (num_items - 1), 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    total = math.log(sigmoid(p) ** beta)
    for s in n:
        total += math.log(1 - sigmoid(s))
    return -total / (len(n) + 1)


def rotate(p: float, n: list[float], gamma: float, alpha: float) -> float:
    total = -math.log(sigmoid(gamma + p))
    mass = sum(math.exp(alpha * s) for s in n)
    for s in n:
        total -= math.exp(alpha * s) / mass * math.log(sigmoid(-s - gamma))
    return total


def bpo(p: float, n: list[float]) -> float:
    total = 0.0
    for s in n:
        total -= math.log(sigmoid(p)) + math.log(1 - sigmoid(s))
    return total


def nbpo_likelihood(p: float, n: list[float], g: float, gs: list[float]) -> float:
    total = 0.0
    for s, flip in zip(n, gs, strict=True):
        total -= math.log((1 - sigmoid(g)) * sigmoid(p))
        total -= math.log(1 - sigmoid(s) + sigmoid(flip) * sigmoid(s))
    return total


def nbpo_surrogate(p: float, n: list[float], g: float, gs: list[float]) -> float:
    total = 0.0
    for s, flip in zip(n, gs, strict=True):
        total -= (1 - sigmoid(g)) * sigmoid(p)
        total -= 1 - sigmoid(s) + sigmoid(flip) * sigmoid(s)
    return total


def nbpo(p: float, n: list[float], g: float, gs: list[float]) -> float:
    total = 0.0
    for s, flip in zip(n, gs, strict=True):
        total -= (1 - sigmoid(g)) * math.log(sigmoid(p)) + sigmoid(p) * math.log(1 - sigmoid(g))
        total -= math.log(1 - sigmoid(s))
        total -= sigmoid(flip) * math.log(sigmoid(s)) + sigmoid(s) * math.log(sigmoid(flip))
    return total


def brier(s: float, relevant: bool) -> float:
    return (relevant - sigmoid(s)) ** 2


def entropy(s: float, relevant: bool) -> float:
    return -math.log(sigmoid(s) if relevant else 1 - sigmoid(s))


def rel_mf(
    p: float,
    n: list[float],
    w: float,
    ws: list[float],
    clip: float,
    local: Callable[[float, bool], float],
) -> float:
    """`w` is Y / theta, so that theta = Y / w."""
    total = 0.0
    for s, weight in zip([p, *n], [w, *ws], strict=True):
        y = weight > 0
        theta = max(1 / weight, clip) if y else 1.0
        total += y / theta * local(s, True) + (1 - y / theta) * local(s, False)
    return total / (1 + len(n))


def ubpr(p: float, n: list[float], w: float, ws: list[float], beta: float, clip: float) -> float:
    total = 0.0
    for s, weight in zip(n, ws, strict=True):
        y = weight > 0
        theta_i, theta_j = max(1 / w, clip), max(1 / weight, clip) if y else 1.0
        total += max(-(1 / theta_i) * (1 - y / theta_j) * math.log(sigmoid(p - s)), -beta)
    return total


def ccl(p: float, n: list[float], margin: float, weight: float) -> float:
    total = max(0.0, 1 - p)
    for s in n:
        total += weight / len(n) * max(0.0, s - margin)
    return total


def bpr_max(p: float, n: list[float], regularization: float) -> float:
    mass = sum(math.exp(s) for s in n)
    gain = penalty = 0.0
    for s in n:
        gain += math.exp(s) / mass * sigmoid(p - s)
        penalty += math.exp(s) / mass * s * s
    return -math.log(gain) + regularization * penalty


def ssm(p: float, n: list[float], t: float) -> float:
    total = math.exp(p / t)
    for s in n:
        total += math.exp(s / t)
    return -math.log(math.exp(p / t) / total)


def sl(p: float, n: list[float], t: float) -> float:
    total = 0.0
    for s in n:
        total += math.exp((s - p) / t)
    return math.log(total)


def bsl(p: float, n: list[float], t: float, exponent: float, share: float) -> float:
    total = 0.0
    for s in n:
        total += share * math.exp(s / t)
    return -math.log(math.exp(p / t) / total**exponent)


def sl_at_k(p: float, n: list[float], beta: float, t: float, t_weight: float) -> float:
    return sigmoid((p - beta) / t_weight) * sl(p, n, t)


def psl(p: float, n: list[float], t: float, activation: Callable[[float], float]) -> float:
    total = 0.0
    for s in n:
        total += max(activation((s - p) / 2) + 1, 1e-8) ** (1 / t)
    return math.log(total)


def hcl(p: float, n: list[float], t: float, prior: float, beta: float) -> float:
    mean = sum(math.exp(beta * s / t) for s in n) / len(n)
    total = 0.0
    for s in n:
        total += math.exp(beta * s / t) / mean * math.exp(s / t)
    true = (total - prior * len(n) * math.exp(p / t)) / (1 - prior)
    true = max(true, len(n) * math.exp(-1 / t))
    return -math.log(math.exp(p / t) / (math.exp(p / t) + true))


def warp(p: float, n: list[float], num_items: int, margin: float, most: float) -> float:
    for tries, s in enumerate(n, start=1):
        if s > p - margin:
            rank = math.floor((num_items - 1) / tries)
            return min(math.log(max(1, rank)), most) * (margin - p + s)
    return 0.0


def cml(p: float, n: list[float], num_items: int, margin: float) -> float:
    impostors = sum(margin - p + s > 0 for s in n)
    return math.log(1 + num_items * impostors / len(n)) * max(0.0, margin - p + max(n))
