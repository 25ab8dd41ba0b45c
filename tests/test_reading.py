"""Files of every usual form are read alike, and what is wrong with one is named by line."""

import gzip
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.reading import NAMES
from recneg.sequences import Sequences

ROWS = [(3, 10, 4.5, 100), (3, 12, 1.0, 90), (7, 10, 5.0, 80)]
BARE = "3{0}10{0}4.5{0}100\n3{0}12{0}1{0}90\n7{0}10{0}5{0}80\n"


def read(folder: Path, text: str | bytes, name: str = "data.csv", **options) -> Interactions:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Interactions.from_file(path, **options)


@pytest.mark.parametrize("separator", [",", "\t", "::", ";", "|", " "])
@pytest.mark.parametrize("header", ["", "userId{0}movieId{0}rating{0}timestamp\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_delimited_text(tmp_path: Path, separator: str, header: str, packed: bool) -> None:
    text = (header + BARE).format(separator).encode()
    name = "ratings.dat.gz" if packed else "ratings.dat"
    data = read(tmp_path, gzip.compress(text) if packed else text, name)
    assert data.to_polars().rows() == ROWS


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("\n", "\n\n", 2),
        lambda text: text.rstrip(),
        lambda text: text.replace("3,", " 3 ,"),
        lambda text: text.replace("3,", '"3",'),
    ],
    ids=["byte order mark", "CRLF", "blank end", "blank middle", "no newline", "spaces", "quotes"],
)
@pytest.mark.parametrize("header", ["", "user,item,rating,timestamp\n"])
def test_harmless_variations(tmp_path: Path, change, header: str) -> None:
    assert read(tmp_path, change(header + BARE.format(","))).to_polars().rows() == ROWS


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_quoted_cells_of_any_separator(tmp_path: Path, separator: str) -> None:
    text = '"User-ID"{0}"ISBN"{0}"Book-Rating"\n"7"{0}"03{0}4"{0}"5"\n"8"{0}"x"{0}"0"\n'
    data = read(
        tmp_path, text.format(separator), user="User-ID", item="ISBN", weight="Book-Rating",
        ids="string",
    )  # fmt: skip
    assert data.user_ids is not None
    assert data.item_ids is not None
    assert data.user_ids.tolist() == ["7", "8"]
    assert data.item_ids.tolist() == [f"03{separator}4", "x"]


def test_single_quotes_in_tab_separated_text_are_text(tmp_path: Path) -> None:
    data = read(tmp_path, 'user\titem\n1\t12" single\n2\t7" single\n', ids="string")
    assert data.item_ids is not None
    assert data.item_ids.tolist() == ['12" single', '7" single']


def test_labels_of_another_encoding_are_refused(tmp_path: Path) -> None:
    text = "user,item,title\n1,2,caf\xe9\n1,3,tea\n".encode("latin-1")
    assert len(read(tmp_path, text)) == 2  # titles are not read
    labels = "user,item\na,tea\nb,caf\xe9\nc,caf\xe8\n".encode("latin-1")
    with pytest.raises(InvalidDataError, match="line 3: labels must be UTF-8 text; got 'caf"):
        read(tmp_path, labels, ids="string")
    with pytest.raises(InvalidDataError, match="must be UTF-8 text; it begins as UTF-16"):
        read(tmp_path, "user,item\n1,2\n".encode("utf-16"))
    (tmp_path / "s.csv").write_bytes(b"session,item,time\na,\xe9,1\na,\xe8,2\n")
    with pytest.raises(InvalidDataError, match="labels must be UTF-8"):
        Sequences.from_file(tmp_path / "s.csv", ids="string")


def test_columns_found_by_name_can_be_left_aside(tmp_path: Path) -> None:
    text = "user,item,value,date\n1,2,view,03/01/2020\n1,3,buy,x\n"
    with pytest.raises(InvalidDataError, match="got 'view'; weight=False leaves this column"):
        read(tmp_path, text)
    data = read(tmp_path, text, weight=False, timestamp=False)
    assert len(data) == 2
    assert data.weights is None
    assert data.timestamps is None


def test_the_first_of_equal_columns_is_taken(tmp_path: Path) -> None:
    data = read(tmp_path, "User,user,item\n1,5,2\n1,6,3\n")
    assert data.num_users == 1


def test_columns_beyond_the_fourth_and_named_columns(tmp_path: Path) -> None:
    text = "".join(line + ",x,y\n" for line in BARE.format(",").splitlines())
    assert read(tmp_path, text).to_polars().rows() == ROWS
    data = read(tmp_path, text, user="item", item="column_5", ids="string")
    assert data.item_ids is not None
    assert data.item_ids.tolist() == ["x"]
    swapped = read(tmp_path, "a,b,c\n10,3,z\n12,3,z\n", user="b", item="a")
    assert swapped.to_polars().rows() == [(3, 10), (3, 12)]


