import hashlib
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from recneg.datasets import download
from recneg.datasets.cards import File
from recneg.errors import DataUnavailableError, IntegrityError

BODY = b"some bytes" * 1000


def file_at(server, path="/f", *more, **stated):
    urls = [f"https://{server.address}{each}" for each in (path, *more)]
    return File(name="f.bin", urls=urls, **({"max_bytes": 20_000} | stated))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "f.bin"


def only(target):
    """Nothing but the target, or nothing at all, may lie in its folder."""
    return [path.name for path in target.parent.iterdir()] if target.parent.exists() else []


def test_a_download_arrives_whole(server, target):
    server.body("/f", BODY)
    md5 = hashlib.md5(BODY).hexdigest()
    sha256 = hashlib.sha256(BODY).hexdigest()
    download.fetch(file_at(server, size=len(BODY), md5=md5, sha256=sha256), target, progress=False)
    assert target.read_bytes() == BODY
    assert only(target) == ["f.bin"]


@pytest.mark.parametrize("colours", ["", "1"])
def test_progress_is_shown_on_standard_error(server, target, capsys, monkeypatch, colours):
    monkeypatch.setenv("FORCE_COLOR", colours)
    server.body("/f", BODY)
    download.fetch(file_at(server), target, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "f.bin" in shown.err
    assert "10.0/10.0 kB" in shown.err
    assert "\x1b" not in shown.err  # a line in a log, not a bar that moves
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"md5": "0" * 32}, "must have md5 0{32}; got"),
        ({"sha256": "0" * 64}, "must have sha256 0{64}; got"),
        ({"size": 9_999}, "at most 9999 bytes; it states 10000"),
        ({"size": 10_001}, "must have 10001 bytes; got 10000"),
    ],
)
def test_wrong_bytes_never_arrive(server, target, stated, message):
    server.body("/f", BODY)
    with pytest.raises(IntegrityError, match=message):
        download.fetch(file_at(server, **stated), target, progress=False)
    assert only(target) == []
    assert len(server.hits) == 1


def test_short_bodies_are_tried_again_and_refused(server, target):
    server.body("/f", BODY, length=len(BODY) + 1)
    with pytest.raises(IntegrityError, match="must send 10001 bytes; got 10000"):
        download.fetch(file_at(server), target, progress=False)
    assert only(target) == []
    assert len(server.hits) == download.ATTEMPTS


def test_endless_bodies_are_cut_off(server, target):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while not server.gate.is_set():
            handler.wfile.write(b"x" * 65536)

    server.pages["/f"] = endless
    with pytest.raises(IntegrityError, match="at most 20000 bytes"):
        download.fetch(file_at(server), target, progress=False)
    assert only(target) == []


def test_passing_faults_are_retried(server, target):
    def busy_once(handler):
        server.body("/f", BODY)
        handler.send_error(503)

    server.pages["/f"] = busy_once
    download.fetch(file_at(server), target, progress=False)
    assert target.read_bytes() == BODY


def test_the_next_address_is_tried(server, target):
    server.body("/wrong", b"other")
    server.body("/right", BODY)
    md5 = hashlib.md5(BODY).hexdigest()
    stated = file_at(server, "/absent", "/wrong", "/right", md5=md5)
    download.fetch(stated, target, progress=False)
    assert target.read_bytes() == BODY
    assert server.hits == ["/absent", "/wrong", "/right"]


def test_no_answer_is_unavailable(server, target):
    with pytest.raises(DataUnavailableError, match="answered 404"):
        download.fetch(file_at(server), target, progress=False)
    server.close()
    with pytest.raises(DataUnavailableError, match=r"must be downloadable.*refused"):
        download.fetch(file_at(server), target, progress=False)


def test_plain_http_is_refused(server, target, monkeypatch):
    monkeypatch.setattr(download, "SCHEMES", ("https",))
    with pytest.raises(DataUnavailableError, match="must stay on https; got http://"):
        download.fetch(file_at(server), target, progress=False)
    assert server.hits == []


def test_redirects_may_not_leave_https(server, target, monkeypatch):
    assert download.SCHEMES == ("https", "http")
    monkeypatch.undo()
    assert download.SCHEMES == ("https",)
    request = urllib.request.Request("https://example.org/f")
    with pytest.raises(DataUnavailableError, match=r"must stay on https; got http://example\.org"):
        download._SameScheme().redirect_request(request, None, 302, "", {}, "http://example.org/f")


@pytest.mark.parametrize("scheme", ["ftp", "file"])
def test_redirects_to_other_schemes_are_refused(server, target, scheme):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", f"{scheme}://{server.address}/g")
        handler.end_headers()

    server.pages["/f"] = redirect
    with pytest.raises(DataUnavailableError, match=f"{scheme}://"):
        download.fetch(file_at(server), target, progress=False)
    assert only(target) == []


def test_redirects_within_are_followed(server, target):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/g")
        handler.end_headers()

    server.pages["/f"] = redirect
    server.body("/g", BODY)
    download.fetch(file_at(server), target, progress=False)
    assert target.read_bytes() == BODY


def test_the_checksum_beside_the_file_is_read(server, target):
    server.body("/f", BODY)
    stated = file_at(server, md5_url=f"https://{server.address}/f.md5")
    download.fetch(stated, target, progress=False)  # does not answer: the counts must do
    target.unlink()
    server.body("/f.md5", f"MD5 (f.bin) = {hashlib.md5(BODY).hexdigest()}\n".encode())
    download.fetch(stated, target, progress=False)
    target.unlink()
    server.body("/f.md5", b"MD5 (f.bin) = " + b"0" * 32)
    with pytest.raises(IntegrityError, match=r"must have md5 0{32}"):
        download.fetch(stated, target, progress=False)
    assert only(target) == []


def test_a_killed_download_leaves_no_file(server, target):
    import threading

    halfway = threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(2 * len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY)
        handler.wfile.flush()
        halfway.set()
        server.gate.wait(20)

    server.pages["/f"] = stall
    code = f"""
from pathlib import Path
from recneg.datasets import download
from recneg.datasets.cards import File
opened = download._open
download.SCHEMES = ("https", "http")
download._open = lambda url: opened(url.replace("https:", "http:"))
file = File(name="f.bin", urls=("https://{server.address}/f",), max_bytes=30000)
download.fetch(file, Path({str(target)!r}), progress=False)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        assert halfway.wait(20)
        os.kill(process.pid, signal.SIGKILL)
    assert not target.exists()
    server.body("/f", BODY)
    download.fetch(file_at(server), target, progress=False)
    assert target.read_bytes() == BODY
