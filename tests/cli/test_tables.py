"""Tables at any width: nothing is cut, names and numbers stay whole."""

import pytest
from rich.console import Console

from recneg.cli import tables

HEADERS = ["sampler", "what it draws", "Recall@20\n(95 %)", "NDCG@20\n(95 %)", "triples\na second"]
ROWS = [
    [
        "popularity:exponent=0.75",
        "popular ones more often",
        "0.1902±0.0141",
        "0.25±0.01",
        "9.7",
    ],
    ["[b]", "flip_regularization=5", "1", ":smile:", "12,345,678"],
]


@pytest.mark.parametrize("width", [40, 60, 80, 110, 200])
def test_every_cell_is_there_whole(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def narrow() -> Console:
        return Console(highlight=False, markup=False, emoji=False, width=width)

    monkeypatch.setattr(tables, "stdout", narrow)
    tables.print_table("a title", HEADERS, ROWS, left=(1,))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= max(width, 50)  # the widest name beside the widest word
    text = "\n".join(lines)
    for row in ROWS:
        for cell in (row[0], *row[2:], *row[1].split()):
            assert cell in text
    for header in HEADERS:
        for word in header.split():
            assert word in text


def test_the_table_stays_one_where_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_table("", HEADERS, ROWS, left=(1,))
    assert capsys.readouterr().out.count("sampler") == 1
