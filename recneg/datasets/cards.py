"""What is stated of each data set: source, checksums, licence, published counts; one TOML each."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from recneg.errors import InvalidDataError, did_you_mean

__all__ = [
    "Card",
    "Counts",
    "File",
    "Folds",
    "Local",
    "Sessions",
    "Table",
    "Titles",
    "card",
    "names",
]

Part = Literal["train", "validation", "test"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
Inside = Annotated[str, StringConstraints(pattern=r"^[\w{][\w{}.-]*(/[\w{][\w{}.-]*)*$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")]
MD5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
SHA256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Frozen):
    """Published counts; users and items are those with at least one interaction."""

    users: Count
    items: Count
    interactions: Count
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None

    @property
    def is_split(self) -> bool:
        """Whether the data set comes as train and test."""
        return self.train is not None


class File(_Frozen):
    """A file at the publisher's: its addresses, most official first, and what is known of it.

    Where a person must fetch it, `by_hand` says how, and the address is the page to start from.
    """

    name: Name
    urls: Annotated[tuple[Address, ...], Field(min_length=1)]
    size: Count | None = None
    max_bytes: Count | None = None
    md5: MD5 | None = None
    sha256: SHA256 | None = None
    md5_url: Address | None = None
    by_hand: str | None = None

    @property
    def limit(self) -> int:
        """Most bytes that the file may have."""
        limit = self.size or self.max_bytes
        assert limit is not None
        return limit

    @model_validator(mode="after")
    def _bounded(self) -> File:
        if self.size is None and self.max_bytes is None:
            raise ValueError(f"{self.name} must have a size or max_bytes")
        return self


class Table(_Frozen):
    """Where interactions stand: a file, or a member of an archive, and its format."""

    file: Name
    member: Inside | None = None
    format: Literal["tab", "colons", "csv", "lists", "json-lists", "matrix"]
    part: Part | None = None
    md5: MD5 | None = None


class Titles(_Frozen):
    """Where item titles stand in the publisher's files."""

    file: Name
    member: Inside | None = None
    format: Literal["bar", "colons", "csv"]
    encoding: Literal["utf-8", "latin-1"]


class Folds(_Frozen):
    """Official splits of one data set; ``{fold}`` in a member stands for the fold's name."""

    names: tuple[Name, ...]
    tables: tuple[Table, ...]


class Sessions(_Frozen):
    """How a log of events becomes sessions to train on and newer ones to test with.

    Either `test` names a file of its own, or the sessions of the last `test_days` are held out.
    With `newest`, only the newest of that many parts of the training prefixes is kept.
    """

    format: Literal["diginetica", "yoochoose", "otto"]
    train: Name
    test: Name | None = None
    test_days: Count | None = None
    newest: Count = 1

    @model_validator(mode="after")
    def _held_out(self) -> Sessions:
        if (self.test is None) == (self.test_days is None):
            raise ValueError("sessions must have one of test and test_days")
        return self


class Local(_Frozen):
    """A Parquet file below a given folder; with a `note` if it lacks something of the original."""

    folder: Name
    file: Inside
    titles: Inside | None = None
    folds: Inside | None = None
    note: str | None = None


class Card(_Frozen):
    """What is stated of a data set.

    Attributes
    ----------
    name : str
        As passed to `load`; the stem of the card's file.
    title, description, citation, licence, home : str
    counts : Counts
        Verified after parsing, whatever the source; the users of session data are sessions, their
        interactions events.
    sessions : Sessions or None
        For session data, instead of tables.
    ordered : bool
        Whether a user's rows stand in the order of time without times; their ranks take the place.
    files_of : str or None
        Another card with the same files, below whose name they are looked for too.
    """

    name: Name
    title: str
    description: str
    citation: str
    licence: str
    home: Address
    counts: Counts
    files: tuple[File, ...] = ()
    tables: tuple[Table, ...] = ()
    titles: Titles | None = None
    folds: Folds | None = None
    local: tuple[Local, ...] = ()
    bundled: Local | None = None
    sessions: Sessions | None = None
    ordered: bool = False
    files_of: Name | None = None

    @model_validator(mode="after")
    def _whole(self) -> Card:
        known = {file.name for file in self.files}
        tables = (*self.tables, *(self.folds.tables if self.folds else ()))
        used = {table.file for table in tables} | ({self.titles.file} if self.titles else set())
        if self.sessions is not None:
            used |= {self.sessions.train, self.sessions.test or self.sessions.train}
        if used - known:
            raise ValueError(f"every table must name a file of the card; got {used - known}")
        if (self.bundled is None) == (not self.tables and self.sessions is None):
            raise ValueError("a card must have tables or sessions, or be bundled")
        return self


def cards_folder() -> Path:
    """Return the folder of the cards: inside an installed package, else that of the checkout."""
    installed = Path(__file__).with_name("cards")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "datasets"


def names() -> list[str]:
    """Return the names that `load` knows, sorted."""
    return sorted(path.stem for path in cards_folder().glob("*.toml"))


@cache
def card(name: str) -> Card:
    """Return the card of a data set.

    Raises
    ------
    InvalidDataError
        For a name without a card, or a card that breaks the schema.
    """
    if name not in names():
        hint = did_you_mean(name, names())
        raise InvalidDataError(
            f"the data set must be one of {', '.join(names())}; got {name!r}{hint}"
        )
    path = cards_folder() / f"{name}.toml"
    try:
        return Card.model_validate({"name": name, **tomllib.loads(path.read_text("utf-8"))})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InvalidDataError(f"{path} must be a valid card: {error}") from None
