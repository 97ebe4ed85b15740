"""Text added to a memory file: a plain line or a section, with the empty lines around it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.errors import RalphError
from ralph.prd.markdown import edit as markdown
from ralph.prd.markdown.blocks import BOM, Heading
from ralph.prd.markdown.formatted import formatted
from ralph.text import clean, one_line

BLANK = re.compile(rb"(?:\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r)\Z")  # a blank line at the end


def bullet(text: str) -> bytes:
    """Return one line of Markdown that is a list item of plain text, whatever the text."""
    return f"- {harmless(one_line(clean(text)))}".encode()


def harmless(line: str) -> str:
    """Return the line as text that begins no block or comment, in the form that formatters keep."""
    return formatted(line.replace("<!--", "&lt;!--"))


def ends(data: bytes) -> tuple[int, ...]:
    """Return the offsets for a new section: the end or, if a fence is open there, above the last heading."""
    return (len(data), *(heading.start for heading in headings_or_none(data)[-1:]))


def line_end(data: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in data else b"\n"


def headings_or_none(data: bytes) -> tuple[Heading, ...]:
    try:
        return markdown.headings(data)
    except RalphError:
        return ()


def insert(data: bytes, at: int, lines: Sequence[bytes], eol: bytes) -> bytes:
    """Insert the lines, with an empty line above and below if missing."""
    above, below = data[:at].removeprefix(BOM), data[at:]
    if above and not above.endswith((b"\n", b"\r")):
        lines = [b"", *lines]
    if above and not BLANK.search(above):
        lines = [b"", *lines]
    if below and not re.match(rb"[ \t]*[\r\n]", below):
        lines = [*lines, b""]
    return data[:at] + b"".join(line + eol for line in lines) + below