@pytest.mark.parametrize("usual", NAMES["user"])
def test_usual_names_in_any_spelling(tmp_path: Path, usual: str) -> None:
    for spelling in (usual.upper(), f"{usual}:token", usual.replace("id", "_id")):
        text = f"rating,ITEM_ID,{spelling}\n4,10,3\n"
        assert read(tmp_path, text).to_polars().rows() == [(3, 10, 4.0)]


def test_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS, schema=["user_id", "item_id", "rating", "ts"], orient="row")
    frame.write_parquet(tmp_path / "a.parquet")
    assert Interactions.from_file(tmp_path / "a.parquet").to_polars().rows() == ROWS
    labels = pl.DataFrame({"user": ["b", "a"], "item": ["x", "y"]})
    labels.write_parquet(tmp_path / "b.pq")
    rows = Interactions.from_file(tmp_path / "b.pq").to_polars().rows()
    assert rows == [("a", "y"), ("b", "x")]


def test_threshold_duplicates_and_expected_counts(tmp_path: Path) -> None:
    text = "user,item,rating\n1,1,2\n1,1,3\n1,2,5\n2,2,1\n"
    assert read(tmp_path, text).to_polars().rows() == [(1, 1, 5.0), (1, 2, 5.0), (2, 2, 1.0)]
    assert read(tmp_path, text).num_duplicates == 1
    kept = read(tmp_path, text, threshold=3, num_users=1, num_items=2)
    assert kept.to_polars().rows() == [(1, 1, 3.0), (1, 2, 5.0)]
    with pytest.raises(InvalidDataError, match=r"num_users must equal .* got 3 where .* have 2"):
        read(tmp_path, text, num_users=3)


def test_clocks_keep_every_digit_and_dates_are_seconds(tmp_path: Path) -> None:
    text = "user,item,timestamp\n1,1,1600000000000000001\n1,2,1600000000000000002\n1,3,-5\n"
    assert [row[2] for row in read(tmp_path, text).to_polars().rows()] == [
        1600000000000000001,
        1600000000000000002,
        -5,
    ]
    assert [row[2] for row in read(tmp_path, "1,1,5,12.9\n1,2,5,1e3\n").to_polars().rows()] == [
        5,
        5,
    ]
    for written in ("1970-01-02", "1970-01-02 00:00", "1970-01-02T00:00:00.25Z"):
        data = read(tmp_path, f"user,item,date\n1,1,{written}\n1,2,60\n")
        assert [row[2] for row in data.to_polars().rows()] == [86400, 60]


def test_string_ids(tmp_path: Path) -> None:
    text = 'user,item\n007,"a,b"\n7,a\n'
    rows = read(tmp_path, text, ids="string").to_polars().rows()
    assert rows == [("007", "a,b"), ("7", "a")]
    with pytest.raises(ValueError, match="ids must be 'integer' or 'string'; got 'int'"):
        read(tmp_path, text, ids="int")


# -- what is refused, and how it is named ----------------------------------------------------------


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("separator", [",", "\t", "::"])
@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ("x 5 1", InvalidIdError, "'user' must be an integer in .*ids='string'.*; got 'x'"),
        ("1.5 5 1", InvalidIdError, "'user' must be an integer in .*; got '1.5'"),
        ("1 -2 1", InvalidIdError, "'item' must be an integer in .*; got '-2'"),
        ("1 9223372036854775808 1", InvalidIdError, r"'item' must be .* \[0, 2\*\*63\).*; got"),
        ("nan 5 1", InvalidIdError, "'user' must be an integer in .*; got 'nan'"),
        ("1 5 nan", InvalidDataError, "'weight' must be a finite number; got 'nan'"),
        ("1 5 inf", InvalidDataError, "'weight' must be a finite number; got 'inf'"),
        ("1 5 good", InvalidDataError, "'weight' must be a finite number; got 'good'"),
        ("1 5", InvalidDataError, "'weight' must be a finite number; got None"),
        ("1", InvalidIdError, "'item' must be an integer in .*; got None"),
        ("1 5 1 7", InvalidDataError, "found more fields"),
    ],
)
def test_the_line_at_fault_is_named(
    tmp_path: Path, header: bool, separator: str, row: str, error: type[Exception], message: str
) -> None:
    lines = ["user item weight"] * header + ["1 2 3", "2 3 4", row, "5 6 7"]
    number = lines.index(row) + 1
    text = "\n".join(lines).replace(" ", separator)
    with pytest.raises(error, match=rf"data.csv, line {number}: .*{message}"):
        read(tmp_path, text)


