"""LogQ correction in both forms, and the thresholds of SL@K."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recneg import Interactions, Popularity
from recneg.errors import InvalidDataError
from recneg.losses import SampledSoftmaxLoss, log_q_corrected, top_k_thresholds
from recneg.losses.log_q import subtract_log_q
from recneg.mining import hardest

NO_WEIGHTS = np.empty(0)


def test_three_forms_agree_and_the_gradient_passes() -> None:
    rng = np.random.default_rng(0)
    scores, log_q = rng.normal(size=(3, 5)), np.log(rng.random((3, 5)))
    wanted = scores - 0.3 * log_q
    arrays = log_q_corrected(scores, log_q, temperature=0.3)
    tensor = torch.from_numpy(scores).requires_grad_()
    tensors = log_q_corrected(tensor, torch.from_numpy(log_q), temperature=0.3)
    tensors.sum().backward()
    out = np.empty(5)
    subtract_log_q(scores[1], log_q[1], 0.3, NO_WEIGHTS, out)
    assert np.allclose(arrays, wanted, atol=1e-15)
    assert np.allclose(tensors.detach().numpy(), wanted, atol=1e-15)
    assert np.allclose(out, wanted[1], atol=1e-15)
    assert bool((tensor.grad == 1).all())


def test_scores_keep_their_dtype() -> None:
    log_q = torch.zeros(2, 3)
    assert log_q_corrected(torch.zeros(2, 3, dtype=torch.float64), log_q).dtype == torch.float64
    assert log_q_corrected(torch.zeros(2, 3), log_q.double()).dtype == torch.float32
    assert log_q_corrected(np.zeros(3, np.float32), np.zeros(3)).dtype == np.float32


@pytest.mark.parametrize("wrong", [np.nan, -np.inf, np.inf])
def test_an_unknown_law_fails_loudly(wrong: float) -> None:
    scores, log_q = np.zeros((1, 3)), np.array([[-1.0, wrong, -2.0]])
    mask = np.array([[True, False, True]])
    for convert in (np.asarray, torch.from_numpy):
        with pytest.raises(InvalidDataError, match="log_q must be finite where mask is true"):
            log_q_corrected(convert(scores), convert(log_q))
        masked = log_q_corrected(convert(scores), convert(log_q), mask=convert(mask))
        assert masked.tolist() == [[1.0, 0.0, 2.0]]
    out = np.empty(3)
    with pytest.raises(InvalidDataError, match="log_q must be finite where mask is true"):
        subtract_log_q(scores[0], log_q[0], 1.0, NO_WEIGHTS, out)
    subtract_log_q(scores[0], log_q[0], 1.0, mask[0].astype(float), out)
    assert out.tolist() == [1.0, 0.0, 2.0]


def test_mined_negatives_cannot_be_corrected() -> None:
    data = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=6)
    drawn = Popularity(data, exponent=0.0).sample(np.array([0, 1]), 3, key=0)
    scores = np.linspace(0, 1, 6).reshape(2, 3)
    assert np.isfinite(log_q_corrected(scores, drawn.log_q)).all()
    mined = hardest(drawn, scores, num_negatives=2)
    with pytest.raises(InvalidDataError, match="log_q must be finite"):
        log_q_corrected(scores[:, :2], mined.log_q)


def test_shapes_must_agree() -> None:
    with pytest.raises(InvalidDataError, match=r"shape of scores, \(2, 3\); got \(3,\)"):
        log_q_corrected(np.zeros((2, 3)), np.zeros(3))


def test_corrected_negatives_estimate_the_whole_softmax() -> None:
    """With ln(n q) off the negatives, the sampled denominator has the mean of the full one."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=50)
    q = rng.random(50) + 0.1
    q[0] = 0.0  # the positive, which is in the denominator anyway
    q /= q.sum()
    n, draws = 20, 40_000
    items = rng.choice(50, (draws, n), p=q)
    corrected = log_q_corrected(scores[items], np.log(q[items]) + np.log(n))
    losses = SampledSoftmaxLoss()(
        torch.full((draws,), scores[0], dtype=torch.float64), torch.from_numpy(corrected)
    )
    ratio = losses.exp().numpy()  # the denominator over exp(s_pos)
    error = 5 * ratio.std() / np.sqrt(draws)
    assert abs(ratio.mean() - np.exp(scores - scores[0]).sum()) < error
    assert error < 0.01 * ratio.mean()


@given(
    seed=st.integers(0, 2**32), users=st.integers(1, 4), p=st.integers(0, 5), n=st.integers(1, 9)
)
def test_thresholds_against_sorted_lists(seed: int, users: int, p: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    positive, sampled = rng.normal(size=(users, p)), rng.normal(size=(users, n))
    mask = rng.random((users, p)) < 0.5
    k = int(rng.integers(1, n + 1))
    found = top_k_thresholds(positive, sampled, k, positive_mask=mask)
    tensors = top_k_thresholds(
        torch.from_numpy(positive).requires_grad_(),
        torch.from_numpy(sampled),
        k,
        positive_mask=torch.from_numpy(mask),
    )
    assert not tensors.requires_grad
    for user in range(users):
        scores = [*positive[user][mask[user]].tolist(), *sampled[user].tolist()]
        assert found[user] == tensors[user] == sorted(scores, reverse=True)[k - 1]
    plain = top_k_thresholds(positive, sampled, k)
    assert plain[0] == sorted([*positive[0], *sampled[0]], reverse=True)[k - 1]


def test_thresholds_need_enough_samples() -> None:
    with pytest.raises(InvalidDataError, match="k must be at most the 3 samples; got 4"):
        top_k_thresholds(np.zeros((1, 9)), np.zeros((1, 3)), 4)
    with pytest.raises(ValueError, match="k must be an integer of at least 1; got 0"):
        top_k_thresholds(np.zeros((1, 9)), np.zeros((1, 3)), 0)
    with pytest.raises(InvalidDataError, match=r"\(num_users, p\) and \(num_users, n\); got"):
        top_k_thresholds(np.zeros(9), np.zeros((1, 3)), 1)
