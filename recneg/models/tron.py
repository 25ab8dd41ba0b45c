"""The encoder of TRON and SASRec: a causal transformer over the events of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.functional import embedding, normalize, scaled_dot_product_attention

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError

__all__ = ["Packing", "TRONEncoder", "TRONModel"]

STEPS = 1 << 16
"""Values of the numbers that decide what is dropped."""


@dataclass(frozen=True)
class Packing:
    """Where the events of several sequences, one after another, stand in a padded matrix.

    Attributes
    ----------
    positions : torch.Tensor of int64, shape (num_events,)
        The place of each event in its sequence, from 0.
    slots : torch.Tensor of int64, shape (num_events,), or None
        Places in the flattened (num_rows, length) matrix; None if they fill it.
    num_rows, length : int
    """

    positions: torch.Tensor
    slots: torch.Tensor | None
    num_rows: int
    length: int

    @classmethod
    def of(cls, lengths: torch.Tensor) -> Packing:
        """Pack sequences of these lengths, each at least 1, into rows padded on the right."""
        rows, length = len(lengths), int(lengths.max())
        owners = torch.arange(rows, device=lengths.device).repeat_interleave(lengths)
        starts = lengths.cumsum(0) - lengths
        positions = torch.arange(len(owners), device=lengths.device) - starts[owners]
        full = len(owners) == rows * length
        return cls(positions, None if full else owners * length + positions, rows, length)


class Dropout(nn.Module):  # type: ignore[misc]  # torch is not checked
    """Dropout whose masks come from a generator of its own and never from global state.

    Parameters
    ----------
    rate : float
        In [0, 1); rounded to a multiple of ``2**-16``, which must be below 1 too.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.steps = round(check_number(rate, "dropout", "not negative") * STEPS)
        if self.steps >= STEPS:
            raise InvalidDataError(f"dropout must be below 1 in steps of 2**-16; got {rate!r}")
        self.generator: torch.Generator | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop entries in training; else return `values`."""
        if not self.training or self.steps == 0:
            return values
        if self.generator is None:
            raise RuntimeError("dropout needs a generator in training: call TRONEncoder.seed")
        size = values.numel()
        words = torch.empty(-(-size // 4), dtype=torch.int64, device=values.device)
        words.random_(-(1 << 63), None, generator=self.generator)  # four draws of 16 bits a word
        draws = words.view(torch.int16)[:size].view(values.shape)
        kept = draws >= self.steps - STEPS // 2
        return values * kept.to(values.dtype).mul_(STEPS / (STEPS - self.steps))


class Block(nn.Module):  # type: ignore[misc]  # torch is not checked
    """A pre-norm block: causal attention, then a network of one hidden layer, both residual."""

    def __init__(
        self, factors: int, heads: int, hidden: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(factors)
        self.queries_keys_values = nn.Linear(factors, 3 * factors)
        self.merge = nn.Linear(factors, factors)
        self.hidden_norm = nn.LayerNorm(factors)
        self.widen = nn.Linear(factors, hidden)
        self.narrow = nn.Linear(hidden, factors)
        self.activation = nn.ReLU() if activation == "relu" else nn.GELU()
        self.drop = Dropout(dropout)

    def forward(self, events: torch.Tensor, packing: Packing) -> torch.Tensor:
        """Return the events after this block, (num_events, factors)."""
        mixed = self._attended(self.queries_keys_values(self.attention_norm(events)), packing)
        events = events + self.drop(self.merge(mixed))
        inner = self.drop(self.activation(self.widen(self.hidden_norm(events))))
        return events + self.drop(self.narrow(inner))

    def _attended(self, together: torch.Tensor, packing: Packing) -> torch.Tensor:
        rows, length, slots = packing.num_rows, packing.length, packing.slots
        if slots is not None:
            padded = together.new_zeros((rows * length, together.shape[-1]))
            together = padded.index_copy(0, slots, together)
        size = together.shape[-1] // (3 * self.heads)
        parts = together.view(rows, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(rows * length, self.heads * size)
        return mixed if slots is None else mixed[slots]


class TRONEncoder(nn.Module):  # type: ignore[misc]  # torch is not checked
    """From the item vectors of a session's events to the vector that scores the next item.

    SASRec (Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018) as TRON has it
    (Wilm et al., RecSys 2023): item vectors times the square root of their size, plus learned
    positions, through pre-norm blocks of causal attention, and a last layer norm. Positions count
    from the first event, and padding stands on the right, where causal attention never looks: the
    vector of an event depends on the events up to it and on nothing else. All but the attention
    runs on events alone.

    Parameters
    ----------
    factors : int, default 200
    blocks : int, default 2
    heads : int, default 1
        Divides `factors`.
    hidden : int, optional
        Units of the hidden layer. Default: `factors`.
    activation : {"relu", "gelu"}
    max_length : int, default 50
        Events of a session that are seen at once.
    dropout : float, default 0.05
        Of the input, the hidden layer and both branches of a block; attention weights have none.
        Rounded to a multiple of ``2**-16``.
    scale : bool, default True
        Whether item vectors are multiplied by the square root of `factors`.
    """

    def __init__(
        self,
        factors: int = 200,
        *,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        activation: Literal["relu", "gelu"] = "relu",
        max_length: int = 50,
        dropout: float = 0.05,
        scale: bool = True,
    ) -> None:
        super().__init__()
        counts = {"factors": factors, "heads": heads, "max_length": max_length}
        for name, count in counts.items():
            check_count(count, name)
        check_count(blocks, "blocks", 0)
        if hidden is not None:
            check_count(hidden, "hidden")
        if factors % heads:
            raise InvalidDataError(f"heads must divide factors, {factors}; got {heads}")
        if activation not in ("relu", "gelu"):
            raise InvalidDataError(f"activation must be 'relu' or 'gelu'; got {activation!r}")
        self.max_length, self.factors = max_length, factors
        self.scale = factors**0.5 if scale else 1.0
        self.positions = nn.Parameter(torch.zeros(max_length, factors))
        self.blocks = nn.ModuleList(
            Block(factors, heads, hidden or factors, activation, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(factors)
        self.drop = Dropout(dropout)

    def seed(self, seed: int) -> None:
        """Start the dropout of a step from `seed`, in [0, 2**63)."""
        generator = torch.Generator(self.positions.device).manual_seed(seed)
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator

    def forward(self, items: torch.Tensor, packing: Packing) -> torch.Tensor:
        """Return a vector after each event.

        Parameters
        ----------
        items : torch.Tensor of float, shape (num_events, factors)
            The item vector of each event.
        packing : Packing
            Of no sequence longer than `max_length`.
        """
        if packing.length > self.max_length:
            raise InvalidDataError(
                f"length must be at most {self.max_length}; got {packing.length}"
            )
        events = self.drop(items * self.scale + self.positions[packing.positions])
        for block in self.blocks:
            events = block(events, packing)
        return self.norm(events)


class TRONModel(nn.Module):  # type: ignore[misc]  # torch is not checked
    """A trained encoder with its item tables, for use without recneg's trainers.

    It can be exported by `torch.export`, with a dynamic number of sequences and length.

    Parameters
    ----------
    encoder : TRONEncoder
    items : torch.Tensor of float32, shape (num_items, factors)
        What events look like to the encoder.
    output : torch.Tensor of float32, shape (num_items, factors), optional
        What the next item is scored by. Default: `items`.
    biases : torch.Tensor of float32, shape (num_items,), optional
        Of the scores.
    cosine : bool, default False
        Whether vectors are divided by their norms.
    """

    def __init__(
        self,
        encoder: TRONEncoder,
        items: torch.Tensor,
        output: torch.Tensor | None = None,
        biases: torch.Tensor | None = None,
        *,
        cosine: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.cosine = encoder, cosine
        self.items = nn.Parameter(items)
        self.output = None if output is None else nn.Parameter(output)
        self.biases = None if biases is None else nn.Parameter(biases)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return a vector after each event, (num_rows, length, factors).

        Parameters
        ----------
        items : torch.Tensor of int64, shape (num_rows, length)
            Sequences, oldest event first, padded on the right with any item; `length` is at most
            the encoder's `max_length`. What stands after padding has no meaning.
        """
        rows, length = items.shape
        positions = torch.arange(length, device=items.device).repeat(rows)
        events = embedding(items.reshape(-1), self.items)
        found = self.encoder(events, Packing(positions, None, rows, length))
        if self.cosine:
            found = normalize(found, dim=-1)
        return found.view(rows, length, self.encoder.factors)

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the scores of all items as the next one, (..., num_items)."""
        table: Any = self.items if self.output is None else self.output
        found = vectors @ table.T
        return found if self.biases is None else found + self.biases
