import hashlib
import json

import polars as pl
import pytest
from toy_archives import TOY, zipped

from recneg.datasets import available, load
from recneg.errors import DataUnavailableError, IntegrityError


def cached(own_cache):
    return own_cache / "toy"


def test_a_first_load_downloads_and_a_second_reads_the_copy(toy, server, own_cache):
    first = load("toy", progress=False)
    assert len(first.interactions) == 3
    assert first.interactions.user_ids.tolist() == [7, 9]
    assert first.titles.tolist() == ["Façade (1990)", "Zoo, The (1991)"]
    assert sorted(path.name for path in cached(own_cache).iterdir()) == [
        "all.json", "all.rows.parquet", "all.titles.parquet", "toy.zip",
    ]  # fmt: skip
    (cached(own_cache) / "toy.zip").unlink()
    second = load("toy", download=False)
    assert second.interactions.to_polars().equals(first.interactions.to_polars())
    assert second.titles.tolist() == first.titles.tolist()
    assert server.hits == ["/toy.zip"]
    assert available()[0].where == cached(own_cache)


def test_left_over_parts_are_ignored(toy, own_cache):
    cached(own_cache).mkdir(parents=True)
    for name in (".toy.zip.abc.part", ".all.json.abc.part", ".all.rows.parquet.abc.part"):
        (cached(own_cache) / name).write_bytes(b"half")
    assert len(load("toy", progress=False).interactions) == 3
    assert len(load("toy", download=False).interactions) == 3


@pytest.mark.parametrize("name", ["all.rows.parquet", "all.titles.parquet"])
@pytest.mark.parametrize("damage", ["altered", "truncated", "gone"])
def test_a_damaged_copy_is_made_anew(toy, server, own_cache, name, damage):
    load("toy", progress=False)
    path = cached(own_cache) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(bytes(data) if damage == "altered" else bytes(data[:20]))
    assert len(load("toy", download=False).interactions) == 3
    assert server.hits == ["/toy.zip"]
    (cached(own_cache) / "toy.zip").unlink()
    assert len(load("toy", download=False).interactions) == 3  # the new copy is sound


def test_a_damaged_copy_without_the_archive_is_reported(toy, own_cache):
    load("toy", progress=False)
    (cached(own_cache) / "toy.zip").unlink()
    (cached(own_cache) / "all.rows.parquet").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"all\.rows\.parquet must have sha256"):
        load("toy", download=False)
    assert len(load("toy", progress=False).interactions) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": 1}'])
def test_a_damaged_manifest_counts_as_none(toy, own_cache, text):
    load("toy", progress=False)
    (cached(own_cache) / "all.json").write_text(text)
    assert len(load("toy", download=False).interactions) == 3
    assert json.loads((cached(own_cache) / "all.json").read_text())["sha256"].keys() == {
        "rows", "titles"
    }  # fmt: skip


def test_a_copy_of_another_card_is_not_used(toy, own_cache):
    load("toy", progress=False)
    toy(counts="users = 2\nitems = 3\ninteractions = 3")
    with pytest.raises(IntegrityError, match="published counts: items 3, got 2"):
        load("toy", download=False)


def test_a_file_put_by_hand_is_verified_and_used(toy, server, own_cache):
    cached(own_cache).mkdir(parents=True)
    (cached(own_cache) / "toy.zip").write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"toy\.zip must have md5"):
        load("toy", progress=False)
    (cached(own_cache) / "toy.zip").write_bytes(toy.data)
    assert len(load("toy", download=False).interactions) == 3
    assert server.hits == []


def test_the_archive_may_lie_in_the_users_folder(toy, server, tmp_path, monkeypatch):
    monkeypatch.setenv("RECNEG_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine" / "toy").mkdir(parents=True)
    (tmp_path / "mine" / "toy" / "toy.zip").write_bytes(toy.data)
    assert available()[0].where == tmp_path / "mine" / "toy"
    assert len(load("toy", download=False).interactions) == 3


