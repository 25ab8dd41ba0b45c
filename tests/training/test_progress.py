"""Trainings tell how far they are: on a terminal, and elsewhere by a line now and then."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recneg import BPR, NBPO, TRON, Interactions, MatrixFactorization, Sequences, SimpleX
from recneg.training import progress
from recneg.training.running import Engine, run_epochs
from recneg.training.state import Epoch, TrainingState

DATA = Interactions.from_arrays(np.arange(60) % 20, np.arange(60) * 7 % 23)
SEQUENCES = Sequences.from_arrays(np.repeat(np.arange(20), 4), np.arange(80) * 7 % 23)

MODELS: dict[str, Callable[[], Any]] = {
    "BPR": lambda: BPR(4, epochs=2, num_threads=1),
    "NBPO": lambda: NBPO(4, epochs=2, batch_size=16),
    "fused": lambda: MatrixFactorization(4, epochs=2, batch_size=8, num_negatives=2),
    "torch": lambda: MatrixFactorization(
        4, epochs=2, batch_size=8, num_negatives=2, engine="torch"
    ),
    "SimpleX": lambda: SimpleX(4, epochs=2, batch_size=8, num_negatives=2, patience=None),
    "TRON": lambda: TRON(4, epochs=2, batch_size=4, num_negatives=5, patience=None),
}


@pytest.mark.parametrize("name", MODELS)
def test_shares_of_an_epoch_rise_to_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(progress.Report, "within", lambda self, share: told.append(share))
    MODELS[name]().fit(SEQUENCES if name == "TRON" else DATA, show_progress=False)
    first = told[: told.index(1.0) + 1]
    assert first == sorted(first)
    assert min(first) > 0
    assert told == first * 2  # two epochs alike
    if name != "BPR":  # whose blocks hold hundreds of users
        assert len(first) > 2


def test_lines_where_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(np.arange(0, 10_000, 25.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))

    class Slow(Engine):
        def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
            tell(0.25)
            tell(0.5)
            return Epoch(
                len(state.history) + 1, 1.0, correct=0.5, loss=0.693, triples=25, validation=None
            )

    for show in (True, False):
        model = BPR(4, epochs=2)
        state = TrainingState((np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(0)))
        run_epochs(
            model, Slow(), state, score=None, measure="NDCG@20", checkpoint=None,
            show_progress=show, callback=None,
        )  # fmt: skip
        lines = capsys.readouterr().err.splitlines()
        if not show:
            assert lines == []
            continue
        assert lines[0] == "BPR: epoch 1 of 2, 100 s  loss 0.693  correct 50.0%"
        assert all(line.startswith("BPR: epoch ") for line in lines)


@pytest.mark.parametrize("forced", ["", "FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_short_training_prints_nothing(
    forced: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even a bar where somebody asks for colours in a log."""
    if forced:
        monkeypatch.setenv(forced, "1")
    BPR(4, epochs=2).fit(DATA)
    assert capsys.readouterr() == ("", "")
