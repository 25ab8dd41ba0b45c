"""A row's negatives are the same in every worker, start method, order, batch size and rank."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    get_worker_info,
)

from recneg import Interactions, Key, Popularity, Sampler, Uniform
from recneg.adapters.torch import InteractionRows, NegativeBatch, NegativeCollator
from recneg.errors import InvalidDataError, InvalidIdError, NoNegativeError
from recneg.parallel import get_num_threads, set_num_threads
from recneg.samplers import TimeAware
from recneg.testing import contract_interactions

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]

KEY = Key(7)
NUM_ITEMS = 90


def make_data(timestamps: bool = False) -> Interactions:
    rng = np.random.default_rng(3)
    pairs = rng.choice(40 * NUM_ITEMS, 1003, replace=False)  # no batch size below divides it
    return Interactions.from_arrays(
        *np.divmod(pairs, NUM_ITEMS),
        timestamps=rng.integers(0, 10**9, 1003) if timestamps else None,
        num_users=41,
        num_items=NUM_ITEMS,
    )


DATA = make_data()
SAMPLER = Popularity(DATA, exponent=0.75)


def make_collator(sampler: Sampler = SAMPLER, epoch: int | None = 0, **options) -> NegativeCollator:
    collator = NegativeCollator(sampler, 3, key=KEY, **options)
    if epoch is not None:
        collator.set_epoch(epoch)
    return collator


def expected(epoch: int, sampler: Sampler = SAMPLER) -> dict[tuple[int, int], tuple[list, list]]:
    """Return the items and log_q of every pair, drawn without any loader."""
    data = sampler.interactions
    drawn = sampler.sample(data.users(), 3, key=KEY.fold_in(epoch))  # rows are 0 .. n - 1
    pairs = zip(data.users().tolist(), data.indices.tolist(), strict=True)
    return dict(
        zip(pairs, zip(drawn.items.tolist(), drawn.log_q.tolist(), strict=True), strict=True)
    )


def collected(loader, repeats: bool = False) -> dict[tuple[int, int], tuple[list, list]]:
    """Return the items and log_q of every pair that the loader gives."""
    result: dict[tuple[int, int], tuple[list, list]] = {}
    for batch in loader:
        pairs = zip(batch.users.tolist(), batch.positives.tolist(), strict=True)
        drawn = zip(batch.negatives.tolist(), batch.log_q.tolist(), strict=True)
        for pair, values in zip(pairs, drawn, strict=True):
            assert pair not in result or (repeats and result[pair] == values)
            result[pair] = values
    return result


def in_batches(data_set, batch_size: int) -> dict:
    """Return the loader's arguments for lists of indices instead of single ones."""
    batches = BatchSampler(RandomSampler(data_set), batch_size, drop_last=False)
    return {"dataset": data_set, "sampler": batches, "batch_size": None}


# -- what a batch holds --------------------------------------------------------------------------


def test_a_batch_holds_what_the_sampler_draws_for_its_rows() -> None:
    rows = np.array([1002, 4, 500, 4])
    batch = make_collator(epoch=5)(InteractionRows(DATA)[rows])
    drawn = SAMPLER.sample(DATA.users()[rows], 3, key=KEY.fold_in(5), rows=rows)
    assert isinstance(batch, NegativeBatch)
    assert batch._fields == ("users", "positives", "negatives", "log_q")
    shapes = [(4,), (4,), (4, 3), (4, 3)]
    dtypes = [torch.int64, torch.int64, torch.int64, torch.float32]
    assert [tuple(tensor.shape) for tensor in batch] == shapes
    assert [tensor.dtype for tensor in batch] == dtypes
    assert batch.users.tolist() == DATA.users()[rows].tolist()
    assert batch.positives.tolist() == DATA.indices[rows].tolist()
    assert np.array_equal(batch.negatives.numpy(), drawn.items)
    assert np.array_equal(batch.log_q.numpy(), drawn.log_q)
    assert batch.mask.all()


@pytest.mark.parametrize("law", [Uniform, Popularity])
def test_no_seen_item_and_log_q_of_the_law(law: type[Sampler]) -> None:
    sampler = law(DATA)
    loader = DataLoader(
        InteractionRows(DATA), batch_size=64, shuffle=True, collate_fn=make_collator(sampler)
    )
    batches = list(loader)
    assert [len(batch.users) for batch in batches] == [64] * 15 + [43]
    for batch in batches:
        assert not DATA.contains(batch.users[:, None], batch.negatives).any()
        log_q = sampler.log_prob(batch.users, batch.negatives)
        torch.testing.assert_close(batch.log_q, log_q, atol=2e-5, rtol=0)


