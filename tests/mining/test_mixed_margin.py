"""The weight of a mixed negative against the gradient of the mixture itself."""

import numpy as np
import torch
from torch.nn.functional import softplus

from recneg.mining import mixed_margin, mixed_positive
from recneg.samplers import Negatives


def test_the_weighed_step_is_the_step_on_the_mixture() -> None:
    """Autograd through MixGCF's vectors, against the plain BPR gradient times the weight."""
    torch.manual_seed(0)
    batch, n, d = 40, 5, 6
    user, positive = (torch.randn(batch, d, dtype=torch.float64) for _ in range(2))
    vectors = torch.randn(batch, n, d, dtype=torch.float64)
    leaves = [user, positive, vectors]
    for leaf in leaves:
        leaf.requires_grad_()
    items = torch.arange(batch * n).reshape(batch, n)
    negatives = Negatives(items, torch.zeros(batch, n), torch.ones(batch, n, dtype=torch.bool))
    scores = (vectors @ user[:, :, None])[..., 0]
    positive_scores = (user * positive).sum(1)
    mixed = mixed_positive(
        negatives, scores, candidate_vectors=vectors, positive_vectors=positive, key=3
    )
    gap = positive_scores - (mixed.vectors[:, 0] * user).sum(1)
    wanted = torch.autograd.grad(softplus(-gap).sum(), leaves, retain_graph=True)
    mined = mixed_margin(negatives, scores, positive_scores=positive_scores, key=3)
    assert torch.equal(mined.positions, mixed.positions)
    free = mined.weights[:, 0] < 10
    assert free.sum() > 30
    chosen = torch.gather(scores, 1, mined.positions)[:, 0]
    loss = mined.weights[:, 0] * softplus(-(positive_scores - chosen))
    found = torch.autograd.grad(loss.sum(), leaves)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours[free], theirs[free], atol=1e-12)


def test_weights_are_cut_off_and_masked_rows_have_none() -> None:
    items = np.array([[0, 1], [2, 3]])
    negatives = Negatives(items, np.zeros((2, 2)), np.array([[True, True], [False, False]]))
    scores = np.array([[-1e4, -1e4], [0.0, 0.0]])
    mined = mixed_margin(negatives, scores, positive_scores=np.array([1e4, 0.0]), key=0)
    assert mined.weights[:, 0].round(9).tolist() == [10.0, 0.0]
    assert mined.items[:, 0].tolist() == [0, -1]
