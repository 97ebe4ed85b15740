"""Lines that look like a task but are not, each explained by its block."""

from __future__ import annotations

import re
from bisect import bisect_right

from ralph.prd.markdown.blocks import Document
from ralph.prd.model import NearMiss

_LOOKS = re.compile(
    r"""^[ \t>|]*+
    (?P<marker>(?:(?:[-*+]|\d{1,9}[.)])[^\S\n]+)++|(?:[-*+]|\d{1,9}[.)])(?=\\?[\[［])|)
    (?P<before>[\\*_~`]{0,3})
    [\[［](?P<state>[^\S\n]*[xX]?[^\S\n]*|[^\w\s`\[\](){}])\\?[\]］]
    (?P<after>.?)""",
    re.VERBOSE | re.MULTILINE,
)
_PLAIN = re.compile(r"[ \t\w.)*+-]+")

_WHERE = {
    "quote": "it stands in a block quote",
    "fence": "it stands in a code block",
    "open fence": "it stands in a code block that is never closed",
    "code_block": "it is indented so far that it is code",
    "comment": "it stands in an HTML comment",
    "html_block": "it stands in an HTML block: an empty line above it would end that",
    "heading_open": "it is a heading",
    "table_open": "it stands in a table",
}


def near_misses(document: Document) -> tuple[NearMiss, ...]:
    """Return every line that a reader may take for a task although it is none, with the reason."""
    boxes = {item.text_first for item in document.items if item.boxed and not item.quoted}
    lines = "\n".join((*document.lines, ""))
    misses: list[NearMiss] = []
    blocks: _Blocks | None = None
    line = at = 0
    for match in _LOOKS.finditer(lines):
        line += lines.count("\n", at, match.start())
        at = match.start()
        if line in boxes:
            continue
        blocks = blocks or _Blocks(document)
        if why := _why(blocks.at(line), match, lines):
            misses.append(NearMiss(line + 1, document.lines[line].strip()[:200], why))
    return tuple(misses)


def _why(kind: str, match: re.Match[str], lines: str) -> str:
    if not kind or not _meant(match):
        return ""
    return _WHERE.get(kind) or _form(match, lines)


def _meant(match: re.Match[str]) -> bool:
    """Return whether this is meant as a box: not a link, a code span or a bracket in running text."""
    state, after = match["state"], match["after"]
    if after in ("(", "[", ":") or match["before"].startswith("`"):
        return False
    plain = state in (" ", "x", "X")
    if match["marker"]:
        return plain or not after.strip()
    return plain and after.isspace() and not match["before"]


def _form(match: re.Match[str], lines: str) -> str:
    marker, state, after = match["marker"], match["state"], match["after"]
    if not marker:
        return "it has no list marker: write `- [ ]`"
    if match["before"]:
        return "other markup stands before the bracket: write `- [ ]`"
    if not marker[-1:].isspace():
        return "a blank is missing between the marker and the box"
    if not _PLAIN.fullmatch(marker):
        return "another kind of blank stands before the box: use a plain one"
    if "［" in match[0] or state not in (" ", "\t", "x", "X"):
        return "its box is neither `[ ]` nor `[x]`"
    if not after.strip() and not lines[match.end() : lines.find("\n", match.end())].strip():
        return "there is no text behind the box"
    if after not in (" ", "\t"):
        return "there is no plain blank behind the box"
    return "it is part of the text above it: an empty line above would end that"


class _Blocks:
    """The leaf block of each line."""

    def __init__(self, document: Document) -> None:
        self.starts: list[int] = []
        self.blocks: list[tuple[int, str]] = []  # line after the last, kind
        quotes = 0
        for token in document.tokens:
            quotes += (token.type == "blockquote_open") - (token.type == "blockquote_close")
            kind = token.type
            if kind not in _LEAVES or not token.map:
                continue
            if kind == "html_block" and token.content.lstrip().startswith("<!--"):
                kind = "comment"
            if kind == "fence" and not _closed(document, token.map, token.markup):
                kind = "open fence"
            self.starts.append(token.map[0])
            self.blocks.append((token.map[1], "quote" if quotes else kind))

    def at(self, line: int) -> str:
        """Return the kind of the block at a line; "" outside of blocks (front matter, link definitions)."""
        n = bisect_right(self.starts, line) - 1
        return self.blocks[n][1] if n >= 0 and line < self.blocks[n][0] else ""


_LEAVES = frozenset(("paragraph_open", "fence", "code_block", "html_block", "heading_open", "table_open"))


def _closed(document: Document, lines: list[int], markup: str) -> bool:
    last = document.lines[lines[1] - 1].strip(" \t>")
    return lines[1] - lines[0] > 1 and last.startswith(markup) and not last.strip(markup[0])