def test_epochs_differ_and_one_epoch_repeats() -> None:
    collator, batch = make_collator(), InteractionRows(DATA)[:]
    first, again = collator(batch).negatives, collator(batch).negatives
    collator.set_epoch(1)
    second = collator(batch).negatives
    assert collator.epoch == 1
    assert torch.equal(first, again)
    by_chance = float(np.exp(SAMPLER.log_prob(batch[1], first.numpy())).mean())
    assert (first == second).float().mean() < 2 * by_chance < 0.1


@given(data=st.data())
def test_orders_and_cuts_change_no_row(data: st.DataObject) -> None:
    collator, whole = make_collator(), expected(0)
    order = data.draw(st.lists(st.integers(0, len(DATA) - 1), min_size=1, max_size=40))
    cut = data.draw(st.integers(1, len(order)))
    rows = InteractionRows(DATA)
    parts = [order[start : start + cut] for start in range(0, len(order), cut)]
    columns = collected((collator(rows[part]) for part in parts), repeats=True)
    samples = collected((collator([rows[row] for row in part]) for part in parts), repeats=True)
    assert columns == samples
    assert columns == {rows[row][1:]: whole[rows[row][1:]] for row in order}


def test_moving_a_batch() -> None:
    moved = make_collator()(InteractionRows(DATA)[:5]).to("meta", non_blocking=True)
    assert isinstance(moved, NegativeBatch)
    assert {tensor.device.type for tensor in moved} == {"meta"}


