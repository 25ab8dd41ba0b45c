"""Sequences by name: publishers' logs, copies, and what is said where a log is missing."""

import gzip
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.datasets import card, cards, load, load_sequences, names, read_otto
from recneg.datasets.ordered_rows import sequences_of_rows
from recneg.datasets.sources import where
from recneg.errors import DataUnavailableError, IntegrityError, InvalidDataError
from recneg.sequence_splits import carve_newest
from recneg.sequences import Sequences


@pytest.fixture
def write_card(tmp_path, monkeypatch):
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(cards, "cards_folder", lambda: folder)
    monkeypatch.setenv("RECNEG_DATA", str(tmp_path / "data"))

    def write(name, text, **files):
        (folder / f"{name}.toml").write_text(
            'title = "T"\ndescription = "d"\ncitation = "c"\nlicence = "l"\n'
            'home = "https://example.org/"\n' + text
        )
        cards.card.cache_clear()
        for path, data in files.items():
            target = tmp_path / "data" / name / path.replace("__", ".")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path / "data" / name

    yield write
    cards.card.cache_clear()


def log_card(name, counts, kind, more="test_days = 1", also=""):
    files = "".join(
        f'[[files]]\nname = "{each}"\nurls = ["https://example.org/"]\n'
        f'by_hand = "{each}, after signing in"\nmax_bytes = 10_000\n'
        for each in (name, also)
        if each
    )
    users, items, events, train, test = counts
    return (
        f"[counts]\nusers = {users}\nitems = {items}\ninteractions = {events}\n"
        f"train = {train}\ntest = {test}\n{files}"
        f'[sessions]\nformat = "{kind}"\ntrain = "{name}"\n{more}\n'
    )


def diginetica(header="sessionId;userId;itemId;timeframe;eventdate"):
    rows = [header]
    for session, day in ((7, "2016-05-02"), (3, "2016-05-01"), (5, "2016-05-09")):
        rows += [f"{session};NA;{item};{frame};{day}" for item, frame in
                 ((20, 9_000), (10, 1_000), (20, 2_500))]  # fmt: skip
    return "\n".join([*rows, "9;NA;10;1;2016-05-05", ""])


DIGINETICA = log_card("v.csv", (3, 2, 9, 6, 3), "diginetica", "test_days = 2")


@pytest.mark.parametrize("header", ["sessionId;userId;itemId;timeframe;eventdate",
                                    "session_id;user_id;item_id;timeframe;eventdate"])  # fmt: skip
def test_diginetica(write_card, monkeypatch, header):
    from recneg.datasets import session_logs
    from recneg.datasets.session_clicks import prepare_clicks

    def all_items(*log, **options):
        return prepare_clicks(*log, least_support=3, **options)

    monkeypatch.setattr(session_logs, "prepare_clicks", all_items)
    write_card("views", DIGINETICA, v__csv=diginetica(header))
    data = load_sequences("views", download=False)
    assert [data.sequences.items_of(row).tolist() for row in range(3)] == [[0, 1, 1]] * 3
    assert data.sequences.item_ids.tolist() == [10, 20]
    day = 1462060800  # 2016-05-01
    assert data.sequences.timestamps[:6].tolist() == [
        day + 1, day + 2, day + 9, day + 86401, day + 86402, day + 86409,
    ]  # fmt: skip
    assert [len(part) for part in data.split] == [2, 0, 1]
    assert data.split.targets == "every"
    assert data.note is None
    train, validation = carve_newest(data.split.train, 0.5)
    assert validation.timestamps.tolist() == [day + 86401, day + 86402, day + 86409]
    assert len(train) == 1
    again = load_sequences("views", download=False)  # from the parsed copy
    assert again.split.checksum == data.split.checksum
    assert again.where != data.where


CLICKS = "".join(
    f"{session},2014-04-0{day}T10:0{minute}:00.277Z,{item},S\n"
    for session, day in ((11, 3), (2, 1), (30, 1), (4, 3))
    for minute, item in enumerate((500, 214_000_000, 500))
)


