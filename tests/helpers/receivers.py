"""Receivers on this machine: a web server and a mail server that keep what they get, and some that do not work."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass
class Web:
    """A web server: what was posted to it, as JSON. Paths: `/500` is refused, `/slow` is never answered."""

    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)  # the first one
    enough: threading.Event = field(default_factory=threading.Event)  # who is not answered is let go

    def url(self, path: str = "ok") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"


@contextmanager
def web() -> Iterator[Web]:
    box = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.paths.append(self.path)
            box.got.append(json.loads(body))
            box.came.set()
            if self.path.startswith("/slow"):
                box.enough.wait()
            self.send_response(500 if self.path.startswith("/500") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield box
        finally:
            box.enough.set()
            server.shutdown()


@dataclass
class Mail:
    """A mail server: the letters that it took."""

    port: int = 0
    letters: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return mail_url(self.port)

    def text(self, number: int, kind: str) -> str:
        """The part of a letter that is `plain` or `html`."""
        part = next(one for one in self.letters[number].walk() if one.get_content_type() == f"text/{kind}")
        return cast("bytes", part.get_payload(decode=True)).decode()


def mail_url(port: int, login: str = "") -> str:
    return f"mailto://{login}127.0.0.1:{port}?from=ralph@example.org&to=ada@example.org&mode=insecure"


@contextmanager
def mail() -> Iterator[Mail]:
    from aiosmtpd.controller import Controller

    box = Mail()

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - its name there
            box.letters.append(message_from_bytes(envelope.content))
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    server = Controller(Handler(), hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()


@contextmanager
def deaf() -> Iterator[int]:
    """A port where somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def dead() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
