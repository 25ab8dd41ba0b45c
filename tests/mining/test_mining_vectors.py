"""Mixtures of vectors: which they are made of, in which shares, and where gradient flows."""

import numpy as np
import pytest
import torch

from recneg import Key
from recneg.mining import mixed_hard, mixed_positive
from recneg.mining.noise import row_numbers, stream, unit_noise
from recneg.samplers import Negatives
from recneg.testing import ALPHA, chi_square_p_value


def case(seed: int, batch: int, n: int, d: int) -> tuple[Negatives, np.ndarray, dict]:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(50)[:n] for _ in range(batch)])
    items[rng.random((batch, n)) < 0.2] = -1
    vectors = rng.normal(size=(batch, n, d))
    query = rng.normal(size=(batch, d))
    scores = np.einsum("bnd,bd->bn", vectors, query)
    given = Negatives(items, np.zeros(items.shape), items >= 0)
    return given, scores, {"candidate_vectors": vectors, "query_vectors": query}


def shares(key: int, purpose: str, batch: int, m: int, part: int) -> np.ndarray:
    slots = np.arange(m)[None]
    numbers = row_numbers(np, None, np.zeros((batch, 1)))
    return unit_noise(np, stream(key, purpose), numbers, slots, np.full_like(slots, part))


@pytest.mark.parametrize("among", [None, 3, 1])
def test_mochi_against_a_plain_loop(among: int | None) -> None:
    given, scores, known = case(0, 40, 7, 4)
    given.mask[0], given.items[0] = False, -1
    got = mixed_hard(given, scores, **known, key=3, num_pairs=4, num_with_query=3, among=among)
    first, step, share = (shares(3, "mochi", 40, 7, part) for part in range(3))
    for r in range(40):
        vectors, query = known["candidate_vectors"][r], known["query_vectors"][r]
        top = sorted(np.flatnonzero(given.mask[r]), key=lambda j: -scores[r, j])[:among]
        top.sort(key=lambda j: given.items[r, j])
        if not top:
            assert not got.mask[r].any()
            assert (got.vectors[r] == 0).all()
            continue
        for k in range(7):
            i = int(first[r, k] * len(top))
            j = (i + 1 + int(step[r, k] * (len(top) - 1))) % len(top)
            a = share[r, k]
            if k < 4:
                wanted = a * vectors[top[i]] + (1 - a) * vectors[top[j]]
            else:
                wanted = a / 2 * query + (1 - a / 2) * vectors[top[i]]
            wanted = wanted / np.sqrt((wanted**2).sum())
            assert got.vectors[r, k] == pytest.approx(wanted, abs=1e-12)
            assert got.positions[r, k] == top[i]
    assert got.mask[1:].all()


def test_mochi_draws_pairs_of_different_candidates_uniformly() -> None:
    rows = 100_000
    items = np.broadcast_to(np.array([4, 8, 6]), (rows, 3))
    vectors = np.broadcast_to(np.eye(3), (rows, 3, 3))
    given = Negatives(items, np.zeros(items.shape), items >= 0)
    got = mixed_hard(
        given, np.zeros((rows, 3)), candidate_vectors=vectors, query_vectors=np.zeros((rows, 3)),
        key=1,
    )  # fmt: skip
    made_of = got.vectors[:, 0] > 0
    assert (made_of.sum(axis=1) == 2).all()
    first, missing = got.positions[:, 0], np.argmin(made_of, axis=1)
    second = 3 - first - missing
    observed = np.bincount(first * 3 + second, minlength=9).astype(float)
    expected = (1 - np.eye(3)).ravel() * rows / 6
    assert chi_square_p_value(observed, expected) > ALPHA


def test_mixgcf_against_a_plain_loop() -> None:
    given, scores, known = case(1, 30, 6, 4)
    given.mask[0], given.items[0] = False, -1
    vectors, positive = known["candidate_vectors"], known["query_vectors"]
    got = mixed_positive(
        given, scores, candidate_vectors=vectors, positive_vectors=positive, key=Key(5)
    )
    share = shares(5, "mixgcf", 30, 1, 0)[:, 0]
    assert not got.mask[0].any()
    assert (got.vectors[0] == 0).all()
    for r in range(1, 30):
        user = known["query_vectors"][r]
        mixed = share[r] * positive[r] + (1 - share[r]) * vectors[r]
        best = max(np.flatnonzero(given.mask[r]), key=lambda j: user @ mixed[j])
        assert got.vectors[r, 0] == pytest.approx(mixed[best], abs=1e-12)
        assert got.positions[r, 0] == best


def test_tensors_splits_and_permutations_give_the_same() -> None:
    given, scores, known = case(2, 12, 6, 3)
    rows = np.arange(12) + 2**33

    def both(part: slice, order: np.ndarray, kind: object = np.asarray) -> list[np.ndarray]:
        arrays = Negatives(*(kind(a[part][:, order]) for a in given))
        s, vectors = kind(scores[part][:, order]), kind(known["candidate_vectors"][part][:, order])
        one, r = kind(known["query_vectors"][part]), kind(rows[part])
        pairs = mixed_hard(
            arrays, s, candidate_vectors=vectors, query_vectors=one, key=1, rows=r, among=4,
            num_pairs=3, num_with_query=2,
        )  # fmt: skip
        single = mixed_positive(
            arrays, s, candidate_vectors=vectors, positive_vectors=one, key=1, rows=r
        )
        return [np.asarray(pairs.vectors), np.asarray(single.vectors)]

    plain = np.arange(6)
    whole = both(slice(None), plain)
    tensors = both(slice(None), plain, torch.from_numpy)
    permuted = both(slice(None), np.random.default_rng(0).permutation(6))
    parts = [both(part, plain) for part in (slice(5), slice(5, None))]
    for place, wanted in enumerate(whole):
        assert np.allclose(wanted, tensors[place], rtol=1e-12, atol=1e-14)
        assert np.array_equal(wanted, permuted[place])
        assert np.array_equal(wanted, np.concatenate([part[place] for part in parts]))


def test_gradient_as_in_the_papers() -> None:
    given, _, known = case(3, 5, 6, 4)
    tensors = Negatives(*map(torch.from_numpy, given))
    vectors = torch.from_numpy(known["candidate_vectors"]).requires_grad_()
    other = torch.from_numpy(known["query_vectors"]).requires_grad_()
    s = (vectors * other[:, None]).sum(-1)
    fixed = mixed_hard(tensors, s, candidate_vectors=vectors, query_vectors=other, key=0)
    assert not fixed.vectors.requires_grad
    mixed = mixed_positive(tensors, s, candidate_vectors=vectors, positive_vectors=other, key=0)
    mixed.vectors.sum().backward()
    share = torch.from_numpy(shares(0, "mixgcf", 5, 1, 0))
    assert torch.allclose(other.grad, share.expand(5, 4))
    wanted = torch.zeros_like(vectors)
    wanted[torch.arange(5), mixed.positions[:, 0]] = 1 - share
    assert torch.allclose(vectors.grad, wanted)


def test_zero_vectors_stay_finite() -> None:
    items = np.array([[1, 2]])
    given = Negatives(items, np.zeros((1, 2)), items > 0)
    got = mixed_hard(
        given, np.zeros((1, 2)), candidate_vectors=np.zeros((1, 2, 3)),
        query_vectors=np.zeros((1, 3)), key=0,
    )  # fmt: skip
    assert (got.vectors == 0).all()
