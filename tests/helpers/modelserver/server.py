"""The server's own process: `python server.py SCRIPT.json LOG.jsonl` prints its address and serves until killed."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run by its path, from any folder

from tests.helpers.modelserver import anthropic, responses
from tests.helpers.modelserver.dialect import Dialect
from tests.helpers.modelserver.play import Plays
from tests.helpers.modelserver.steps import Json, Step

DIALECTS: dict[str, Dialect] = {"/v1/messages": anthropic, "/v1/responses": responses}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Json, log: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plays, self.headers, self.log = Plays(script["attempts"]), script["headers"], log

    def note(self, **what: object) -> None:
        with self.plays.lock, self.log.open("a") as log:
            print(json.dumps(what), file=log)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        self._json(404, {"error": {"type": "not_found_error", "message": "no such path"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or b"{}")
        path = self.path.partition("?")[0]
        dialect = DIALECTS.get(path)
        if dialect is None:
            self._json(404, {"error": {"type": "not_found_error", "message": "no such path"}})
        elif not dialect.main(body):
            self._stream(dialect.answer("a title", None))
        else:
            prompt, headers = dialect.prompt(body), {name.lower(): one for name, one in self.headers.items()}
            play, step = self.server.plays.next(dialect.conversation(body, headers), prompt)
            self.server.note(path=path, marker=play.marker, attempt=play.attempt, op=step["op"], prompt=prompt)
            self._play(dialect, step, body)

    def _play(self, dialect: Dialect, step: Step, body: Json) -> None:
        context = step.get("context", 0)
        match step["op"]:
            case "limited":
                self._play(dialect, dialect.limit(ceil(time.time() + step["seconds"])), body)
            case "error":
                self._json(step["status"], step["body"] or dialect.error(step["status"]), step["headers"])
            case "hang":
                if step["after"]:
                    self._stream(())
                threading.Event().wait()
            case "drop" if step["after"] == "request":
                self.close_connection = True
            case "drop":
                self._stream(list(dialect.answer("this is cut o", None))[:2])
            case "text":
                self._stream(dialect.answer(step["text"], None, context))
            case _:
                self._stream(dialect.answer(step["text"], dialect.call(step, body), context))

    def _json(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        data = b"" if self.command == "HEAD" else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterable[Json]) -> None:
        self.close_connection = True
        self.send_response(200)
        for name, value in {"content-type": "text/event-stream", **self.server.headers}.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        for one in events:
            self.wfile.write(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """Quiet: `note` keeps what tests ask for."""


def raise_loopback() -> None:
    """`ip link set lo up` without ip; EPERM where the namespace is not ours, whose loopback is up anyway."""
    import fcntl
    import socket
    import struct
    from contextlib import suppress

    up, name = 0x1 | 0x40, b"lo"  # IFF_UP, IFF_RUNNING; 0x8914 is SIOCSIFFLAGS
    with suppress(PermissionError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, 0x8914, struct.pack("16sh14x", name, up))


def main() -> None:
    script, log = sys.argv[1:]
    if sys.platform == "linux":
        raise_loopback()
    server = Server(json.loads(Path(script).read_text()), Path(log))
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
