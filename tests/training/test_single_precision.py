"""Training in torch on devices without float64, of which the CPU plays one here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from recneg.interactions import Interactions
from recneg.losses import SampledSoftmaxLoss, UBPRLoss
from recneg.sequences import Sequences
from recneg.training import TRON, MatrixFactorization, sequence_engine, torch_scoring
from recneg.training.weights import DeviceWeights

torch.set_num_threads(1)


class NoFloat64(TorchDispatchMode):
    """Refuses whatever makes a tensor of float64."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves(found):
            if isinstance(each, torch.Tensor) and each.dtype == torch.float64:
                raise TypeError(f"this device has no float64, but {func} made some")
        return found


def elsewhere(values: Any, moments: Any, *, cosine: bool, **_: Any) -> DeviceWeights:
    """Weights of the CPU, kept as those of another device are."""
    return DeviceWeights(values, moments, torch.device("cpu"), cosine=cosine)


RNG = np.random.default_rng(0)
SESSIONS = Sequences.from_arrays(np.repeat(np.arange(40), 5), RNG.integers(0, 50, 200))
PAIRS = Interactions.from_arrays(np.repeat(np.arange(40), 5), RNG.integers(0, 50, 200))

SMALL: dict[str, Any] = {"factors": 8, "epochs": 1, "engine": "torch", "num_threads": 1}
TRAINED: list[tuple[Any, Any]] = [
    (lambda: TRON(**SMALL, num_negatives=20, top_k=10), SESSIONS),
    (lambda: TRON(**SMALL, top_k=0, score="cosine", tied=False, max_norm=0.5), SESSIONS),
    (lambda: MatrixFactorization(**SMALL, loss=SampledSoftmaxLoss(), max_norm=0.5), PAIRS),
    (lambda: MatrixFactorization(**SMALL, loss=UBPRLoss()), PAIRS),
]


@pytest.mark.parametrize(("make", "data"), TRAINED)
def test_a_device_without_float64_trains_alike(
    make: Callable[[], Any], data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequence_engine, "HostWeights", elsewhere)
    expected = make().fit(data, show_progress=False)
    with pytest.raises(TypeError, match="no float64"), NoFloat64():
        make().fit(data, show_progress=False)
    monkeypatch.setattr(torch_scoring, "WITHOUT_FLOAT64", ("cpu",))
    with NoFloat64():
        found = make().fit(data, show_progress=False)
    assert found.history[0].loss == pytest.approx(expected.history[0].loss, rel=1e-5)
    assert found.history[0].triples == expected.history[0].triples
    assert np.allclose(found.item_factors, expected.item_factors, atol=1e-4)
