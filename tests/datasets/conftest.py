"""Loopback server, toy cards, and the folder of real data sets, if there is one."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from toy_archives import TOY, zipped

from recneg.datasets import cards, download


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Give each test an empty cache."""
    monkeypatch.setenv("RECNEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("RECNEG_DATA", raising=False)


@pytest.fixture
def real_data():
    import os

    folder = os.environ.get("RECNEG_DATA")
    if not folder:
        pytest.skip("RECNEG_DATA is not set: it names the folder of real data sets")
    return Path(folder)


class Server:
    """Serves `pages`: path -> function of the request handler."""

    def __init__(self):
        self.pages, self.hits, self.gate = {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits.append(self.path)
                try:
                    page = outer.pages.get(self.path)
                    self.send_error(404) if page is None else page(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def body(self, path, data, *, length=None):
        def page(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data) if length is None else length))
            handler.end_headers()
            handler.wfile.write(data)

        self.pages[path] = page

    def close(self):
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch):
    """A loopback server; https addresses reach it over plain http."""
    server = Server()
    opened = download._open
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "SCHEMES", ("https", "http"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "_open", lambda url: opened(url.replace("https:", "http:")))
    yield server
    server.close()


@pytest.fixture
def toy(tmp_path, server, monkeypatch, no_data):
    """The card of a data set of three ratings, `toy.data` being its archive on the server."""
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(cards, "cards_folder", lambda: folder)
    data = zipped(TOY)

    def write(extra="", counts="users = 2\nitems = 2\ninteractions = 3", md5=None):
        import hashlib

        md5 = hashlib.md5(data).hexdigest() if md5 is None else md5
        (folder / "toy.toml").write_text(
            f"""
            title = "Toy"
            description = "d"
            citation = "c"
            licence = "l"
            home = "https://example.org/"
            [counts]
            {counts}
            [[files]]
            name = "toy.zip"
            urls = ["https://{server.address}/toy.zip"]
            max_bytes = 10_000
            md5 = "{md5}"
            [[tables]]
            file = "toy.zip"
            member = "toy/r.tab"
            format = "tab"
            [titles]
            file = "toy.zip"
            member = "toy/i.bar"
            format = "bar"
            encoding = "latin-1"
            {extra}
            """
        )
        cards.card.cache_clear()

    write()
    write.data = data
    server.body("/toy.zip", data)
    yield write
    cards.card.cache_clear()
