"""The diary: one JSON line for each event, numbered and with a checksum, on disk before the next step is taken.

A torn last line is forgiven (a kill or a full disk cut it: the event did not happen). A bad line in the middle is
not: the file is moved aside, and what is done comes from git. A line with a higher version than `VERSION` stops
everything: what a newer ralph wrote may mean something else.
"""

from __future__ import annotations

import json
import os
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ralph.errors import Exit, RalphError
from ralph.immutable import immutable
from ralph.state.events import (
    AgentStopped,
    Event,
    Publishing,
    RunEnded,
    SetAside,
    WorkspaceReady,
    from_json,
    to_json,
)

VERSION = 1
VERSIONS = re.compile(rb'^\{"v":(\d+)', re.MULTILINE)
SYNCED = (WorkspaceReady, AgentStopped, Publishing, SetAside, RunEnded)


@immutable
class Entry:
    """One line: its number, its time (epoch seconds), its run and its event (None: of a newer ralph)."""

    seq: int
    time: float
    run: str
    event: Event | None


def journal_path(state: Path) -> Path:
    """Return the path of the journal in ralph's folder of a checkout."""
    return state / "journal.jsonl"


class BadLineError(ValueError):
    """A line that is complete and yet not what was written."""


class Journal:
    """Append-only; one writer (the lock's holder). Open it with `open_for`."""

    def __init__(self, path: Path, run: str, seq: int) -> None:
        self.path, self.run, self.seq = path, run, seq
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, event: Event) -> Entry:
        """Append; nothing is lost when ralph is killed. What must outlive a power cut (`SYNCED`) is on disk on
        return, with all before it. A disk that is full stops the run with everything as it was."""
        entry = Entry(self.seq, time.time(), self.run, event)
        line = encode(entry, event)
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):  # a full disk writes a part and raises nothing
                raise OSError("the disk is full")
            if isinstance(event, SYNCED):
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, before)
            cure = "Free some space, then run the same command again."
            what = f"the journal can't be written: {error}"
            raise RalphError(what, cure, where=str(self.path), code=Exit.STOPPED) from error
        self.seq += 1
        return entry

    def close(self) -> None:
        os.close(self._file)


def encode(entry: Entry, event: Event) -> bytes:
    body = {"v": VERSION, "seq": entry.seq, "t": round(entry.time, 3), "run": entry.run, **to_json(event)}
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    return f'{text[:-1]},"crc":{zlib.crc32(text.encode())}}}\n'.encode()


def decode(line: bytes) -> Entry:
    """Raises BadLineError."""
    head, mark, check = line.rstrip(b"\n").rpartition(b',"crc":')
    try:
        if not mark or int(check.rstrip(b"}")) != zlib.crc32(head + b"}"):
            raise BadLineError("checksum")
        body: dict[str, Any] = json.loads(head + b"}")
        return Entry(int(body["seq"]), float(body["t"]), str(body["run"]), from_json(body))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadLineError(str(error)) from error


def read_journal(path: Path) -> Iterator[Entry]:
    """All entries that are whole; BadLineError where one in the middle is not. Needs no lock.

    Raise RalphError before the first of them if a newer ralph wrote any.
    """
    data = refuse_newer(path)
    expected = None
    for line in data.split(b"\n")[:-1]:  # what stands behind the last newline is torn
        entry = decode(line)
        if expected is not None and entry.seq != expected:
            raise BadLineError(f"entry {entry.seq} where {expected} was due")
        expected = entry.seq + 1
        yield entry


def refuse_newer(path: Path) -> bytes:
    """Return what the journal holds; b"" if there is none. Raise RalphError if a newer ralph wrote a line of it.

    The version stands at the beginning of a line in each version. The checksum may change, so it is not asked.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    newest = max(map(int, VERSIONS.findall(data)), default=VERSION)
    if newest > VERSION:
        what = f"the journal was written by a newer ralph (format {newest}; this ralph reads up to {VERSION})"
        cure = "Update ralph here, then run the same command again. Nothing was changed."
        raise RalphError(what, cure, where=str(path))
    return data


def open_for(path: Path, run: str) -> tuple[Journal, tuple[Entry, ...], str]:
    """(the journal to write, what it holds, a sentence when it had to be moved aside).

    Raise RalphError if a newer ralph wrote in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    said = ""
    try:
        entries = tuple(read_journal(path))
        _cut_torn_tail(path)
    except BadLineError as error:
        aside = path.with_name(f"{path.stem}.bad-{time.time_ns()}{path.suffix}")
        path.rename(aside)
        entries = ()
        said = (f"The journal was damaged ({error}) and is now {aside.name}: what is done comes from git, "
                "money spent before is unknown.")  # fmt: skip
    return Journal(path, run, entries[-1].seq + 1 if entries else 1), entries, said


def _cut_torn_tail(path: Path) -> None:
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.truncate(path, whole)
