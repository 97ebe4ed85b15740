"""The daily note, `memory/2026-11-21.md`: one line for a run, present only while the run lasts.

The rest of the note belongs to the user and stays byte for byte. `NoteEntry` records the added bytes: removing them
restores an otherwise unchanged note; in an edited note only the line is removed.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from ralph.errors import RalphError
from ralph.immutable import immutable
from ralph.prd.markdown import edit as markdown
from ralph.prd.markdown.formatted import formatted
from ralph.prd.markdown.insert import ends, headings_or_none, insert, line_end

TITLE = "Active Long-Running Processes"
MOST = 500_000  # bytes of a note that ralph still writes into


@immutable
class NoteEntry:
    """An entry that ralph added to a note."""

    path: str
    line: str  # the whole line, without its end
    at: int  # offset of the added bytes ...
    size: int  # ... and their number
    digest: str  # of the note with the entry
    new: bool  # the note did not exist


def path(now: datetime) -> str:
    """Return the path of a day's note, relative to the repository."""
    return f"memory/{now:%Y-%m-%d}.md"


def entry(name: str, now: datetime, command: str) -> str:
    """Return the text of the entry about a run."""
    return f"{formatted(name)}, since {now:%H:%M}. To start it again: {_code(command)}"


def _code(command: str) -> str:
    """Return a code span of the command, or of `ralph ls` if formatters would change it (lines, backticks)."""
    return "`ralph ls` shows how" if command.splitlines() != [command] or "`" in command else f"`{command}`"


def added(data: bytes | None, note: str, text: str) -> tuple[bytes, NoteEntry]:
    """Return the note with the entry under its heading, which is added if missing, and the record of the change.

    Raise RalphError if the entry can't be added without another change.
    """
    before = data or b""
    if len(before) > MOST:
        raise RalphError(f"it is larger than {MOST // 1000} kB", "")
    after = _made(note, text) if data is None else _with_entry(before, text)
    at = next(
        (n for n, (number, other) in enumerate(zip(before, after, strict=False)) if number != other), len(before)
    )
    size = len(after) - len(before)
    return after, NoteEntry(note, _line(after, text), at, size, sha256(after).hexdigest(), data is None)


def _line(after: bytes, text: str) -> str:
    """Return the line that ends with the entry, with the marker of its list."""
    last = next(line for line in after.splitlines() if line.endswith(text.encode()))
    return last.decode(errors="surrogateescape")


def _made(note: str, text: str) -> bytes:
    day = note.rpartition("/")[2].removesuffix(".md")
    return f"# {day}\n\n## {TITLE}\n\n- {text}\n".encode()


def _with_entry(before: bytes, text: str) -> bytes:
    headings = [
        heading for heading in headings_or_none(before) if heading.title.strip().casefold() == TITLE.casefold()
    ]
    return markdown.append_under(before, TITLE, text) if headings else _with_section(before, text)


def _with_section(before: bytes, text: str) -> bytes:
    """Return the note with a new heading: at the end or, if a fence is open there, above the last heading."""
    eol = line_end(before)
    known = [heading.title for heading in headings_or_none(before)]
    for at in ends(before):
        with_heading = insert(before, at, [f"## {TITLE}".encode()], eol)
        titles = [heading.title for heading in headings_or_none(with_heading)]
        if titles.count(TITLE) == 1 and [title for title in titles if title != TITLE] == known:
            return markdown.append_under(with_heading, TITLE, text)
    raise RalphError("no place for the heading was found: a code fence or a comment is not closed", "")


def taken_out(data: bytes | None, added_entry: NoteEntry) -> bytes | None:
    """Return the note without ralph's entry; None if the note did not exist before."""
    if data is None:
        return None
    if sha256(data).hexdigest() == added_entry.digest:
        return None if added_entry.new else data[: added_entry.at] + data[added_entry.at + added_entry.size :]
    lines = data.splitlines(keepends=True)
    own = added_entry.line.encode(errors="surrogateescape")
    where = next((n for n, line in enumerate(lines) if line.rstrip(b"\r\n") == own), None)
    if where is None:
        return data  # the user removed or edited the line
    if where and not (lines[where - 1] + b"".join(lines[where + 1 : where + 2])).strip():
        where -= 1  # of two empty lines remove one
        del lines[where]
    return b"".join(lines[:where] + lines[where + 1 :])
