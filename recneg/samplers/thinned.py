"""Laws made from another one by thinning: a proposal is kept with a probability of its own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.keys import Key, random_floats
from recneg.parallel import map_blocks
from recneg.samplers.base import Sampler, TimedSampler

__all__ = ["ThinnedSampler"]

FIRST_PROPOSALS = 4
"""Proposals of a row in the first round; each further round doubles them."""

MAX_TRIES = 64
"""Proposals a slot before it is drawn from the exact law instead."""

BLOCK_PAIRS = 1 << 16
"""Pairs whose probabilities are in memory at a time, for each thread."""

PROPOSE, ACCEPT, EXACT = 0x7E57_0000, 0x7E58_0000, 0x7E59_0000
"""Folded into keys, the first two plus the round: far from the numbers that callers fold in."""

ESTIMATE_KEY = Key(0)
"""Key of the draws that estimate a normaliser: part of the law, hence the same for everybody."""


@dataclass(frozen=True, eq=False)
class ThinnedSampler(TimedSampler):
    """A base law q0 thinned by an acceptance: ``q(j | u) = q0(j | u) a(u, j) / Z_u``.

    A subclass gives `_acceptance`, a probability for every pair, and adds its fields. Each row has
    a stream of proposals of the base under keys of its own; slot j takes the j-th that is accepted,
    if it comes among the first ``64 (j + 1)``, and else one draw from the exact law, made by going
    through all items of that user. The expected number of proposals for a draw is ``1 / Z_u``.

    ``Z_u = sum_j q0(j | u) a(u, j)`` is only needed for `log_q`. ``normalise="exact"`` computes it
    at construction, in blocks of bounded memory and in time users x items. For large catalogues
    ``normalise="estimate"`` takes the mean acceptance of `num_estimate` keyed proposals for each
    user instead: `log_q` is then off by one constant a user, of relative standard error
    ``std(a) / (Z sqrt(num_estimate))``, at most ``sqrt((1 / Z - 1) / num_estimate)``: 1.6 % at
    Z = 0.5 and 4096 proposals. The draws are exact either way.

    8 bytes a user, and the base.

    Parameters
    ----------
    base : Sampler
        Proposes; says by its own support what is unseen.
    normalise : {"exact", "estimate"}
    num_estimate : int, default 4096
    """

    base: Sampler
    interactions: Interactions = field(init=False, repr=False)
    log_mass: NDArray[np.float64] = field(init=False, repr=False)
    normalise: Literal["exact", "estimate"] = field(default="exact", kw_only=True)
    num_estimate: int = field(default=4096, kw_only=True)

    def __post_init__(self) -> None:
        if self.normalise not in ("exact", "estimate"):
            raise ValueError(f"normalise must be 'exact' or 'estimate'; got {self.normalise!r}")
        if not 1 <= self.num_estimate < 1 << 31:
            raise ValueError(f"num_estimate must lie in [1, 2**31); got {self.num_estimate}")
        object.__setattr__(self, "interactions", self.base.interactions)
        object.__setattr__(self, "log_mass", self._masses())

    @property
    def unseen(self) -> bool:
        """Whether the base leaves out what the user has interacted with."""
        return self.base.unseen

    @property
    def depends_on_time(self) -> bool:
        """Whether the base does."""
        return self.base.depends_on_time

    @abstractmethod
    def _acceptance(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return a(u, j) in [0, 1] for two arrays of one shape, each entry by itself."""

    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.full((users.size, num_negatives), -1, np.int64)
        log_q = np.full((users.size, num_negatives), -np.inf, np.float32)
        log_mass = self._log_masses_at(users, times)
        filled = np.zeros(users.size, np.int64)
        active = np.flatnonzero(log_mass > -np.inf)
        seen, proposals, round_number = 0, FIRST_PROPOSALS, 0
        while active.size and num_negatives and seen < MAX_TRIES * num_negatives:
            owners, at = users[active], rows[active]
            when = None if times is None else times[active]
            found, log_base = self.base.draw_checked(
                owners, proposals, key.fold_in(PROPOSE + round_number), at, when
            )
            chance = self._chances(owners, found)
            unit = random_floats(
                key.fold_in(ACCEPT + round_number), at[:, None], np.arange(proposals)[None]
            )
            _take(unit, chance, found, log_base, seen, active, filled, items, log_q)
            seen, proposals, round_number = seen + proposals, 2 * proposals, round_number + 1
            active = active[filled[active] < num_negatives]
        self._draw_exactly(users, times, log_mass, key, rows, items, log_q)
        drawn = items >= 0
        log_q[drawn] -= np.broadcast_to(log_mass[:, None], items.shape)[drawn].astype(np.float32)
        log_q[~drawn] = -np.inf
        return items, log_q

    def _chances(self, owners: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the acceptance of proposals, (batch, n); 0 where the base had none."""
        pairs = np.repeat(owners, items.shape[1]), np.maximum(items, 0).reshape(-1)
        chance = self._acceptance(*pairs).reshape(items.shape)
        chance[items < 0] = 0.0
        return chance

    def _draw_exactly(
        self,
        users: NDArray[np.int64],
        times: NDArray[np.int64] | None,
        log_mass: NDArray[np.float64],
        key: Key,
        rows: NDArray[np.int64],
        items: NDArray[np.int64],
        log_q: NDArray[np.float32],
    ) -> None:
        """Fill what is still open by inverting the distribution function over all items."""
        row, slot = np.nonzero((items < 0) & (log_mass[:, None] > -np.inf))
        if not row.size:
            return
        unit = random_floats(key.fold_in(EXACT), rows[row], slot)
        every = np.arange(self.num_items)
        which, first = _distinct(users[row], None if times is None else times[row])
        for number, example in enumerate(row[first]):
            mine = np.flatnonzero(which == number)
            owner = np.full(self.num_items, users[example])
            when = None if times is None else np.full(self.num_items, times[example])
            log_base = self.base._log_prob_at(owner, every, when)
            chance = self._acceptance(owner, every)
            mass = np.where(log_base > -np.inf, np.exp(log_base) * chance, 0.0)
            running = np.cumsum(mass)
            last = int(np.flatnonzero(mass)[-1])  # the sum may round below unit times itself
            item = np.minimum(np.searchsorted(running, unit[mine] * running[-1], "right"), last)
            items[row[mine], slot[mine]] = item
            log_q[row[mine], slot[mine]] = log_base[item] + np.log(chance[item])

    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        log_base = self.base._log_prob_at(users, items, times)
        when = None if times is None else times.flatten()
        log_mass = self._log_masses_at(users.flatten(), when).reshape(users.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_q = log_base + np.log(self._acceptance(users, items)) - log_mass
        return np.where(np.isnan(log_q), -np.inf, log_q)  # where there is nothing: -inf + inf

    def _log_masses_at(
        self, users: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """Return log Z of each row: stored, or for its moment where the base depends on time."""
        if times is None or not self.depends_on_time:
            return self.log_mass[users]
        which, first = _distinct(users, times)
        mass = self._masses_of(users[first], times[first])
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(mass)[which])

    def _masses(self) -> NDArray[np.float64]:
        """Return log Z_u of every user; -inf where there is nothing to draw."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self._masses_of(np.arange(self.num_users), None)))

    def _masses_of(
        self, users: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """Return Z of users, at moments of their own or in general."""
        mass = np.zeros(users.size)

        def part(chosen: Any) -> tuple[Any, Any]:
            return users[chosen], None if times is None else times[chosen]

        left = np.arange(users.size)
        if self.normalise == "estimate":
            at_once = max(BLOCK_PAIRS // self.num_estimate, 1)

            def estimate(start: int, stop: int) -> None:
                mass[start:stop] = self._estimate(*part(slice(start, stop)))

            map_blocks(estimate, users.size, at_once)
            left = np.flatnonzero(mass == 0)  # nothing to draw, or too little to be met by chance

        def enumerate_all(start: int, stop: int) -> None:
            mass[left[start:stop]] = self._enumerate(*part(left[start:stop]))

        map_blocks(enumerate_all, left.size, max(BLOCK_PAIRS // max(self.num_items, 1), 1))
        return mass

    def _estimate(
        self, users: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        items, _ = self.base.draw_checked(
            users, self.num_estimate, ESTIMATE_KEY.fold_in(PROPOSE), users, times
        )
        return np.asarray(self._chances(users, items).mean(axis=1))

    def _enumerate(
        self, users: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        shape = (users.size, self.num_items)
        owners = np.repeat(users, self.num_items).reshape(shape)
        items = np.tile(np.arange(self.num_items), users.size).reshape(shape)
        when = None if times is None else np.repeat(times, self.num_items).reshape(shape)
        log_base = self.base._log_prob_at(owners, items, when)
        chance = self._acceptance(owners.reshape(-1), items.reshape(-1)).reshape(shape)
        wrong = ~((chance >= 0) & (chance <= 1))
        if wrong.any():
            user, item = owners[wrong][0], items[wrong][0]
            raise InvalidDataError(
                f"an acceptance must lie in [0, 1]; got {chance[wrong][0]} "
                f"for user {user} and item {item}"
            )
        mass = np.where(log_base > -np.inf, np.exp(log_base) * chance, 0.0)
        return np.asarray(mass.sum(axis=1))


def _distinct(
    users: NDArray[np.int64], times: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which distinct condition each row has, and the first row of each condition."""
    if times is None:
        _, first, which = np.unique(users, return_index=True, return_inverse=True)
        return which, first
    pairs = np.stack((users, times), axis=1)
    _, first, which = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    return which.reshape(-1), first


@kernel
def _take(
    unit: NDArray[np.float64],
    chance: NDArray[np.float64],
    found: NDArray[np.int64],
    log_base: NDArray[np.float32],
    seen: int,
    active: NDArray[np.int64],
    filled: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Hand accepted proposals to the next slot of their row, unless they come too late for it."""
    for index in range(active.size):
        row = active[index]
        for place in range(found.shape[1]):
            if filled[row] == items.shape[1]:
                break
            if unit[index, place] < chance[index, place]:
                slot = filled[row]
                filled[row] += 1
                if seen + place < MAX_TRIES * (slot + 1):
                    items[row, slot] = found[index, place]
                    log_q[row, slot] = log_base[index, place] + np.log(chance[index, place])
