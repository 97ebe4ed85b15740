"""The only code that edits people's Markdown: each edit is a byte splice, and proved.

Ticking needs no proof: a space or an `x` inside a recognised box changes no block. After every other edit the
document is parsed again, and the edit is refused if any other block or box differs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ralph.errors import RalphError
from ralph.prd.markdown.blank_lines import alone, first_bullet, last_bullet, separated, spaced
from ralph.prd.markdown.blocks import EOL, Document, Heading, Item, read_document
from ralph.prd.markdown.blocks import headings as all_headings

if TYPE_CHECKING:
    from markdown_it.token import Token


def headings(data: bytes) -> tuple[Heading, ...]:
    """Return the top-level headings of a document, in order."""
    return all_headings(read_document(data))


def set_boxes(data: bytes, offsets: Iterable[int], *, done: bool) -> bytes:
    """Return the data with the boxes at these offsets ticked or empty: one byte each changes, and no block."""
    changed = bytearray(data)
    for offset in offsets:
        changed[offset] = ord("x" if done else " ")
    return bytes(changed)


def one_line(text: str, limit: int = 200) -> str:
    """Return the text as one safe line: no control characters, whitespace collapsed, cut at `limit` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def add_line(before: Document, offset: int, text: str) -> Document:
    """Insert `- text` as a nested bullet right below the item with this box. Raise RalphError if unprovable."""
    item = item_at(before, offset)
    prefix, marker = _inside(before, item)
    line = prefix + marker + b" " + text.encode()
    child = first_bullet(before, item)
    kept = (child.first, False, spaced(before, child)) if child else (item.text_end, spaced(before, item), False)
    tries = (kept, (item.text_end, False, False), (item.end, False, False), (item.end, True, False))
    return _first_proved(before, [(at, line, above, below) for at, above, below in tries], text, item)


def remove_item(before: Document, gone: Item) -> Document:
    """Remove a list item of one paragraph and the empty lines around it. Raise RalphError if it holds more."""
    data = before.data
    first, last = alone(before, gone)
    start, end = before.starts[first], before.starts[last]
    if end == len(data) and not data.endswith((b"\n", b"\r")):  # the last line has no end: remove the one above
        start -= len(_eol(before, first))
    after = read_document(data[:start] + data[end:])
    if not _proved(after, before, start, end - start, gone.text):
        raise _unprovable(f"line {gone.first + 1}", "can't be taken away", "Remove it by hand")
    return after


def add_items(document: Document, offset: int, lines: Sequence[str]) -> Document:
    """Insert list items at the end of the item with this box. Nested lines are indented by two spaces.

    Raise RalphError if another block would change. The caller proves what the new items are.
    """
    item = item_at(document, offset)
    indent, marker = _inside(document, item)
    at, eol = item.end, _eol(document, item.end)
    own = [marker + line.encode()[1:] if line.startswith("- ") else line.encode() for line in lines]
    last = last_bullet(document, item)
    if last and spaced(document, last):
        own = [b"", *separated(own)]
    elif not last and spaced(document, item):
        own = [b"", *own]
    new = b"".join((indent + line if line else b"") + eol for line in own)
    start = document.starts[at]
    if start == len(document.data) and not document.data.endswith((b"\n", b"\r")):
        new = eol + new.removesuffix(eol)
    after = read_document(document.data[:start] + new + document.data[start:])
    if not _only_added(document, after, start, len(new), sum(line.startswith("- [ ] ") for line in lines)):
        raise _unprovable(f"line {item.text_first + 1}", "can't get tasks below it", "Add them by hand")
    return after


def _only_added(small: Document, large: Document, at: int, size: int, boxes: int) -> bool:
    """Return whether `large` is `small` plus one range of blocks, `boxes` of them with a box."""
    less, more = [_shape(token) for token in small.tokens], [_shape(token) for token in large.tokens]
    same = next((n for n, (entry, other) in enumerate(zip(less, more, strict=False)) if entry != other), len(less))
    if less[same:] != more[same + len(more) - len(less) :] or small.references != large.references:
        return False
    moved = {(offset + size * (offset >= at), done) for offset, done in _boxes(small)}
    found = _boxes(large)
    new = [box for box in found if box not in moved]
    return moved <= set(found) and len(new) == boxes and not any(done for _, done in new)


