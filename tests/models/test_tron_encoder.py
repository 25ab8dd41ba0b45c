"""The encoder of TRON: against plain loops, padding, causality, dropout and export."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.export import Dim, export

from recneg.errors import InvalidDataError
from recneg.models import Packing, TRONEncoder, TRONModel

torch.set_num_threads(1)

LENGTHS = [3, 1, 5, 2, 5]
FACTORS = 6


def some_encoder(**options: object) -> TRONEncoder:
    """An encoder of random float64 weights."""
    encoder = TRONEncoder(FACTORS, **({"heads": 2, "max_length": 7, "dropout": 0.0} | options))
    generator = torch.Generator().manual_seed(3)
    encoder.double()
    for weight in encoder.parameters():
        weight.data = 0.5 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return encoder


def some_events(count: int = sum(LENGTHS), seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, FACTORS, generator=generator, dtype=torch.float64)


def norm_by_hand(row: NDArray, weight: NDArray, bias: NDArray) -> NDArray:
    return (row - row.mean()) / np.sqrt(row.var() + 1e-5) * weight + bias


def vectors_by_hand(encoder: TRONEncoder, events: NDArray) -> NDArray:
    """Encode one sequence, event by event, head by head."""
    w = {name: value.detach().numpy() for name, value in encoder.named_parameters()}
    x = events * np.sqrt(FACTORS) + w["positions"][: len(events)]
    for number, block in enumerate(encoder.blocks):
        at = f"blocks.{number}."

        def layer(name: str, row: NDArray, at: str = at) -> NDArray:
            return w[at + name + ".weight"] @ row + w[at + name + ".bias"]

        def normed(name: str, row: NDArray, at: str = at) -> NDArray:
            return norm_by_hand(row, w[at + name + ".weight"], w[at + name + ".bias"])

        size = FACTORS // block.heads
        parts = np.array([layer("queries_keys_values", normed("attention_norm", r)) for r in x])
        q, k, v = np.split(parts, 3, axis=1)
        after = []
        for t in range(len(x)):
            mixed = np.zeros(FACTORS)
            for head in range(block.heads):
                part = slice(head * size, (head + 1) * size)
                logits = [q[t, part] @ k[s, part] / np.sqrt(size) for s in range(t + 1)]
                powers = np.exp(logits)
                for s in range(t + 1):
                    mixed[part] += powers[s] / powers.sum() * v[s, part]
            row = x[t] + layer("merge", mixed)
            inner = layer("widen", normed("hidden_norm", row))
            after.append(row + layer("narrow", np.maximum(inner, 0)))
        x = np.array(after)
    return np.array([norm_by_hand(r, w["norm.weight"], w["norm.bias"]) for r in x])


def test_the_encoder_is_a_loop_over_events() -> None:
    encoder, events = some_encoder(hidden=5), some_events()
    found = encoder(events, Packing.of(torch.tensor(LENGTHS))).detach().numpy()
    for begin, end in pairwise(np.cumsum([0, *LENGTHS])):
        expected = vectors_by_hand(encoder, events[begin:end].numpy())
        assert np.allclose(found[begin:end], expected, atol=1e-10)


def test_gradients_are_finite_differences() -> None:
    encoder, packing = some_encoder(activation="gelu"), Packing.of(torch.tensor([2, 1, 3]))
    events = some_events(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: encoder(x, packing), events)


def test_padding_changes_nothing() -> None:
    encoder, events = some_encoder(), some_events()
    found = encoder(events, Packing.of(torch.tensor(LENGTHS)))
    for begin, end in pairwise(np.cumsum([0, *LENGTHS])):
        alone = encoder(events[begin:end], Packing.of(torch.tensor([end - begin])))
        assert torch.allclose(found[begin:end], alone, atol=1e-12)


def test_later_events_change_nothing() -> None:
    encoder, events = some_encoder(), some_events(7)
    whole = encoder(events, Packing.of(torch.tensor([7])))
    for length in range(1, 7):
        part = encoder(events[:length], Packing.of(torch.tensor([length])))
        assert torch.allclose(whole[:length], part, atol=1e-12)
    changed = events.clone()
    changed[5, 0] += 1.0
    other = encoder(changed, Packing.of(torch.tensor([7])))
    assert torch.allclose(whole[:5], other[:5], atol=1e-12)
    assert not torch.allclose(whole[5:], other[5:], atol=1e-3)


def test_dropout_is_its_seed_and_no_global_state() -> None:
    encoder, events = some_encoder(dropout=0.3), some_events()
    packing = Packing.of(torch.tensor(LENGTHS))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()

    def run(seed: int) -> torch.Tensor:
        encoder.seed(seed)
        return encoder(events, packing)

    first, again, other = run(4), run(4), run(5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    encoder.eval()
    assert torch.equal(encoder(events, packing), encoder(events, packing))


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.999, 1 - 2**-16])
def test_dropout_keeps_the_mean(rate: float) -> None:
    rounded = round(rate * 2**16) / 2**16
    drop = TRONEncoder(8, dropout=rate).drop
    drop.generator = torch.Generator().manual_seed(0)
    found = drop(torch.ones(1000, 401))
    assert found.unique().tolist() == [0.0, pytest.approx(1 / (1 - rounded))]
    deviation = (rounded / (1 - rounded) / found.numel()) ** 0.5
    assert abs(found.mean().item() - 1) < 5 * deviation


def test_dropout_without_a_seed_says_so() -> None:
    with pytest.raises(RuntimeError, match="TRONEncoder.seed"):
        some_encoder(dropout=0.3)(some_events(2), Packing.of(torch.tensor([2])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 4}, "heads must divide factors, 6; got 4"),
        ({"heads": 0}, "heads must be an integer of at least 1; got 0"),
        ({"heads": -2}, "heads must be an integer of at least 1; got -2"),
        ({"activation": "tanh"}, "tanh"),
        ({"blocks": -1}, "blocks must be an integer of at least 0; got -1"),
        ({"hidden": 0}, "hidden must be an integer of at least 1; got 0"),
        ({"max_length": 0}, "max_length must be an integer of at least 1; got 0"),
        ({"dropout": 1.5}, "dropout must be below 1 in steps of 2.*; got 1.5"),
        ({"dropout": 1 - 2**-17}, "dropout must be below 1 in steps of 2.*; got 0.99999"),
        ({"dropout": -1}, "dropout must be finite and not negative; got -1"),
        ({"dropout": float("nan")}, "dropout must be finite and not negative; got nan"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        some_encoder(**options)


def test_a_vector_has_a_size() -> None:
    with pytest.raises(InvalidDataError, match="factors must be an integer of at least 1; got 0"):
        TRONEncoder(0)


def some_model(*, untied: bool) -> TRONModel:
    generator = torch.Generator().manual_seed(2)
    table, output = (torch.randn(20, 8, generator=generator) for _ in range(2))
    encoder = TRONEncoder(8, heads=2, max_length=9)
    return TRONModel(
        encoder, table, output if untied else None, torch.arange(20.0) if untied else None
    ).eval()


@pytest.mark.parametrize("untied", [False, True])
def test_a_model_is_its_encoder_with_tables(untied: bool) -> None:
    model, items = some_model(untied=untied), torch.tensor([[4, 1, 7], [3, 3, 0]])
    vectors = model(items).detach()
    alone = model.encoder(model.items[items[1, :2]], Packing.of(torch.tensor([2])))
    assert torch.allclose(vectors[1, :2], alone, atol=1e-6)
    scores = model.scores(vectors)
    assert scores.shape == (2, 3, 20)
    table = model.output if untied else model.items
    expected = (vectors[0, 2] @ table[5].detach()).item() + (5.0 if untied else 0.0)
    assert scores[0, 2, 5].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_a_model_takes_nothing(shape: tuple[int, int]) -> None:
    model = some_model(untied=False)
    vectors = model(torch.zeros(shape, dtype=torch.int64))
    assert vectors.shape == (*shape, 8)
    assert model.scores(vectors).shape == (*shape, 20)


def test_a_model_refuses_more_events_than_it_sees() -> None:
    with pytest.raises(InvalidDataError, match="length must be at most 9; got 10"):
        some_model(untied=False)(torch.zeros((2, 10), dtype=torch.int64))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_can_be_exported() -> None:
    model = some_model(untied=False)
    sizes = {0: Dim("sessions", min=1, max=1 << 16), 1: Dim("length", min=2, max=9)}
    program = export(model, (torch.zeros(3, 5, dtype=torch.int64),), dynamic_shapes=(sizes,))
    items = torch.arange(4 * 8).view(4, 8) % 20
    assert torch.allclose(program.module()(items), model(items), atol=1e-6)