@pytest.mark.parametrize("head", ["", "session_id,timestamp,item_id,category\n"])
def test_yoochoose(write_card, monkeypatch, head):
    from recneg.datasets import session_logs
    from recneg.datasets.session_clicks import prepare_clicks

    def all_items(*log, **options):
        return prepare_clicks(*log, least_support=1, **options)

    monkeypatch.setattr(session_logs, "prepare_clicks", all_items)
    write_card("clicks", log_card("c.dat", (4, 2, 12, 6, 6), "yoochoose"), c__dat=head + CLICKS)
    data = load_sequences("clicks", download=False)
    assert [len(part) for part in data.split] == [2, 0, 2]
    assert data.split.test.item_ids.tolist() == [500, 214_000_000]
    assert data.split.test.timestamps[:2].tolist() == [1396519200, 1396519260]
    text = log_card("c.dat", (3, 2, 9, 3, 6), "yoochoose", "test_days = 1\nnewest = 2")
    write_card("clicks-half", 'files_of = "clicks"\n' + text)
    half = load_sequences("clicks-half", download=False)
    assert half.split.train.items.tolist() == [0, 1, 0]
    assert half.split.test.items.tolist() == data.split.test.items.tolist()


def otto(sessions):
    lines = []
    for session, events in sessions:
        each = [{"aid": aid, "ts": 1659304800025 + 1000 * i, "type": kind}
                for i, (aid, kind) in enumerate(events)]  # fmt: skip
        lines.append(json.dumps({"session": session, "events": each}))
    return "\n".join(lines) + "\n"


TRAIN = otto([
    (0, [(5, "clicks"), (5, "clicks"), (9, "carts"), (7, "clicks")]),
    (1, [(3, "orders")]),
    (2, [(7, "clicks"), (3, "carts")]),
])  # fmt: skip
TEST = otto([(3, [(7, "clicks"), (9, "orders"), (5, "clicks")]), (4, [(5, "carts")])])


def test_otto(write_card):
    text = log_card("a.jsonl", (5, 4, 6, 4, 2), "otto", 'test = "b.jsonl"', "b.jsonl")
    write_card("otto-toy", text, a__jsonl=TRAIN, b__jsonl=TEST)
    data = load_sequences("otto-toy", download=False)
    assert data.sequences.to_polars()["item"].to_list() == [5, 5, 7, 7, 5]
    assert [len(part) for part in data.split] == [1, 0, 1]
    assert data.sequences.timestamps[:2].tolist() == [1659304800, 1659304801]
    wrong = log_card("a.jsonl", (5, 4, 7, 5, 2), "otto", 'test = "b.jsonl"', "b.jsonl")
    write_card("otto-toy", wrong)
    with pytest.raises(IntegrityError, match="train 5, got 4; interactions 7, got 6"):
        load_sequences("otto-toy", download=False)


@pytest.mark.parametrize("zipped", [False, True])
def test_read_otto(tmp_path, zipped):
    path = tmp_path / ("a.jsonl.gz" if zipped else "a.jsonl")
    path.write_bytes(gzip.compress(TRAIN.encode()) if zipped else TRAIN.encode())
    clicks = read_otto(path)
    assert clicks.sequence_ids.tolist() == [0, 2]
    assert clicks.to_polars()["item"].to_list() == [5, 5, 7, 7]
    bought = read_otto(path, types=("carts", "orders"))
    assert bought.to_polars().select("sequence", "item").rows() == [(0, 9), (1, 3), (2, 3)]


