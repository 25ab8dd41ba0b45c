import pytest

from recneg.datasets.formats import parse_interactions, parse_titles
from recneg.errors import IntegrityError

RATINGS = {
    "tab": b"1\t5\t4\t10\n2\t6\t3\t11\n",
    "colons": b"1::5::4::10\n2::6::3::11\n",
    "csv": b"userId,movieId,rating,timestamp\n1,5,4.0,10\n2,6,3.0,11\n",
}


@pytest.mark.parametrize("kind", RATINGS)
def test_ratings(kind):
    frame = parse_interactions(RATINGS[kind], kind, "x")
    assert frame.rows() == [(1, 5, 4.0, 10), (2, 6, 3.0, 11)]
    assert frame.columns == ["user", "item", "rating", "timestamp"]


def test_lists_with_empty_users_and_any_order():
    frame = parse_interactions(b"2 7 5\n0 9\n1 \n3\n", "lists", "x")
    assert frame.rows() == [(0, 9), (2, 7), (2, 5)]


def test_json_lists():
    assert parse_interactions(b"[[4, 2], [], [1]]", "json-lists", "x").rows() == [
        (0, 4), (0, 2), (2, 1)
    ]  # fmt: skip


def test_matrices_have_ratings_where_they_are_not_zero():
    frame = parse_interactions(b"0 5 0\n3 0 0\n", "matrix", "x")
    assert frame.rows() == [(0, 1, 5.0), (1, 0, 3.0)]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("tab", b"1\t2\n"),
        ("tab", b"1\tx\t3\t4\n"),
        ("tab", b""),
        ("csv", b"<html>"),
        ("colons", b"\xff\xfe\x00"),
        ("lists", b"0 1 x\n"),
        ("lists", b"0 1\n0 2\n"),
        ("lists", b"-1 2\n"),
        ("lists", b""),
        ("json-lists", b"[[1, 2"),
        ("json-lists", b"[[0.5]]"),
        ("json-lists", b"[]"),
        ("json-lists", b'{"a": 1}'),
        ("matrix", b"1 2\n3\n"),
    ],
)
def test_other_bytes_are_refused(kind, data):
    with pytest.raises(IntegrityError, match=f"x must be in the format '{kind}'"):
        parse_interactions(data, kind, "x")


@pytest.mark.parametrize(
    ("kind", "encoding", "data"),
    [
        ("bar", "latin-1", "1|Caf\xe9 (1990) |a|b\n2|Zoo|c\n".encode("latin-1")),
        ("colons", "utf-8", "1::Caf\xe9 (1990)::a|b\n2::Zoo::c\n".encode()),
        ("csv", "utf-8", 'movieId,title,genres\n1,"Caf\xe9 (1990)",a\n2,Zoo,b\n'.encode()),
    ],
)
def test_titles(kind, encoding, data):
    assert parse_titles(data, kind, encoding, "x").rows() == [(1, "Café (1990)"), (2, "Zoo")]


def test_titles_in_quotes_may_hold_commas():
    data = b'movieId,title,genres\n1,"Zoo, The ""Big"" One (1990)",a\n'
    assert parse_titles(data, "csv", "utf-8", "x")["title"].to_list() == [
        'Zoo, The "Big" One (1990)'
    ]


def test_other_titles_are_refused():
    with pytest.raises(IntegrityError, match="x must be in the format 'bar'"):
        parse_titles(b"one|two", "bar", "utf-8", "x")
