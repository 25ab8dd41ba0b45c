"""The example in plain PyTorch runs, and its negatives are better than those of ``randint``."""

import difflib
import importlib.util
import inspect
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from recneg.datasets import load
from recneg.splits import random_split

PATH = Path(__file__).parents[2] / "examples" / "pytorch_mf.py"

needs_data = pytest.mark.skipif(
    "RECNEG_DATA" not in os.environ, reason="RECNEG_DATA must name a folder with MovieLens 100K"
)


def load_example():
    spec = importlib.util.spec_from_file_location("pytorch_mf", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE = load_example()
WAYS = (EXAMPLE.with_randint, EXAMPLE.with_recneg)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def split():
    data = load("movielens-100k", download=False).interactions
    return random_split(data, key=1)


def test_the_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    EXAMPLE.main(epochs=1, seeds=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["with_randint", "with_recneg"]
    for line in lines[1:]:
        seconds, ndcg = map(float, re.findall(r"(\d+\.\d+) s an epoch +ndcg@20 (\S+)", line)[0])
        assert seconds > 0
        assert 0 < ndcg < 1


def test_four_lines_differ() -> None:
    def code(way) -> list[str]:
        return inspect.getsource(way).split('"""')[2].splitlines()

    changes = list(difflib.ndiff(*map(code, WAYS)))
    assert sum(line.startswith("+") for line in changes) == 4


@needs_data
def test_draws_of_an_epoch_of_movielens(split, monkeypatch: pytest.MonkeyPatch) -> None:
    train, shares = split.train, []
    for way in WAYS:
        drawn = []
        monkeypatch.setattr(EXAMPLE, "step", lambda *args, into=drawn: into.append(args[2:]))
        torch.manual_seed(0)
        list(way(None, None, train, 1, 0))
        users, positives, negatives = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        pairs = users.numpy() * train.num_items + positives.numpy()
        assert np.array_equal(
            np.sort(pairs), train.users().astype(np.int64) * train.num_items + train.indices
        )
        shares.append(train.contains(users[:, None], negatives).mean())
    counts = train.user_counts()
    chance = (counts**2).sum() / counts.sum() / train.num_items  # that randint draws a positive
    print(f"positives among the negatives: randint {shares[0]:.3f}, recneg {shares[1]:.3f}")
    assert shares[1] == 0
    assert abs(shares[0] - chance) < 5 * math.sqrt(chance / len(train))


@needs_data
@pytest.mark.slow
def test_accuracy_on_movielens(split) -> None:
    figures = [[EXAMPLE.run(way, split, 25, seed) for seed in range(3)] for way in WAYS]
    seconds, ndcg = np.moveaxis(np.array(figures), 2, 0)
    for way, s, n in zip(WAYS, seconds, ndcg, strict=True):
        print(f"{way.__name__}: {np.median(s):.2f} s an epoch, ndcg@20 {n.mean():.4f} {n.round(4)}")
    noise = 2 * math.sqrt(ndcg.var(axis=1, ddof=1).sum() / 3)
    assert ndcg[1].mean() > ndcg[0].mean() - noise