def test_read_otto_refuses(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_otto(tmp_path / "absent.jsonl")
    (tmp_path / "a.jsonl").write_text(TRAIN)
    with pytest.raises(InvalidDataError, match=r"types must be some of .*got \['views'\]"):
        read_otto(tmp_path / "a.jsonl", types=["views"])
    (tmp_path / "c.jsonl").write_text(otto([(0, [(1, "orders")])]))
    with pytest.raises(InvalidDataError, match="must have clicks; got none"):
        read_otto(tmp_path / "c.jsonl")
    (tmp_path / "b.jsonl").write_text("session 1\n")
    with pytest.raises(InvalidDataError, match="must have a session in JSON on each line"):
        read_otto(tmp_path / "b.jsonl")
    (tmp_path / "d.jsonl").write_text('{"events": [{"aid": 1, "ts": 5, "type": "clicks"}]}\n')
    with pytest.raises(InvalidDataError, match="there are some without session"):
        read_otto(tmp_path / "d.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sessionId;itemId\n1;2\n", r"must have the columns \['timeframe', 'eventdate'\]"),
        (diginetica().replace("2016-05-02", "May"), "in the format 'diginetica'"),
        (diginetica().replace(";20;", ";x;"), "in the format 'diginetica'"),
        (diginetica().replace(";20;", ";;"), "a value in every column"),
        ("sessionId;userId;itemId;timeframe;eventdate\n", "must have clicks"),
        (diginetica(), "must have the published counts: items 2, got 1; interactions 9"),
    ],
)
def test_logs_are_verified(write_card, text, message):
    write_card("views", DIGINETICA, v__csv=text)
    with pytest.raises(IntegrityError, match=message):
        load_sequences("views", download=False)


def test_what_people_must_fetch_is_never_downloaded(write_card):
    write_card("views", DIGINETICA)
    with pytest.raises(DataUnavailableError) as caught:
        load_sequences("views", progress=False)
    text = str(caught.value)
    assert "its publisher hands v.csv out to people only" in text
    assert "v.csv, after signing in (https://example.org/)" in text
    assert "RECNEG_DATA to a folder that holds views/v.csv" in text


def test_a_named_folder_that_is_missing_is_said_to_be(write_card, monkeypatch, tmp_path):
    write_card("views", DIGINETICA)
    monkeypatch.setenv("RECNEG_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataUnavailableError, match=r"gone, which it names, is missing\)"):
        load_sequences("views", progress=False)


def test_sessions_are_not_loaded_as_interactions(write_card):
    write_card("views", DIGINETICA)
    with pytest.raises(InvalidDataError, match="views holds sessions.*load_sequences"):
        load("views", download=False)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(3, 6), st.integers(0, 3)), min_size=1, max_size=12
    ),
    st.booleans(),
)
def test_rows_in_any_order_give_the_same(rows, in_order):
    rows = sorted(rows, key=lambda row: (row[0], row[2])) if in_order else rows
    schema = {"user": pl.Int32, "item": pl.Int32, "timestamp": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = sequences_of_rows(frame)
    expected = Sequences.from_polars(frame, sequence="user", item="item", timestamp="timestamp")
    assert found.to_polars().rows() == expected.to_polars().rows()
    assert len(found) == len(expected)


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.Datetime("ms")])
def test_rows_may_have_any_kind_of_time(kind):
    times = pl.Series([250, 750, 100]).cast(kind)
    rows = pl.DataFrame({"user": [1, 1, 2], "item": [6, 5, 5], "timestamp": times})
    for frame in (rows, rows.reverse()):
        found = sequences_of_rows(frame)
        assert found.to_polars()["item"].to_list() == [6, 5, 5]
        kept = [0, 0, 0] if kind == pl.Datetime("ms") else [250, 750, 100]
        assert found.timestamps.tolist() == kept


def test_ordered_lists_are_sequences(write_card):
    text = (
        "ordered = true\n[counts]\nusers = 2\nitems = 3\ninteractions = 5\n"
        '[[files]]\nname = "a.txt"\nurls = ["https://example.org/a.txt"]\nmax_bytes = 100\n'
        '[[tables]]\nfile = "a.txt"\nformat = "lists"\n'
        '[[local]]\nfolder = "copy"\nfile = "a.parquet"\n'
    )
    folder = write_card("lists", text, a__txt="4 9 2\n1 7 2 9\n")
    data = load_sequences("lists", download=False)
    assert data.sequences.to_polars().rows() == [(1, 7), (1, 2), (1, 9), (4, 9), (4, 2)]
    assert data.sequences.timestamps is None
    assert data.split.targets == "last"
    assert data.split.train.to_polars().rows() == [(1, 7)]
    assert load_sequences("lists", download=False).split.checksum == data.split.checksum
    assert load("lists", download=False).interactions.timestamps.tolist() == [1, 0, 2, 1, 0]
    (folder.parent / "copy").mkdir()
    copy = pl.DataFrame({"user": [1, 4, 4, 1, 1], "item": [7, 2, 9, 9, 2], "seq": [0, 1, 0, 2, 1]})
    copy.write_parquet(folder.parent / "copy" / "a.parquet")
    from_copy = load_sequences("lists", download=False)
    assert from_copy.where.name == "a.parquet"
    assert from_copy.split.checksum == data.split.checksum


