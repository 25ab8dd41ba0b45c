import zipfile

import pytest
from toy_archives import zipped

from recneg.datasets.archives import read_member
from recneg.errors import IntegrityError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "a.zip"


def write(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def test_a_member_is_read_by_name(path):
    write(path, zipped({"x/a": b"one", "x/b": b"two"}))
    assert read_member(path, "x/b") == b"two"


def test_nothing_is_unpacked_whatever_its_name(path):
    write(path, zipped({"../../evil": b"boo", "/etc/evil": b"boo", "x/a": b"one"}))
    assert read_member(path, "x/a") == b"one"
    assert [each.name for each in path.parent.parent.rglob("*")] == ["folder", "a.zip"]


def test_absent_members_are_named(path):
    write(path, zipped({"x/b": b"two"}))
    with pytest.raises(IntegrityError, match="must hold x/a; it holds x/b"):
        read_member(path, "x/a")


def test_bombs_are_refused_by_what_they_state(path):
    write(path, zipped({"a": b"\0" * 5_000_000}))
    with pytest.raises(IntegrityError, match=r"at most \d+ bytes; it states 5000000"):
        read_member(path, "a")
    with pytest.raises(IntegrityError, match="at most 10 bytes; it states 5000000"):
        read_member(path, "a", max_bytes=10)


def test_bombs_that_lie_about_their_size_are_cut_off(path):
    data = bytearray(zipped({"a": b"\0" * 500_000}))
    size = (500_000).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (7).to_bytes(4, "little")
    write(path, bytes(data))
    with pytest.raises(IntegrityError, match="a in "):
        read_member(path, "a")


@pytest.mark.parametrize("where", [10, 45, -10])
def test_damaged_archives_are_refused(path, where):
    data = bytearray(zipped({"a": bytes(range(256)) * 4}, compression=zipfile.ZIP_STORED))
    data[where] ^= 0xFF
    write(path, bytes(data[:-1]) if where == 10 else bytes(data))
    with pytest.raises(IntegrityError):
        read_member(path, "a")


def test_what_is_no_archive_is_refused(path):
    write(path, b"<html>not found</html>")
    with pytest.raises(IntegrityError, match=r"a in .*a\.zip must be readable"):
        read_member(path, "a")
