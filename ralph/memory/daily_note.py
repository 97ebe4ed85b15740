"""The daily note, `memory/2026-11-21.md`: a line for a run while it goes on, taken out again when it is over.

Everything else in it is people's and stays byte for byte. What was added is remembered (`Mine`), so that it can be
taken out of the file as it is then: where nobody wrote meanwhile it is what it was before, else only the line goes.
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
    """What ralph added to a note."""

    path: str
    line: str  # the whole line, without its end
    at: int  # where bytes were added ...
    size: int  # ... and how many
    digest: str  # of the file with them
    new: bool  # there was no file


def path(now: datetime) -> str:
    """The note of a day, in the repository."""
    return f"memory/{now:%Y-%m-%d}.md"


def entry(name: str, now: datetime, command: str) -> str:
    """What stands in it about a run."""
    return f"{formatted(name)}, since {now:%H:%M}. To start it again: {_code(command)}"


def _code(command: str) -> str:
    """A code span. Of a command with several lines or with backticks none can be made that formatters keep."""
    return "`ralph ls` shows how" if command.splitlines() != [command] or "`" in command else f"`{command}`"


def added(data: bytes | None, note: str, text: str) -> tuple[bytes, NoteEntry]:
    """The note with the entry under its heading, which is made where there is none; and what was added.

    RalphError where it can't be added without changing something else.
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
    """The line that ends with the entry; before it stands the mark of its list."""
    found = next(line for line in after.splitlines() if line.endswith(text.encode()))
    return found.decode(errors="surrogateescape")


def _made(note: str, text: str) -> bytes:
    day = note.rpartition("/")[2].removesuffix(".md")
    return f"# {day}\n\n## {TITLE}\n\n- {text}\n".encode()


def _with_entry(before: bytes, text: str) -> bytes:
    there = [
        heading for heading in headings_or_none(before) if heading.title.strip().casefold() == TITLE.casefold()
    ]
    return markdown.append_under(before, TITLE, text) if there else _with_section(before, text)


def _with_section(before: bytes, text: str) -> bytes:
    """The heading is new: at the end or, where a fence is open there, above the last heading."""
    eol = line_end(before)
    known = [heading.title for heading in headings_or_none(before)]
    for at in ends(before):
        with_heading = insert(before, at, [f"## {TITLE}".encode()], eol)
        titles = [heading.title for heading in headings_or_none(with_heading)]
        if titles.count(TITLE) == 1 and [title for title in titles if title != TITLE] == known:
            return markdown.append_under(with_heading, TITLE, text)
    raise RalphError("no place for the heading was found: a code fence or a comment is not closed", "")


def taken_out(data: bytes | None, mine: NoteEntry) -> bytes | None:
    """The note without what ralph added. None: there is none, as before."""
    if data is None:
        return None
    if sha256(data).hexdigest() == mine.digest:
        return None if mine.new else data[: mine.at] + data[mine.at + mine.size :]
    lines = data.splitlines(keepends=True)
    own = mine.line.encode(errors="surrogateescape")
    where = next((n for n, line in enumerate(lines) if line.rstrip(b"\r\n") == own), None)
    if where is None:
        return data  # somebody took it out, or made it theirs
    if where and not (lines[where - 1] + b"".join(lines[where + 1 : where + 2])).strip():
        where -= 1  # of two empty lines one goes
        del lines[where]
    return b"".join(lines[:where] + lines[where + 1 :])
