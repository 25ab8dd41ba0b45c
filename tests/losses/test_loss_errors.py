"""Bad hyper-parameters and arguments are refused with the requirement and the value."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recneg.errors import InvalidDataError
from recneg.losses import (
    BPRLoss,
    BPRMaxLoss,
    BSLLoss,
    CMLLoss,
    CosineContrastiveLoss,
    DebiasedLoss,
    GBCELoss,
    HardContrastiveLoss,
    LogisticLoss,
    Loss,
    NBPOLoss,
    PSLLoss,
    RelMFLoss,
    Rows,
    SampledSoftmaxLoss,
    SelfAdversarialLoss,
    Sides,
    SLAtKLoss,
    SoftmaxLoss,
    SquaredLoss,
    UBPRLoss,
    WARPLoss,
    score_gradients,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BPRLoss("max"), "reduction must be one of mean, sum; got 'max'"),
        (lambda: LogisticLoss("none"), "reduction must be one of mean, sum; got 'none'"),
        (lambda: SquaredLoss(-1.0), "negative_weight must be at least 0 and finite; got -1.0"),
        (lambda: SquaredLoss(math.inf), "negative_weight must be at least 0 and finite; got inf"),
        (lambda: SquaredLoss(1.0, "x"), "reduction must be"),
        (lambda: GBCELoss(1), "num_items must be an integer of at least 2; got 1"),
        (lambda: GBCELoss(0), "num_items must be an integer of at least 2; got 0"),
        (lambda: GBCELoss(9, 1.5), "calibration must lie in [0, 1]; got 1.5"),
        (lambda: GBCELoss(9, math.nan), "calibration must be finite; got nan"),
        (lambda: SelfAdversarialLoss(math.nan), "margin must be finite; got nan"),
        (lambda: SelfAdversarialLoss(1.0, math.inf), "alpha must be finite; got inf"),
        (lambda: NBPOLoss("bce"), "objective must be one of bpo, nbpo-o, nbpo-s, nbpo; got 'bce'"),
        (lambda: NBPOLoss("bpo", "x"), "reduction must be"),
        (lambda: RelMFLoss("huber"), "local must be one of squared, log; got 'huber'"),
        (lambda: RelMFLoss(clip=0.0), "clip must lie in (0, 1]; got 0.0"),
        (lambda: RelMFLoss(clip=math.nan), "clip must lie in (0, 1]; got nan"),
        (lambda: UBPRLoss(-0.1), "beta must be at least 0 and finite; got -0.1"),
        (lambda: UBPRLoss(clip=2.0), "clip must lie in (0, 1]; got 2.0"),
        (lambda: UBPRLoss(reduction="x"), "reduction must be"),
        (lambda: CosineContrastiveLoss(math.inf), "margin must be finite; got inf"),
        (lambda: CosineContrastiveLoss(0.9, -1), "weight must be at least 0 and finite; got -1"),
        (lambda: BPRMaxLoss(-1), "regularization must be at least 0 and finite; got -1"),
        (lambda: SampledSoftmaxLoss(0), "temperature must be positive and finite; got 0"),
        (lambda: SoftmaxLoss(-1), "temperature must be positive and finite; got -1"),
        (lambda: BSLLoss(math.nan), "temperature must be positive and finite; got nan"),
        (lambda: BSLLoss(exponent=0), "exponent must be positive and finite; got 0"),
        (lambda: BSLLoss(variant="x"), "variant must be one of multi, reweight; got 'x'"),
        (lambda: SLAtKLoss(0), "temperature must be positive and finite; got 0"),
        (lambda: SLAtKLoss(1, 0), "weight_temperature must be positive and finite; got 0"),
        (lambda: PSLLoss(0), "temperature must be positive and finite; got 0"),
        (lambda: PSLLoss(1, "exp"), "activation must be one of tanh, relu, atan; got 'exp'"),
        (lambda: DebiasedLoss(0), "temperature must be positive and finite; got 0"),
        (lambda: DebiasedLoss(1, 1.0), "prior must be in [0, 1) and finite; got 1.0"),
        (lambda: HardContrastiveLoss(1, -0.1), "prior must be in [0, 1) and finite; got -0.1"),
        (lambda: HardContrastiveLoss(beta=-1), "beta must be at least 0 and finite; got -1"),
        (lambda: WARPLoss(1), "num_items must be an integer of at least 2; got 1"),
        (lambda: WARPLoss(9, math.nan), "margin must be finite; got nan"),
        (lambda: WARPLoss(9, 1.0, 0.0), "max_weight must be positive and finite; got 0.0"),
        (lambda: CMLLoss(True), "num_items must be an integer of at least 2; got True"),
        (lambda: CMLLoss(9, math.inf), "margin must be finite; got inf"),
    ],
)
def test_bad_hyper_parameters(make: Callable[[], Loss], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def torch_form(loss: Loss, positive: Any, negative: Any, **options: Any) -> Any:
    given = {name: torch.as_tensor(value) for name, value in options.items() if name != "sides"}
    scores = torch.as_tensor(positive), torch.as_tensor(negative)
    return loss(*scores, sides=options.get("sides"), **given)


FORMS = pytest.mark.parametrize("form", [torch_form, score_gradients], ids=["torch", "kernel"])
ONE, TWO = np.zeros(1), np.zeros((1, 2))


@FORMS
@pytest.mark.parametrize(
    ("loss", "scores", "options", "message"),
    [
        (BPRLoss(), (np.zeros(2), TWO), {}, "one axis more; got (1, 2) and (2,)"),
        (BPRLoss(), (TWO, TWO), {}, "got (1, 2)"),
        (BPRLoss(), (ONE, np.zeros((1, 2), int)), {}, "scores must be float"),
        (BPRLoss(), (np.zeros(1, int), TWO), {}, "scores must be float"),
        (BPRLoss(), (ONE, TWO), {"mask": np.ones((1, 3), bool)}, "mask must have shape (1, 2)"),
        (BPRLoss(), (ONE, TWO), {"weights": np.ones(2)}, "weights must have shape (1, 2)"),
        (SoftmaxLoss(), (ONE, TWO), {"weights": TWO}, "weights are for losses that sum"),
        (NBPOLoss(), (ONE, TWO), {}, "sides must hold the flip scores"),
        (NBPOLoss(), (ONE, TWO), {"sides": Sides(ONE)}, "got none for the negatives of NBPOLoss"),
        (RelMFLoss(), (ONE, TWO), {"sides": Sides(None, TWO)}, "none for the positives of RelMF"),
        (SLAtKLoss(), (ONE, TWO), {}, "sides must hold the score beta_u"),
        (UBPRLoss(), (ONE, TWO), {"sides": Sides(ONE, ONE)}, "negative side values must have"),
        (SLAtKLoss(), (ONE, TWO), {"sides": Sides(TWO)}, "positive side values must have shape"),
    ],
)
def test_bad_arguments(
    form: Callable[..., Any],
    loss: Loss,
    scores: tuple[Any, Any],
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InvalidDataError, match=re.escape(message)):
        form(loss, *scores, **options)


def test_masks_are_bool() -> None:
    with pytest.raises(InvalidDataError, match="mask must be bool; got torch.int64"):
        BPRLoss()(torch.zeros(1), torch.zeros(1, 2), mask=torch.ones(1, 2, dtype=torch.int64))


def test_losses_without_a_kernel_are_named() -> None:
    class Mine(Loss):
        def _losses(self, rows: Rows) -> torch.Tensor:
            return rows.mean(rows.gaps)

    with pytest.raises(InvalidDataError, match="must have a kernel; .* runs in torch alone"):
        score_gradients(Mine(), ONE, TWO)


def test_import_is_light() -> None:
    code = "import sys, recneg.losses; print({'torch', 'polars', 'matplotlib'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
