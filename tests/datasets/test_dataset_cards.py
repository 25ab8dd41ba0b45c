import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from recneg.datasets import Card, available, card, load, names
from recneg.datasets.cards import cards_folder
from recneg.errors import InvalidDataError

EXPECTED = {
    "amazon-beauty", "amazon-book", "amazon-electronics", "coat", "diginetica", "gowalla",
    "movielens-100k", "movielens-10m", "movielens-1m", "movielens-1m-m1", "movielens-20m",
    "movielens-25m", "movielens-32m", "movielens-latest-small", "otto", "sample", "yelp2018",
    "yoochoose", "yoochoose-1-64",
}  # fmt: skip
ROOT = Path(__file__).parents[2]


def test_every_promised_data_set_has_a_card():
    assert set(names()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_cards_are_valid_and_whole(name):
    stated = card(name)
    assert stated.name == name
    assert stated.licence
    authors = ("F. Maxwell", "Xiangnan", "Wenhui", "Tobias", "Shu", "Balázs", "Philipp", "Kun")
    assert stated.citation.startswith(authors)
    for file in stated.files:
        assert all(url.startswith("https://") for url in file.urls)
        assert 0 < file.limit <= (500_000_000 if file.by_hand is None else 16_000_000_000)
    parts = (stated.counts.train, stated.counts.validation, stated.counts.test)
    if stated.counts.is_split:
        assert sum(part or 0 for part in parts) == stated.counts.interactions
    if stated.counts.is_split and stated.sessions is None:
        assert {table.part for table in stated.tables} == {
            part for part in ("train", "validation", "test") if getattr(stated.counts, part)
        }


def test_only_files_without_a_published_checksum_lack_one():
    unchecked = {name for name in names() for file in card(name).files if file.md5 is None}
    sessions = {"diginetica", "otto", "yoochoose", "yoochoose-1-64"}
    assert unchecked == {"amazon-beauty", "coat", "movielens-latest-small"} | sessions


def test_the_cards_ship_in_the_wheel():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]["force-include"]
    assert included["datasets"] == "recneg/datasets/cards"
    assert cards_folder() == ROOT / "datasets"


def test_an_installed_package_reads_its_own_cards(tmp_path, monkeypatch):
    from recneg.datasets import cards

    (tmp_path / "cards").mkdir()
    monkeypatch.setattr(cards, "__file__", str(tmp_path / "cards.py"))
    assert cards.cards_folder() == tmp_path / "cards"


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InvalidDataError, match=r"must be one of amazon-beauty, .*; got '\.\./x'"):
        load("../x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("surprise", 1),
        ("home", "http://plain.org/"),
        ("files", [{"name": "../up", "urls": ["https://a.org/b"], "max_bytes": 1}]),
        ("files", [{"name": "a", "urls": ["http://a.org/b"], "max_bytes": 1}]),
        ("files", [{"name": "a", "urls": ["https://a.org/b"]}]),
        ("tables", [{"file": "other", "format": "tab"}]),
        ("tables", []),
        ("sessions", {"format": "otto", "train": "ml-1m.zip"}),
        ("sessions", {"format": "otto", "train": "other", "test_days": 1}),
        ("sessions", {"format": "otto", "train": "ml-1m.zip", "test": "other"}),
        ("local", [{"folder": "a", "file": "b/../../c"}]),
        ("local", [{"folder": "a", "file": "/etc/passwd"}]),
    ],
)
def test_the_schema_refuses(key, value):
    whole = card("movielens-1m").model_dump(exclude_none=True)
    with pytest.raises(ValidationError):
        Card.model_validate(whole | {key: value})


def test_available_says_what_is_at_hand(no_data):
    listed = {entry.name: entry for entry in available()}
    assert set(listed) == EXPECTED
    assert [name for name, entry in listed.items() if entry.at_hand] == ["sample"]
    assert listed["movielens-32m"].counts.interactions == 32_000_204


def test_the_import_is_cheap():
    import subprocess
    import sys

    code = "import sys, recneg.datasets; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = set(re.findall(r"'([a-z]+)'", loaded.stdout))
    assert not modules & {"torch", "numba", "polars", "rich", "pandas", "matplotlib", "scipy"}