def test_an_unwritable_cache_is_a_warning(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("RECNEG_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine" / "toy").mkdir(parents=True)
    (tmp_path / "mine" / "toy" / "toy.zip").write_bytes(toy.data)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RECNEG_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not be kept"):
        assert len(load("toy", download=False).interactions) == 3


@pytest.mark.parametrize("download", [True, False])
def test_an_offline_machine_is_told_what_to_put_where(toy, server, own_cache, download):
    server.pages.clear()
    toy(extra='[[local]]\nfolder = "mine"\nfile = "r.parquet"')
    with pytest.raises(DataUnavailableError) as caught:
        load("toy", progress=False, download=download)
    message = str(caught.value)
    assert f"https://{server.address}/toy.zip" in message
    assert str(cached(own_cache) / "toy.zip") in message
    assert "(md5 " in message
    assert "RECNEG_DATA" in message
    assert "mine/r.parquet (Parquet: user, item, rating, timestamp)" in message
    assert not available()[0].at_hand


def test_a_wrong_download_is_reported_as_such(toy, own_cache):
    toy(md5="0" * 32)
    with pytest.raises(IntegrityError, match="must have md5"):
        load("toy", progress=False)
    assert list(cached(own_cache).iterdir()) == []


LOCAL = '[[local]]\nfolder = "mine"\nfile = "r.parquet"\n'


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setenv("RECNEG_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "mine").mkdir(parents=True)
    return tmp_path / "data" / "mine" / "r.parquet"


ROWS = {"user": [7, 7, 9], "item": [30, 10, 30]}


def test_the_users_folder_comes_first(toy, server, mine):
    toy(extra=LOCAL)
    pl.DataFrame(ROWS | {"weight": [1.0, 2.0, 3.0]}).write_parquet(mine)
    data = load("toy")
    assert data.interactions.weights.tolist() == [2.0, 1.0, 3.0]
    assert data.interactions.timestamps is None
    assert data.where == mine
    assert data.titles is None
    assert server.hits == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"user": [7], "item": [30]}, "users 2, got 1; items 2, got 1; interactions 3, got 1"),
        ({"user": [7, 7, 9]}, r"must have the columns \['item'\]; got \['user'\]"),
    ],
)
def test_other_data_in_the_users_folder_are_refused(toy, mine, rows, message):
    toy(extra=LOCAL)
    pl.DataFrame(rows).write_parquet(mine)
    with pytest.raises(IntegrityError, match=message):
        load("toy")


def test_no_parquet_in_the_users_folder_is_refused(toy, mine):
    toy(extra=LOCAL)
    mine.write_bytes(b"PAR1 but not really")
    with pytest.raises(IntegrityError, match=r"r\.parquet must be a Parquet file"):
        load("toy")


def test_a_lesser_copy_gives_way_to_the_original_at_hand(toy, mine, own_cache):
    toy(extra=LOCAL + 'note = "Ranks only."\n')
    pl.DataFrame(ROWS | {"seq": [0, 1, 0]}).write_parquet(mine)
    lesser = load("toy")
    assert lesser.note == "Ranks only."
    assert "note='Ranks only.'" in repr(lesser)
    assert lesser.interactions.timestamps.tolist() == [1, 0, 0]
    cached(own_cache).mkdir(parents=True)
    (cached(own_cache) / "toy.zip").write_bytes(toy.data)
    whole = load("toy", threshold=4)
    assert whole.note is None
    assert len(whole.interactions) == 2


def test_parts_share_one_id_space_and_keep_common_pairs(toy, mine):
    toy(extra=LOCAL, counts="users = 2\nitems = 2\ninteractions = 4\ntrain = 2\ntest = 2")
    rows = {"user": [9, 7, 9, 7], "item": [30, 10, 10, 10], "rating": [5.0, 1.0, 3.0, 4.0]}
    pl.DataFrame(rows | {"split": ["test", "test", "train", "train"]}).write_parquet(mine)
    data = load("toy")
    assert len(data.split.train) == len(data.split.test) == 2
    assert data.split.train.num_items == data.split.test.num_items == 2
    assert data.interactions.weights.tolist() == [4.0, 3.0, 5.0]  # the earlier part's rating
    assert data.interactions.num_duplicates == 1


def test_unknown_parts_are_refused(toy, mine):
    toy(extra=LOCAL, counts="users = 2\nitems = 2\ninteractions = 3\ntrain = 2\ntest = 1")
    pl.DataFrame(ROWS | {"split": ["train", "tset", "train"]}).write_parquet(mine)
    with pytest.raises(IntegrityError, match="test 1, got 0"):
        load("toy")


def test_folds_are_read_from_the_archive(toy, server, own_cache):
    toy(
        md5="e" * 32,
        extra="""
            [folds]
            names = ["f1"]
            [[folds.tables]]
            file = "toy.zip"
            member = "toy/{fold}.base"
            format = "tab"
            part = "train"
            [[folds.tables]]
            file = "toy.zip"
            member = "toy/{fold}.test"
            format = "tab"
            part = "test"
        """,
    )
    data = zipped(
        TOY
        | {
            "toy/f1.base": b"7\t30\t5\t100\n9\t30\t4\t102\n",
            "toy/f1.test": b"7\t10\t3\t101\n",
        }
    )
    path = cached(own_cache).parents[1] / "cards" / "toy.toml"
    path.write_text(path.read_text().replace("e" * 32, hashlib.md5(data).hexdigest()))
    server.body("/toy.zip", data)
    fold = load("toy", fold="f1", progress=False)
    assert (len(fold.split.train), len(fold.split.test)) == (2, 1)
    again = load("toy", fold="f1", download=False)
    assert again.split.checksum == fold.split.checksum
    assert load("toy", download=False).split is None


def test_cache_folders(monkeypatch, tmp_path):
    from recneg.datasets.places import cache_folder

    assert cache_folder("x") == tmp_path / "cache" / "x"
    monkeypatch.delenv("RECNEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("x") == tmp_path / "recneg" / "x"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("x") == tmp_path / "home" / ".cache" / "recneg" / "x"


def test_a_bundled_data_set_without_its_files_says_so(tmp_path, monkeypatch, no_data):
    from recneg.datasets import local

    monkeypatch.setattr(local, "cards_folder", lambda: tmp_path)
    with pytest.raises(IntegrityError, match="sample must come with recneg"):
        load("sample")
