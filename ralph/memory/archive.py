"""A log that stays short: its old entries move from the memory file to an archive beside it, and none is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.memory.file import LOG, blocks
from ralph.prd.markdown.insert import BLANK, line_end

KEPT = 30  # entries of the log that the memory file shows at most ...
LEAST = 5  # ... and at least, however large the file is
ENTRY = re.compile(rb"[-*+][ \t]")
HEADER = """\
# Older entries of the Completed Tasks Log

ralph moves them here from the memory file, and adds them at the end. No agent is told of them.

"""


def beside(path: str) -> str:
    """The archive's path: `docs/CLAUDE.archive.md` of `docs/CLAUDE.md`."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem}.archive.{ending}" if stem and dot else f"{path}.archive"


def compact(data: bytes, most: int, archive: bytes | None) -> tuple[bytes, bytes | None]:
    """The memory file with the newest 30 entries of its log, and the archive with the others added at its end.

    Fewer stay where the file is larger than `most` bytes, but never less than 5. Nothing outside the log changes.
    """
    block = blocks(data).get(LOG)
    if block is None:
        return data, archive
    above, log, below = _parts(block[4])
    entries = _entries(log)
    stay = _newest(entries, most - len(data) + len(log))
    if stay == len(entries):
        return data, archive
    kept = data[: block.start(4)] + above + b"".join(entries[:stay]) + below + data[block.end(4) :]
    return kept, _added(archive, entries[stay:], line_end(data))


def _parts(body: bytes) -> tuple[bytes, bytes, bytes]:
    """The empty lines above the entries, the entries, and the empty lines below them."""
    lines = body.splitlines(keepends=True)
    full = [n for n, line in enumerate(lines) if line.strip()]
    first, last = (full[0], full[-1] + 1) if full else (0, 0)
    return b"".join(lines[:first]), b"".join(lines[first:last]), b"".join(lines[last:])


def _entries(log: bytes) -> list[bytes]:
    """Each bullet with the lines below it; the newest first."""
    entries: list[bytes] = []
    for line in log.splitlines(keepends=True):
        if entries and not ENTRY.match(line):
            entries[-1] += line
        else:
            entries.append(line)
    return entries


def _newest(entries: Sequence[bytes], room: int) -> int:
    """How many fit into so many bytes."""
    number = min(len(entries), KEPT)
    while number > LEAST and sum(map(len, entries[:number])) > room:
        number -= 1
    return number


def _added(archive: bytes | None, moved: Sequence[bytes], eol: bytes) -> bytes:
    """The oldest first, so that the archive only ever grows at its end."""
    old = archive or HEADER.encode().replace(b"\n", eol)
    gap = b"" if old.endswith((b"\n", b"\r")) else line_end(old)
    last = re.split(rb"(?:\r?\n|\r)[ \t]*(?:\r?\n|\r)", old.rstrip())[-1].splitlines()
    if last and not any(map(ENTRY.match, last)) and not BLANK.search(old + gap):
        gap += line_end(old)  # text that people wrote stands there
    return old + gap + b"".join(reversed(moved))