def test_blank_lines_do_not_shift_line_numbers(tmp_path: Path) -> None:
    with pytest.raises(InvalidIdError, match=r"data\.csv, line 5: 'item'"):
        read(tmp_path, "user,item\n1,2\n\n\n3,x\n")


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_empty_files_are_errors(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidDataError, match="must have at least one row; it is empty"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\n", "must have at least one row"),
        ("123\n", r"line 1: columns must be separated by .*; got '123'"),
        ("user,thing\n1,2\n", r"no column looks like an item .*name one of \['user', 'thing'\]"),
        ("thing,item\n1,2\n", "no column looks like a user"),
        (
            "user,item,date\n1,2,soon\n",
            "line 2: 'date' must be a number or an ISO date; got 'soon'",
        ),
    ],
)
def test_unreadable_tables_are_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("labels", ["ann,tea\n", "ann,tea,hot\n"])
def test_a_first_line_of_labels_is_not_lost(tmp_path: Path, labels: str) -> None:
    """Without a number it cannot be told from a header; nobody is led to name it as one."""
    text = labels + labels.replace("tea", "jam") + labels.replace("ann", "bob")
    needs = "a first line of data .*needs a header above it"
    with pytest.raises(InvalidDataError, match=f"line 1: no column looks like a user .*{needs}"):
        read(tmp_path, text, ids="string")
    with pytest.raises(InvalidDataError, match="line 1: a header must not occur .*'ann' and 'tea'"):
        read(tmp_path, text, ids="string", user="ann", item="tea")
    header = "user,item,kind\n" if labels.count(",") > 1 else "user,item\n"
    rows = read(tmp_path, header + text, ids="string").to_polars().rows()
    assert rows == [("ann", "jam"), ("ann", "tea"), ("bob", "tea")]
    pl.DataFrame({"ann": ["a"], "tea": ["x"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InvalidDataError, match=r"^a.parquet: no column .*\['ann', 'tea'\]$"):
        Interactions.from_file(tmp_path / "a.parquet")


@pytest.mark.parametrize("ids", ["integer", "string"])
def test_a_first_line_with_a_number_is_data(tmp_path: Path, ids: str) -> None:
    assert len(read(tmp_path, "1,2\n3,4\n3,2\n", ids=ids)) == 3
    if ids == "string":
        assert read(tmp_path, "ann,2\nbob,4\n", ids=ids).to_polars().rows() == [
            ("ann", "2"),
            ("bob", "4"),
        ]


def test_missing_columns_and_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"column 'who' must be present; got columns \['us"):
        read(tmp_path, "user,item\n1,2\n", user="who")
    with pytest.raises(FileNotFoundError, match=r"the file must exist; got .*nothing\.csv"):
        Interactions.from_file(tmp_path / "nothing.csv")
    with pytest.raises(FileNotFoundError, match="must be a file, not a folder"):
        Interactions.from_file(tmp_path)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet", "a.pq"])
def test_damaged_files_are_errors(tmp_path: Path, name: str) -> None:
    pl.DataFrame({"user": range(999), "item": range(999)}).write_parquet(tmp_path / "good")
    body = b"user,item\n" + "".join(f"{i},{i * i}\n" for i in range(999)).encode()
    good = gzip.compress(body) if name.endswith("gz") else (tmp_path / "good").read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    damaged = [
        good[: len(good) // 2],
        b"user,item\n1,2\n",
        *([bytes(flipped)] if "gz" in name else []),
    ]
    for data in damaged:
        with pytest.raises(InvalidDataError, match=r"must be a (gzip|Parquet) file"):
            read(tmp_path, data, name)


# -- real files ------------------------------------------------------------------------------------

REAL = [
    ("ml-100k/u.data.gz", 943, 1682, 100_000),
    ("ml-latest-small-2016/ratings.csv.gz", 671, 9066, 100_004),
]


@pytest.mark.parametrize(("name", "users", "items", "rows"), REAL)
def test_real_files(name: str, users: int, items: int, rows: int) -> None:
    root = os.environ.get("RECNEG_DATA")
    if not root:
        pytest.skip("RECNEG_DATA is not set: it names the folder of real data sets")
    path = Path(root) / name
    if not path.is_file():
        pytest.skip(f"{name} is not in RECNEG_DATA")
    data = Interactions.from_file(path, num_users=users, num_items=items)
    assert len(data) == rows
    assert data.timestamps is not None
    assert data.weights is not None
    assert 0.5 <= data.weights.min() < data.weights.max() == 5


def test_a_rating_that_is_missing_is_no_low_one() -> None:
    for missing in (float("nan"), None):
        frame = pl.DataFrame({"user": [1, 2, 2], "item": [1, 2, 3], "w": [5.0, missing, 4.0]})
        with pytest.raises(InvalidDataError, match="finite|missing"):
            Interactions.from_polars(frame, weight="w", threshold=3)


def test_dates_of_pandas_in_seconds() -> None:
    pd = pytest.importorskip("pandas")
    times = np.array(["2020-01-01", "2021-01-01"], "datetime64[s]")
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "t": times})
    found = Interactions.from_pandas(frame, timestamp="t").timestamps
    assert found is not None
    assert found.tolist() == times.astype(np.int64).tolist()


def test_sequences_leave_other_columns_alone(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("session,item,value,timestamp\n1,2,good,5\n1,3,,6\n")
    assert len(Sequences.from_file(path).items) == 2


def test_the_ids_of_a_caller_stay_writable() -> None:
    ids = np.array([3, 5])
    data = Interactions.from_arrays([0, 1], [0, 1], user_ids=ids, item_ids=[7, 9])
    ids[0] = 1
    assert data.user_ids is not None
    assert data.user_ids.tolist() == [3, 5]
