"""Rel-MF and UBPR: matrix factorization of relevance from clicks that are missing not at random."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from recneg.losses import RelMFLoss, UBPRLoss
from recneg.samplers import Uniform
from recneg.training.matrix_factorization import MatrixFactorization
from recneg.training.optimizers import Adam

__all__ = ["UBPR", "RelMF"]


class RelMF(MatrixFactorization):
    """Rel-MF (Saito et al., WSDM 2020): pointwise losses made unbiased by inverse propensities.

    Published settings are the defaults: half of a batch of 2**15 are clicks, half missing pairs;
    Adam at 0.005; decay of the whole tables. Three things are ours: a missing pair belongs to the
    user of a click, where the paper's code draws it from all missing pairs; an epoch visits each
    click once, where the code draws 301 batches with replacement; and the start is that of
    `MatrixFactorization`, uniform of deviation 0.1, where the code has Glorot's, which is smaller
    in large tables: set `init_deviation` to ``sqrt(2 / (rows + factors))`` for that.

    Parameters
    ----------
    factors : int, default 200
        As published for Yahoo! R3.
    local : {"squared", "log"}
        Loss of a pair; see `RelMFLoss`.
    clip : float or None, default 0.00914
        Smallest propensity, None for no bound; tuned for Yahoo! R3. For Coat the UBPR paper's code
        has 0.0028. A `propensity` that is given is at least its own `clip` as well.
    **options
        Of `MatrixFactorization`; `propensity` among them.
    """

    name: ClassVar[str] = "RelMF"

    def __init__(
        self,
        factors: int = 200,
        *,
        local: str = "squared",
        clip: float | None = 0.00914,
        **options: Any,
    ) -> None:
        published: dict[str, Any] = {
            "optimizer": Adam(0.005),
            "regularization": 1e-4,
            "regularized": "tables",
            "batch_size": 1 << 14,
            "num_negatives": 1,
        }
        super().__init__(factors, **{**published, "loss": RelMFLoss(local, clip), **options})


class UBPR(MatrixFactorization):
    """UBPR (Saito, ICTIR 2020): BPR of relevance, made unbiased by inverse propensities.

    Published settings are the defaults: ten items a click, from all items; batches of 26 clicks,
    which are the code's 256 triples; Adam at 0.001; decay of the whole tables. Epochs and the start
    are as for `RelMF`.

    Parameters
    ----------
    factors : int, default 100
        As published for Yahoo! R3; 300 for Coat.
    beta : float or None, default 0.0023
        Floor of a pair's loss; 0.008 for Coat, None for no floor.
    clip : float, optional
        Smallest propensity. Default: no bound. A `propensity` that is given has its own `clip`.
    **options
        Of `MatrixFactorization`; `propensity` among them.
    """

    name: ClassVar[str] = "UBPR"

    def __init__(
        self,
        factors: int = 100,
        *,
        beta: float | None = 0.0023,
        clip: float | None = None,
        **options: Any,
    ) -> None:
        published: dict[str, Any] = {
            "optimizer": Adam(0.001),
            "regularization": 3.8e-5,
            "regularized": "tables",
            "batch_size": 26,
            "num_negatives": 10,
            "sampler": partial(Uniform, unseen=False),
        }
        super().__init__(factors, **{**published, "loss": UBPRLoss(beta, clip), **options})