def append_under(data: bytes, title: str, entry: str) -> bytes:
    """Append the bullet `- entry` to the text directly under the heading `title` (any case).

    It continues a list at the end, with that list's marker. Raise RalphError if there is not exactly one such
    top-level heading, or if the entry would not become a list item (an open fence above).
    """
    before = read_document(data)
    first, end = _section(before, title)
    entry = entry.removeprefix("- ").strip()
    while end > first and not before.lines[end - 1].strip():
        end -= 1
    last = [token for token in before.tokens if token.level == 0 and token.map and first <= token.map[0] < end]
    joins = bool(last) and last[-1].type == "bullet_list_open"
    prefix = _marker(before, last[-1]) if joins else b"- "
    line = prefix + entry.encode()
    items = [item for item in before.items if item.parent is None and first <= item.first < end] if joins else []
    above = not items or spaced(before, items[-1])
    return _first_proved(before, [(end, line, above, False), (end, line, True, False)], entry, title).data


def replace_between(data: bytes, start_marker: str, end_marker: str, text: str) -> bytes:
    """Replace the lines between two marker lines (one-line HTML comments at the top level) by `text`.

    `text` takes the file's line ends. Raise RalphError if a marker is missing or not unique, or if the text would
    run past the markers (an open fence in it).
    """
    before = read_document(data)
    first, last = (_marker_line(before, marker) for marker in (start_marker, end_marker))
    if last <= first:
        raise RalphError(f"“{end_marker}” stands above “{start_marker}”", "Put the two lines in order.")
    start, end = before.starts[first + 1], before.starts[last]
    body = text.strip("\n")
    new = _eol(before, first + 1).join(line.encode() for line in [*body.split("\n"), ""]) if body else b""
    after = data[:start] + new + data[end:]
    again = read_document(after)
    around = _around(again, first, last + len(again.starts) - len(before.starts))
    if around is None or around != _around(before, first, last):
        raise _unprovable(f"“{start_marker}”", "can't be filled", "Close the fences and comments in the text")
    return after


_Try = tuple[int, bytes, bool, bool]  # insert before this line, the new line, an empty line above it, one below it


def _first_proved(before: Document, tries: list[_Try], text: str, under: Item | str) -> Document:
    for at, line, above, below in tries:
        data, start, size = _with_line(before, at, line, above=above, below=below)
        after = read_document(data)
        if _proved(before, after, start, size, text) and (isinstance(under, str) or _holds(after, under, text)):
            return after
    where = f"“{under}”" if isinstance(under, str) else f"line {under.text_first + 1}"
    raise _unprovable(where, "can't be added to", "Close the code fence, comment or HTML block there")


def _holds(document: Document, item: Item, text: str) -> bool:
    return any(child.text == text for child in item_at(document, item.offset).items)


def _unprovable(where: str, what: str, cure: str) -> RalphError:
    return RalphError(f"{where} {what} without changing something else of the document", f"{cure}, and try again.")


def _with_line(document: Document, at: int, line: bytes, *, above: bool, below: bool) -> tuple[bytes, int, int]:
    """Return the data with a line before line `at` and empty lines above and below, and the insertion's offset and
    size."""
    data, start, eol = document.data, document.starts[at], _eol(document, at)
    if start == len(data) and not data.endswith((b"\n", b"\r")):
        new = eol * (1 + above) + line
    else:
        new = eol * above + line + eol * (1 + below)
    return data[:start] + new + data[start:], start, len(new)


def _eol(document: Document, at: int) -> bytes:
    """Return the line end before line `at`; for the first line, or without one, the document's first line end."""
    above = document.data[: document.starts[at]]
    match = re.search(rb"(?:\r\n|\r|\n)\Z", above[-2:]) or EOL.search(document.data)
    return match[0] if match else b"\n"


def item_at(document: Document, offset: int) -> Item:
    """Return the item whose box has its inner byte at this offset."""
    return next(item for item in document.items if item.offset == offset)