# -- workers, start methods, epochs, ranks -------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("batched", [False, True])
def test_workers_change_nothing(num_workers: int, batched: bool) -> None:
    rows = InteractionRows(DATA)
    way = in_batches(rows, 50) if batched else {"dataset": rows, "batch_size": 64, "shuffle": True}
    context = "fork" if num_workers else None
    loader = DataLoader(
        **way, num_workers=num_workers, multiprocessing_context=context, collate_fn=make_collator()
    )
    assert collected(loader) == expected(0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_epochs_reach_persistent_workers(method: str) -> None:
    collator = make_collator(epoch=None)
    loader = DataLoader(
        InteractionRows(DATA),
        batch_size=20,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        multiprocessing_context=method,
        collate_fn=collator,
    )
    workers = set()
    for epoch in (0, 1, 2):
        collator.set_epoch(epoch)
        assert collected(loader) == expected(epoch)
        workers.add(tuple(worker.pid for worker in loader._iterator._workers))
    assert len(workers) == 1
    collator.set_epoch(3)
    next(iter(loader))  # left early, with batches of epoch 3 on their way
    collator.set_epoch(4)
    assert collected(loader) == expected(4)


def test_ranks_together_give_the_same_as_one() -> None:
    rows, found = InteractionRows(DATA), {}
    for rank in range(2):
        order = DistributedSampler(rows, num_replicas=2, rank=rank, seed=5)
        order.set_epoch(2)
        loader = DataLoader(rows, batch_size=32, sampler=order, collate_fn=make_collator(epoch=2))
        part = collected(loader, repeats=True)
        assert len(part) >= len(DATA) // 2
        found |= part
    assert found == expected(2)


class Stream(IterableDataset):
    """Every row once, a share for each worker, in an order of its own."""

    def __init__(self, data: Interactions) -> None:
        self.rows = InteractionRows(data)

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        yield from (self.rows[row] for row in range(len(self.rows) - 1 - first, -1, -step))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_iterable_data_sets(num_workers: int) -> None:
    loader = DataLoader(
        Stream(DATA),
        batch_size=64,
        num_workers=num_workers,
        multiprocessing_context="fork" if num_workers else None,
        collate_fn=make_collator(),
    )
    assert collected(loader) == expected(0)


def test_subsets_keep_their_rows() -> None:
    part = Subset(InteractionRows(DATA), list(range(900, 300, -7)))
    found = collected(DataLoader(part, batch_size=10, collate_fn=make_collator()))
    whole = expected(0)
    assert len(found) == len(part)
    assert found == {pair: whole[pair] for pair in found}


@pytest.mark.parametrize("num_workers", [0, 1])
def test_times_of_the_rows_reach_the_law(num_workers: int) -> None:
    data = make_data(timestamps=True)
    sampler = TimeAware(data)
    loader = DataLoader(
        InteractionRows(data),
        batch_size=100,
        num_workers=num_workers,
        multiprocessing_context="fork" if num_workers else None,
        collate_fn=make_collator(sampler, exhausted="mask"),
    )
    drawn = sampler.sample(
        data.users(), 3, key=KEY.fold_in(0), times=data.timestamps, exhausted="mask"
    )
    found = [torch.cat(parts) for parts in zip(*loader, strict=True)]
    assert np.array_equal(found[2].numpy(), drawn.items)
    assert np.array_equal(found[3].numpy(), drawn.log_q)
    without = sampler.sample(data.users(), 3, key=KEY.fold_in(0), exhausted="mask")
    assert not np.array_equal(drawn.items, without.items)


@dataclass(frozen=True, eq=False)
class ThreadsUsed(Sampler):
    """Draws the number of threads; nothing random."""

    interactions: Interactions

    def _draw(self, users, num_negatives, key, rows):
        items = np.full((users.size, num_negatives), get_num_threads())
        return items, np.zeros(items.shape, np.float32)

    def _log_prob(self, users, items):
        return np.zeros(items.shape)


def test_a_worker_draws_with_one_thread_and_the_parent_with_its_own() -> None:
    collator = make_collator(ThreadsUsed(DATA))
    try:
        set_num_threads(3)
        SAMPLER.sample(np.zeros(20_000, np.int64), 1, key=0)  # start the pool, then fork
        loader = DataLoader(
            InteractionRows(DATA),
            batch_size=500,
            num_workers=1,
            multiprocessing_context="fork",
            collate_fn=collator,
        )
        assert {number for batch in loader for number in batch.negatives.unique().tolist()} == {1}
        assert collator(InteractionRows(DATA)[:2]).negatives.unique().tolist() == [3]
    finally:
        set_num_threads(None)


def test_copies_carry_the_epoch_and_keep_theirs() -> None:
    collator = make_collator(epoch=6)
    for other in (pickle.loads(pickle.dumps(collator)), copy.deepcopy(collator)):  # noqa: S301
        assert other.epoch == 6
        assert other._epoch.is_shared()
        other.set_epoch(8)
        assert (collator.epoch, other.epoch) == (6, 8)
        batch = InteractionRows(DATA)[:9]
        collator.set_epoch(8)
        assert torch.equal(collator(batch).negatives, other(batch).negatives)
        collator.set_epoch(6)


# -- samples of other forms ----------------------------------------------------------------------


def columns_of_dictionary(batch):
    return tuple([sample[name] for sample in batch] for name in ("row", "user", "positive"))


def test_data_sets_of_other_forms() -> None:
    users, items = torch.from_numpy(DATA.users().copy()), torch.from_numpy(DATA.indices.copy())
    tensors = TensorDataset(torch.arange(len(DATA)), users, items)
    collator = make_collator()
    assert collected(DataLoader(tensors, batch_size=99, collate_fn=collator)) == expected(0)
    assert collected(DataLoader(**in_batches(tensors, 99), collate_fn=collator)) == expected(0)
    dictionaries = [
        {"row": row, "user": user, "positive": item} for row, user, item in InteractionRows(DATA)
    ]
    by_name = make_collator(columns=columns_of_dictionary)
    assert collected(DataLoader(dictionaries, batch_size=99, collate_fn=by_name)) == expected(0)


def test_a_collate_function_of_ones_own() -> None:
    collator, rows = make_collator(), InteractionRows(DATA)[10:20]
    of_tensors = collator.draw(torch.from_numpy(rows[1]), torch.from_numpy(rows[0]))
    assert isinstance(of_tensors.items, torch.Tensor)
    assert torch.equal(of_tensors.items, collator(rows).negatives)


def test_a_batch_owns_its_memory() -> None:
    columns = InteractionRows(DATA)[:4]
    for column in columns:
        column.setflags(write=False)
    batch = make_collator()(columns)
    batch.users.fill_(0)
    assert columns[1].tolist() == DATA.users()[:4].tolist()


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([(1, 2)], InvalidDataError, r"tuple \(row, user, positive\) .* got \(1, 2\)"),
        ([{"row": 1, "user": 2, "positive": 3}], InvalidDataError, "`columns` must find them"),
        ([torch.tensor([1, 2, 3])] * 3, InvalidDataError, "a sample must be a tuple"),
        ((1, 2, 3), InvalidIdError, r"index lists\); got shapes \(\) and \(\)"),
        ([(0, 41, 3)], InvalidIdError, r"user ids must lie in \[0, 41\); got 41"),
        ([(0, 1, NUM_ITEMS)], InvalidIdError, r"positive item ids must lie in \[0, 90\); got 90"),
        ([(-1, 1, 3)], InvalidIdError, "row ids must lie in .* got -1"),
        ([(0.5, 1, 3)], InvalidIdError, "row ids must be integers; got dtype float64"),
        (([1, 2], [1], [3]), InvalidIdError, r"rows must have the shape of users, \(1,\)"),
        (([1], [1], [3, 4]), InvalidIdError, r"got shapes \(1,\) and \(2,\)"),
    ],
)
def test_samples_that_do_not_fit(batch, error, message: str) -> None:
    with pytest.raises(error, match=message):
        make_collator()(batch)


