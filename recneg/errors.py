"""The errors that recneg raises on purpose; each message states the requirement, then the value."""

__all__ = [
    "DataUnavailableError",
    "IntegrityError",
    "InvalidDataError",
    "InvalidIdError",
    "NoNegativeError",
    "RecnegError",
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
