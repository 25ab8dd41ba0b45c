"""The errors that recneg raises on purpose; each message states the requirement, then the value."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "DataUnavailableError",
    "IntegrityError",
    "InvalidDataError",
    "InvalidIdError",
    "NoNegativeError",
    "RecnegError",
    "did_you_mean",
    "with_article",
]


class RecnegError(Exception):
    """Base class of every error that recneg raises on purpose."""


class InvalidDataError(RecnegError, ValueError):
    """Input data break a stated requirement: a missing column, NaN, an empty file."""


class InvalidIdError(InvalidDataError):
    """A user or item id is not an integer in the range that is stated in the message."""


class NoNegativeError(RecnegError, ValueError):
    """A user has no item that the sampler may draw."""


class IntegrityError(RecnegError):
    """A file is truncated, altered, or does not match its checksum or published counts."""


class DataUnavailableError(RecnegError):
    """A data set is not at hand and cannot be downloaded; the message says what to put where."""


def with_article(noun: str) -> str:
    """Return `noun` after "a" or "an", by its first letter, of which u is taken as in user.

    Examples
    --------
    >>> with_article("item"), with_article("user")
    ('an item', 'a user')
    """
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean ...?)`` with the known word that is next to `word`, or nothing.

    Examples
    --------
    >>> did_you_mean("Popularty", ["uniform", "popularity"]), did_you_mean("x", ["uniform"])
    (' (did you mean popularity?)', '')
    """
    lowered = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), list(lowered), 1)
    return f" (did you mean {lowered[near[0]]}?)" if near and lowered[near[0]] != word else ""
