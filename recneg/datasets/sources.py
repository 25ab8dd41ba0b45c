"""Where a data set is taken from, in order: the user's folder, the cache, the publisher."""

from __future__ import annotations

import warnings
from pathlib import Path

from recneg.datasets import checking, local, store
from recneg.datasets import originals as publisher
from recneg.datasets.cards import Card, cards_folder
from recneg.datasets.parsed import Parsed
from recneg.datasets.places import cache_folder
from recneg.errors import DataUnavailableError, IntegrityError, InvalidDataError

__all__ = ["find", "require_ratings", "where"]


def find(card: Card, fold: str | None, *, fetch: bool, progress: bool) -> Parsed:
    """Return the verified data of a card, from the first place that has them.

    A local copy that lacks something of the original comes after complete ones at hand, but
    before a download.

    Raises
    ------
    DataUnavailableError
        If they are nowhere; the message says what to put where.
    IntegrityError
        If what is there is not what the card states.
    """
    copies = local.copies(card, fold)
    for copy, path in copies:
        if copy.note is None:
            return local.read_local(card, fold, copy, path)
    if card.bundled is not None:
        raise IntegrityError(f"{card.name} must come with recneg; {cards_folder()} lacks its files")
    folder, key = cache_folder(card.name), fold or "all"
    damage: IntegrityError | None = None
    try:
        frames = store.read_copy(folder, key, card)
    except IntegrityError as error:
        frames, damage = None, error
    if frames is not None:
        return Parsed(frames["rows"], frames.get("titles"), folder)
    places = publisher.originals(card)
    if places is None:
        if copies:
            return local.read_local(card, fold, *copies[0])
        if not fetch:
            if damage is not None:
                raise damage
            raise DataUnavailableError(publisher.advice(card, "it is not, and download=False"))
        places = publisher.download_originals(card, progress=progress)
    else:
        for file in card.files:
            checking.check_file(places[file.name], file)
    parsed = publisher.parse_originals(card, fold, places)
    try:
        frames = {"rows": parsed.rows}
        store.write_copy(
            folder, key, card, frames | ({} if parsed.titles is None else {"titles": parsed.titles})
        )
    except OSError as error:
        warnings.warn(f"the parsed copy could not be kept in {folder}: {error}", stacklevel=3)
    return parsed


def where(card: Card) -> Path | None:
    """Return the place from which `find` would take a data set without a download."""
    copies = local.copies(card, None)
    for copy, path in copies:
        if copy.note is None:
            return path
    if store.has_copy(cache_folder(card.name), "all", card):
        return cache_folder(card.name)
    places = publisher.originals(card)
    if places is not None and card.files:
        return places[card.files[0].name].parent
    return next((path for _, path in copies), None)


def require_ratings(card: Card, parsed: Parsed, threshold: float) -> None:
    """Refuse a threshold on data without ratings."""
    if "rating" not in parsed.rows.columns:
        hint = ""
        if parsed.note is not None:
            names = " and ".join(str(cache_folder(card.name) / file.name) for file in card.files)
            hint = f" ({parsed.note} The original, at {names}, would be preferred.)"
        raise InvalidDataError(
            f"a threshold needs ratings; got threshold={threshold} for {card.name} "
            f"from {parsed.where}, which has none{hint}"
        )