# -- errors --------------------------------------------------------------------------------------


def test_an_epoch_is_needed() -> None:
    collator = make_collator(epoch=None)
    assert collator.epoch is None
    loader = DataLoader(InteractionRows(DATA), batch_size=5, collate_fn=collator)
    with pytest.raises(RuntimeError, match="set_epoch.epoch. must be called before each pass"):
        next(iter(loader))


@pytest.mark.parametrize(
    ("epoch", "error", "message"),
    [
        (-1, ValueError, r"epoch must lie in \[0, 2\*\*63\); got -1"),
        (1 << 63, ValueError, "epoch must lie in"),
        (1.0, TypeError, "epoch must be an integer; got 1.0"),
        (True, TypeError, "epoch must be an integer; got True"),
    ],
)
def test_epochs_are_checked(epoch, error, message: str) -> None:
    collator = make_collator(epoch=4)
    with pytest.raises(error, match=message):
        collator.set_epoch(epoch)
    assert collator.epoch == 4
    collator.set_epoch(np.int64(2**63 - 1))
    assert collator.epoch == 2**63 - 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: NegativeCollator(DATA, key=0), TypeError, "sampler must be a recneg Sampler"),
        (lambda: NegativeCollator(SAMPLER, -1, key=0), ValueError, "num_negatives must lie"),
        (lambda: NegativeCollator(SAMPLER, key=1.5), TypeError, "seed must be an integer"),
        (lambda: make_collator(exhausted="drop"), ValueError, "'error' or 'mask'; got 'drop'"),
    ],
)
def test_arguments_are_checked_at_once(make, error, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_users_who_have_everything(num_workers: int) -> None:
    data = contract_interactions()  # its user 1 has every item

    def loader(collator: NegativeCollator) -> DataLoader:
        return DataLoader(
            InteractionRows(data),
            batch_size=16,
            num_workers=num_workers,
            multiprocessing_context="fork" if num_workers else None,
            collate_fn=collator,
        )

    with pytest.raises(NoNegativeError, match="1 of this batch has none: 1 "):
        list(loader(make_collator(Uniform(data))))
    for batch in loader(make_collator(Uniform(data), exhausted="mask")):
        without = (batch.users == 1)[:, None].expand(-1, 3)
        assert torch.equal(~batch.mask, without)
        assert torch.equal(batch.negatives == -1, without)
        assert torch.equal(torch.isneginf(batch.log_q), without)


def test_the_package_itself_imports_no_torch() -> None:
    code = (
        "import sys, recneg.adapters, recneg.adapters.rows as rows; "
        "assert 'torch' not in sys.modules; import recneg.adapters.torch as own; "
        "assert own.InteractionRows is rows.InteractionRows and 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


def test_a_batch_can_be_mined() -> None:
    from recneg.mining import hardest

    batch = make_collator(epoch=1)(InteractionRows(DATA)[np.arange(6)])
    scores = torch.randn(6, 3)
    mined = hardest(batch, scores)
    assert torch.equal(mined.positions[:, 0], scores.argmax(dim=1))
    assert torch.equal(mined.items, batch.negatives.gather(1, mined.positions))
