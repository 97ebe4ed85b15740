"""The diary: what is forgiven, what is not, and what a full disk does to it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.errors import Exit, RalphError
from ralph.state.events import Event, Noted, Parked, RunStarted
from ralph.state.journal import BadLineError, decode, encode, open_for, read_journal

STARTED = RunStarted("r1", "ralph/PRD", "main", "abc", "PRD.md", "command", gates=("make test",))
EVENTS: tuple[Event, ...] = (STARTED, Noted("one \u2028 two\nthree\0", loud=True), Parked("T1", "é", "why"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three entries."""
    made, entries, said = open_for(tmp_path / "ralph/journal.jsonl", "r1")
    assert (entries, said) == ((), "")
    for event in EVENTS:
        made.write(event)
    made.close()
    return made.path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_what_was_written_is_read(path: Path) -> None:
    entries = list(read_journal(path))
    assert [entry.event for entry in entries] == list(EVENTS)
    assert [(entry.seq, entry.run) for entry in entries] == [(1, "r1"), (2, "r1"), (3, "r1")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_writing_goes_on_where_it_ended(path: Path) -> None:
    again, entries, said = open_for(path, "r2")
    assert (len(entries), said) == (3, "")
    assert again.write(Noted("later")).seq == 4
    again.close()
    assert [entry.run for entry in read_journal(path)] == ["r1", "r1", "r1", "r2"]


@pytest.mark.parametrize("left", [1, 20, -2, -1])
def test_a_torn_tail_never_happened(path: Path, left: int) -> None:
    """Cut anywhere, the newline alone included."""
    *whole, last = lines(path)
    path.write_bytes(b"".join([*whole, last[:left]]))
    assert len(list(read_journal(path))) == 2
    again, entries, said = open_for(path, "r2")
    assert ([entry.event for entry in entries], said) == (list(EVENTS[:2]), "")
    again.write(EVENTS[2])
    again.close()
    assert [entry.event for entry in read_journal(path)] == list(EVENTS)


def damaged(path: Path, how: str) -> list[bytes]:
    first, second, third = lines(path)
    return {
        "a byte": [first, second.replace(b"one", b"One"), third],
        "a line is gone": [first, third],
        "a line twice": [first, first, second, third],
        "no checksum": [first, b'{"v":1,"seq":2}\n', third],
        "nonsense": [first, b"\xff\xfe\n", third],
        "blank": [first, b"\n", second, third],
        "torn in the middle": [first, second[:30], third],
        "a table where a text was": [first, with_value(second, "text", {"id": "T1"}), third],
        "a list with a table": [with_value(first, "gates", [{"id": "T1"}]), second, third],
        "a number where a text was": [first, second, with_value(third, "task", 1)],
        "nested too deep": [first, with_checksum(b'{"v":1,"seq":2,"x":' + b"[" * 9000 + b"]" * 9000 + b"}"), third],
    }[how]


def with_value(line: bytes, name: str, value: object) -> bytes:
    """The entry with another value, and a checksum that fits."""
    body = {**json.loads(line), name: value}
    body.pop("crc")
    return with_checksum(json.dumps(body, separators=(",", ":")).encode())


def with_checksum(text: bytes) -> bytes:
    return text[:-1] + f',"crc":{zlib.crc32(text)}}}\n'.encode()


DAMAGE = (
    "a byte", "a line is gone", "a line twice", "no checksum", "nonsense", "blank", "torn in the middle",
    "a table where a text was", "a list with a table", "a number where a text was", "nested too deep",
)  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_in_the_middle_moves_it_aside(path: Path, how: str) -> None:
    broken = b"".join(damaged(path, how))
    path.write_bytes(broken)
    with pytest.raises(BadLineError):
        list(read_journal(path))
    again, entries, said = open_for(path, "r2")
    again.write(Noted("new"))
    again.close()
    assert entries == ()
    (aside,) = path.parent.glob("journal.bad-*.jsonl")
    assert aside.read_bytes() == broken
    assert aside.name in said
    assert [entry.seq for entry in read_journal(path)] == [1]


def signed(**body: Any) -> bytes:
    """A line with a checksum that is right."""
    import zlib

    text = json.dumps({"v": 1, "t": 1.0, "run": "r1", **body}, separators=(",", ":"))
    return f'{text[:-1]},"crc":{zlib.crc32(text.encode())}}}\n'.encode()


def test_events_and_fields_of_a_newer_version(path: Path) -> None:
    newer = signed(seq=4, event="dreamt", of="sheep") + signed(seq=5, event="noted", text="hm", mood="fine")
    path.write_bytes(path.read_bytes() + newer)
    assert [entry.event for entry in read_journal(path)][3:] == [None, Noted("hm")]
    again, entries, said = open_for(path, "r2")
    again.close()
    assert (len(entries), said) == (5, "")


def test_a_line_of_a_newer_format_is_refused_and_stays(path: Path) -> None:
    """Also where its checksum is made in another way."""
    for newer in (signed(seq=4, event="noted", text="hm", v=2), b'{"v":10,"seq":4,"sum":"x"}\n'):
        written = b"".join(lines(path)[:3]) + newer
        path.write_bytes(written)
        for reading in (lambda: list(read_journal(path)), lambda: open_for(path, "r2")):
            with pytest.raises(RalphError, match="written by a newer ralph") as error:
                reading()
            assert (error.value.code, error.value.where) == (Exit.REFUSED, str(path))
        assert path.read_bytes() == written
        assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_missing_field_of_an_older_version_takes_its_default(path: Path) -> None:
    line = signed(seq=4, event="run started", run_="", branch="b", home="h", base="c", prd="PRD.md", agent="x")
    assert isinstance(decode(line).event, RunStarted)


@given(st.text(), st.booleans())
def test_any_text_comes_back(text: str, loud: bool) -> None:
    from ralph.state.journal import Entry

    text = text.encode("utf-8", "replace").decode()
    line = encode(Entry(7, 1.5, "r", None), Noted(text, loud))
    assert line.count(b"\n") == 1
    assert decode(line) == Entry(7, 1.5, "r", Noted(text, loud))


def test_no_journal_is_empty(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "journal.jsonl")) == []


# ---------------------------------------------------------------- a full disk


@contextlib.contextmanager
def limited(size: int) -> Iterator[None]:
    """No file can grow beyond this size: the part that fits is written, then an error comes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_line_that_does_not_fit_was_never_written(path: Path, room: int) -> None:
    before = path.read_bytes()
    made, _, _ = open_for(path, "r1")
    with limited(len(before) + room), pytest.raises(RalphError, match="the journal can't be written") as error:
        made.write(EVENTS[0])
    assert error.value.code is Exit.STOPPED
    assert "Free some space" in str(error.value)
    assert path.read_bytes() == before
    assert made.write(EVENTS[0]).seq == 4
    made.close()
    assert len(list(read_journal(path))) == 4


FILL = """
import sys
from pathlib import Path
from ralph.errors import RalphError
from ralph.state.events import Noted
from ralph.state.journal import open_for, read_journal
journal, _, _ = open_for(Path(sys.argv[1]) / "journal.jsonl", "r")
try:
    while True:
        journal.write(Noted("x" * 777))
except RalphError as error:
    told = str(error)
whole = list(read_journal(journal.path))
assert len(whole) == journal.seq - 1 > 10, (len(whole), journal.seq)
assert journal.path.read_bytes().endswith(b"\\n")
print(told)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tiny disk")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k none "$1" || exit 77; exec "$2" -c "$3" "$1"'
    words = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, FILL]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount namespaces here")
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout or "No space left on device" in done.stdout