def _inside(document: Document, item: Item) -> tuple[bytes, bytes]:
    """Return the prefix of a bullet inside an item: as its first child, or at the column of its text."""
    for child in item.items:
        if child.first >= item.text_end:
            line = document.data[document.starts[child.first] : document.starts[child.first + 1]]
            prefix = re.match(rb"[ \t]*", line)
            indent = prefix[0] if prefix else b""
            mark = line[len(indent) : len(indent) + 1]
            return indent, mark if mark in (b"-", b"*", b"+") else b"-"
    before_box = document.data[document.starts[item.text_first] : item.offset - 1]
    column = len(before_box.expandtabs(4))
    return (b"\t" * (column // 4) + b" " * (column % 4) if b"\t" in before_box else b" " * column), b"-"


def _section(document: Document, title: str) -> tuple[int, int]:
    """Return the range of lines directly under a heading, up to the next heading of any level."""
    headings_ = all_headings(document)
    found = [n for n, heading in enumerate(headings_) if heading.title.strip().casefold() == title.casefold()]
    if len(found) != 1:
        lines = ", ".join(str(headings_[n].line) for n in found)
        problem = f"there are {len(found)} headings “{title}” (lines {lines})" if found else f"no heading “{title}”"
        raise RalphError(problem, "There must be one, at the top level of the document.")
    at = found[0]
    end = headings_[at + 1].start if at + 1 < len(headings_) else len(document.data)
    return bisect_right(document.starts, headings_[at].body) - 1, bisect_right(document.starts, end) - 1


def _marker(document: Document, opening: Token) -> bytes:
    first = opening.map[0] if opening.map else 0
    match = re.match(rb" {0,3}[-*+]", document.data[document.starts[first] :][:4])
    return (match[0] if match else b"-") + b" "


def _marker_line(document: Document, marker: str) -> int:
    numbers = [
        token.map[0]
        for token in document.tokens
        if token.type == "html_block" and token.level == 0 and token.map and token.content.strip() == marker
    ]
    if len(numbers) != 1:
        problem = "is missing" if not numbers else f"stands there {len(numbers)} times"
        raise RalphError(f"the line “{marker}” {problem}", "It must stand there once, as a line of its own.")
    return numbers[0]


# ---------------------------------------------------------------- proving

_ADDED = frozenset(
    {"inline"}
    | {f"{block}_{end}" for block in ("bullet_list", "list_item", "paragraph") for end in ("open", "close")}
)
_SIZES = (5, 7)  # tokens of an item that joins a list, and of an item in a new list


def _proved(small: Document, large: Document, at: int, size: int, text: str) -> bool:
    """Return whether `large` is `small` plus `size` bytes at `at` and one list item, `text`. Every other block and
    box is the same."""
    less, more = [_shape(token) for token in small.tokens], [_shape(token) for token in large.tokens]
    same = next((n for n, (entry, other) in enumerate(zip(less, more, strict=False)) if entry != other), len(less))
    extra = len(more) - len(less)
    if extra not in _SIZES or less[same:] != more[same + extra :] or small.references != large.references:
        return False
    added = large.tokens[same : same + extra]
    one_item = [token.content for token in added if token.type == "inline"] == [text]
    one_item = one_item and all(token.type in _ADDED for token in added)
    moved = [(offset + size * (offset >= at), done) for offset, done in _boxes(small)]
    return one_item and moved == _boxes(large)


def _shape(token: Token) -> tuple[object, ...]:
    attrs = tuple(token.attrs.items())
    return (token.type, token.tag, token.level, token.markup, token.info, token.content, attrs)


def _boxes(document: Document) -> list[tuple[int, bool]]:
    return [(item.offset, item.done) for item in document.items if item.boxed]


_Chunk = tuple[int, int, list[tuple[object, ...]]]  # first line, line after the last, shapes


def _around(document: Document, first: int, last: int) -> tuple[list[_Chunk], list[_Chunk]] | None:
    """Return the top-level blocks up to line `first` and from line `last` on, the latter relative to `last`; None
    if another block spans these lines."""
    chunks: list[_Chunk] = []
    for token in document.tokens:
        if token.level == 0 and token.map:
            chunks.append((token.map[0], token.map[1], []))
        chunks[-1][2].append(_shape(token))
    above = [chunk for chunk in chunks if chunk[0] <= first]
    below = [(start - last, end - last, shapes) for start, end, shapes in chunks if start >= last]
    between = chunks[len(above) : len(chunks) - len(below)]
    is_separate = all(end <= first + 1 for _, end, _ in above) and all(end <= last for _, end, _ in between)
    return (above, below) if is_separate else None