def test_times_order_rated_histories(no_data):
    data = load_sequences("sample")
    assert data.sequences.timestamps is not None
    assert data.titles.shape == (9066,)
    ratings = load("sample").interactions
    assert data.sequences.to_interactions().indices.tolist() == ratings.indices.tolist()
    newest = [
        ratings.timestamps[ratings.indptr[r] : ratings.indptr[r + 1]].max() for r in range(671)
    ]
    assert data.sequences.last_times().tolist() == newest


def test_data_without_an_order_say_so(write_card):
    text = (
        "[counts]\nusers = 1\nitems = 2\ninteractions = 2\n"
        '[[files]]\nname = "a.txt"\nurls = ["https://example.org/a.txt"]\nmax_bytes = 100\n'
        '[[tables]]\nfile = "a.txt"\nformat = "lists"\n'
    )
    write_card("heap", text, a__txt="0 9 2\n")
    with pytest.raises(InvalidDataError, match="order of events must be known; heap does not"):
        load_sequences("heap", download=False)


# -- real data -------------------------------------------------------------------------------------


def have(name):
    if where(card(name)) is None:
        pytest.skip(f"{name} is not below RECNEG_DATA")


@pytest.mark.parametrize(
    ("name", "train", "test", "prefixes", "unseen"),
    [
        ("diginetica", 186_670, 15_963, (719_470, 60_858), 0),
        ("yoochoose-1-64", 116_167, 15_324, (369_859, 55_898), 369),
    ],
)
def test_sessions_have_their_published_sizes(real_data, name, train, test, prefixes, unseen):
    have(name)
    data = load_sequences(name, download=False)
    split, counts = data.split, card(name).counts
    assert (len(split.train), len(split.test)) == (train, test)
    assert (split.train.num_events, split.test.num_events) == (counts.train, counts.test)
    assert tuple(part.num_events - len(part) for part in (split.train, split.test)) == prefixes
    assert data.sequences.num_items == counts.items
    assert split.train.lengths().min() >= 2
    assert data.sequences.timestamps is None or data.note is None
    assert (split.train.item_counts() == 0).sum() == unseen


def test_beauty_has_its_published_sizes(real_data):
    have("amazon-beauty")
    data = load_sequences("amazon-beauty", download=False)
    assert (len(data.sequences), data.sequences.num_items) == (22_363, 12_101)
    assert data.sequences.num_events == 198_502
    assert data.sequences.lengths().min() == 5
    assert data.split.targets == "last"


def test_movielens_1m_by_rank(real_data):
    have("movielens-1m")
    data = load_sequences("movielens-1m", download=False)
    assert data.sequences.num_events == 1_000_209
    assert data.sequences.lengths().min() == 20
    assert (data.sequences.timestamps is None) == (data.note is not None)


def test_the_sample_of_otto(real_data):
    path = real_data / "otto-sample" / "train.jsonl.gz"
    if not path.is_file():
        pytest.skip("otto-sample is not below RECNEG_DATA")
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len(lines) == 20
    expected = [
        (line["session"], event["aid"], event["ts"] // 1000)
        for line in sorted(lines, key=lambda line: line["session"])
        for event in line["events"]
        if event["type"] == "clicks"
    ]
    assert read_otto(path).to_polars().rows() == expected


def test_every_session_card_says_how_to_get_its_files():
    for stated in map(card, names()):
        assert (stated.sessions is not None) == any(file.by_hand for file in stated.files)
        assert stated.sessions is None or stated.counts.is_split
