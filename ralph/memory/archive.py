"""The archive beside the memory file: old log entries move there, so that the log stays short."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.memory.file import LOG, blocks
from ralph.prd.markdown.insert import BLANK, line_end

KEPT = 30  # entries of the log in the memory file: at most ...
LEAST = 5  # ... and at least, however large the file is
ENTRY = re.compile(rb"[-*+][ \t]")
HEADER = """\
# Older entries of the Completed Tasks Log

ralph moves them here from the memory file, and adds them at the end. No agent is told of them.

"""


def beside(path: str) -> str:
    """Return the archive's path: `docs/CLAUDE.archive.md` of `docs/CLAUDE.md`."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem}.archive.{ending}" if stem and dot else f"{path}.archive"


def compact(data: bytes, most: int, archive: bytes | None) -> tuple[bytes, bytes | None]:
    """Return the memory file with the newest 30 log entries, and the archive with the older ones appended.

    Keep fewer if the file is larger than `most` bytes, but at least 5. Nothing outside the log changes.
    """
    block = blocks(data).get(LOG)
    if block is None:
        return data, archive
    above, log, below = _parts(block[4])
    entries = _entries(log)
    stay = _newest(entries, most - len(data) + len(log))
    if stay == len(entries):
        return data, archive
    text = data[: block.start(4)] + above + b"".join(entries[:stay]) + below + data[block.end(4) :]
    return text, _added(archive, entries[stay:], line_end(data))


def _parts(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the empty lines above the entries, the entries, and the empty lines below them."""
    lines = body.splitlines(keepends=True)
    full = [n for n, line in enumerate(lines) if line.strip()]
    first, last = (full[0], full[-1] + 1) if full else (0, 0)
    return b"".join(lines[:first]), b"".join(lines[first:last]), b"".join(lines[last:])


def _entries(log: bytes) -> list[bytes]:
    """Return each bullet with the lines below it, newest first."""
    entries: list[bytes] = []
    for line in log.splitlines(keepends=True):
        if entries and not ENTRY.match(line):
            entries[-1] += line
        else:
            entries.append(line)
    return entries


def _newest(entries: Sequence[bytes], room: int) -> int:
    """Return how many entries fit into `room` bytes."""
    number = min(len(entries), KEPT)
    while number > LEAST and sum(map(len, entries[:number])) > room:
        number -= 1
    return number


def _added(archive: bytes | None, moved: Sequence[bytes], eol: bytes) -> bytes:
    """Return the archive with the moved entries appended, oldest first."""
    old = archive or HEADER.encode().replace(b"\n", eol)
    gap = b"" if old.endswith((b"\n", b"\r")) else line_end(old)
    last = re.split(rb"(?:\r?\n|\r)[ \t]*(?:\r?\n|\r)", old.rstrip())[-1].splitlines()
    if last and not any(map(ENTRY.match, last)) and not BLANK.search(old + gap):
        gap += line_end(old)  # the end of the archive is a person's text
    return old + gap + b"".join(reversed(moved))
