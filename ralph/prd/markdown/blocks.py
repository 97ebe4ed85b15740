"""A Markdown document as bytes and lines: its blocks, list items and boxes, each with its exact position.

Only the block phase of markdown-it runs. The inline phase is not needed, and it took quadratic time on some inputs.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ralph.errors import RalphError
from ralph.immutable import immutable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST_BYTES = 5_000_000  # about 3 s of parsing and 170 MB of memory
MOST_NESTING = 400  # in blocks; a list in a list counts two. Beyond it markdown-it drops text silently
BOM = b"\xef\xbb\xbf"

EOL = re.compile(rb"\r\n|\r|\n")
_BOX = re.compile(rb"[ \t>*+\-0-9.)]*\[([ \txX])\]")  # only indentation and markers may precede a box
_DASHES = re.compile(r"-{3,}")


@dataclass(slots=True, eq=False)
class Item:
    """A list item. Lines are 0-based, ends exclusive. Not changed once the document is read."""

    first: int  # the line of its marker
    end: int  # after its last line that is not blank
    text: str  # source of its first paragraph without the box; "" if it begins with another block
    text_first: int  # the lines of that paragraph
    text_end: int
    offset: int = -1  # of the byte inside its box; -1: no box
    done: bool = False
    quoted: bool = False  # it is in a block quote
    label: str = ""  # source of the line right above its list; "" if that begins with a box
    headings: tuple[str, ...] = ()  # the headings above it, outermost first
    parent: Item | None = None
    items: list[Item] = field(default_factory=list)
    code: list[str] = field(default_factory=list)  # contents of the fences directly in it

    @property
    def boxed(self) -> bool:
        return self.offset >= 0


@immutable
class Heading:
    """A top-level heading. Offsets are in bytes of the document, a byte order mark included."""

    title: str  # source of its text, without the #
    level: int
    line: int  # 1-based
    start: int  # offset of the heading
    body: int  # offset of the line below it
    end: int  # offset of the section's end: the next heading of this level or above, or the end of the document


@immutable
class Document:
    """A parsed document: its bytes, its lines, its blocks, its list items in document order."""

    data: bytes
    starts: tuple[int, ...]  # offset of each line, then the length of the data
    lines: tuple[str, ...]  # without line ends; bytes that are not UTF-8 become U+FFFD
    tokens: tuple[Token, ...]
    references: tuple[str, ...]
    items: tuple[Item, ...]


# ---------------------------------------------------------------- reading


def read_document(data: bytes) -> Document:
    """Parse a document from any bytes. Raise RalphError if it is too large or nested too deep."""
    if len(data) > MOST_BYTES:
        raise RalphError(
            f"the document has {len(data) / 1e6:.1f} MB; ralph reads up to {MOST_BYTES / 1e6:.0f} MB",
            "Split it into several files, or move what is done into an archive.",
        )
    body = len(BOM) if data.startswith(BOM) else 0
    text = data[body:].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    starts = _starts(data, body)
    lines = tuple(text.split("\n")[: len(starts) - 1])
    with uncollected():
        tokens, references = _blocks(lines)
        return Document(data, starts, lines, tokens, references, _Reader(data, starts, lines, tokens).items())


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable garbage collection: it traversed all tokens repeatedly, 40 % of the time of a big document."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _starts(data: bytes, body: int) -> tuple[int, ...]:
    starts = [body, *(match.end() for match in EOL.finditer(data))]
    if starts[-1] != len(data):
        starts.append(len(data))
    return tuple(starts)


def _blocks(lines: tuple[str, ...]) -> tuple[tuple[Token, ...], tuple[str, ...]]:
    matter = front_matter(lines)
    env: dict[str, dict[str, dict[str, object]]] = {}
    try:
        tokens = _parser().parse("\n".join(("",) * matter + lines[matter:]) + "\n", env)
    except RecursionError:
        raise _too_deep() from None
    if max((token.level for token in tokens), default=0) >= MOST_NESTING - 1:
        raise _too_deep()
    references = env.get("references", {})
    return tuple(tokens), tuple(f"{label} {it['href']} {it['title']}" for label, it in references.items())


def _too_deep() -> RalphError:
    return RalphError(
        f"lists or quotes are nested deeper than {MOST_NESTING // 2 - 1} levels",
        "Indent it less: below that depth ralph can't tell boxes from text.",
    )


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 25 ms

    parser = MarkdownIt("commonmark", {"maxNesting": MOST_NESTING}).enable("table")
    parser.core.ruler.enableOnly(["block"])  # read() does the work of `normalize`
    return parser


def front_matter(lines: tuple[str, ...]) -> int:
    """Return the number of lines of YAML front matter. Equal to mdit-py-plugins, whose import costs 40 ms."""
    dashes = _DASHES.match(lines[0]) if lines else None
    if not dashes:
        return 0
    closing = re.compile(rf"\.\.\.[ \t]*| {{0,3}}{dashes[0]}-*[ \t]*")
    return next((n + 1 for n, line in enumerate(lines) if n and closing.fullmatch(line)), 0)


class _Reader:
    """Turns block tokens into list items, in one pass and without recursion."""

    def __init__(self, data: bytes, starts: tuple[int, ...], lines: tuple[str, ...], tokens: tuple[Token, ...]):
        self.data, self.starts, self.lines, self.tokens = data, starts, lines, tokens
        self.found: list[Item] = []
        self.open: list[Item] = []
        self.labels: list[str] = []
        self.quotes = 0
        self.places: list[_Place] = [_Place(())]

    def items(self) -> tuple[Item, ...]:
        at: dict[str, Callable[[int], None]] = {
            "list_item_open": self._enter_item,
            "list_item_close": self._leave_item,
            "bullet_list_open": self._enter_list,
            "ordered_list_open": self._enter_list,
            "bullet_list_close": self._leave_list,
            "ordered_list_close": self._leave_list,
            "blockquote_open": self._enter_quote,
            "blockquote_close": self._leave_quote,
            "heading_open": self._heading,
            "fence": self._fence,
        }
        for index, token in enumerate(self.tokens):
            if read_token := at.get(token.type):
                read_token(index)
        return tuple(self.found)

    def _enter_list(self, index: int) -> None:
        above = self.tokens[index - 1].type if index else ""
        line = self.tokens[index - 2].content.rpartition("\n")[2] if above == "paragraph_close" else ""
        self.labels.append("" if line.startswith("[") else line)

    def _leave_list(self, _: int) -> None:
        self.labels.pop()

    def _enter_quote(self, _: int) -> None:
        self.quotes += 1
        self.places.append(_Place(self.places[-1].titles))

    def _leave_quote(self, _: int) -> None:
        self.quotes -= 1
        self.places.pop()

    def _heading(self, index: int) -> None:
        self.places[-1].enter(int(self.tokens[index].tag[1:]), self.tokens[index + 1].content)

    def _fence(self, index: int) -> None:
        if self.open:
            self.open[-1].code.append(self.tokens[index].content)

    def _leave_item(self, _: int) -> None:
        self.open.pop()
        self.places.pop()

    def _enter_item(self, index: int) -> None:
        first, end = self.tokens[index].map or (0, 0)
        while end > first + 1 and not self.lines[end - 1].strip():
            end -= 1
        above = self.open[-1] if self.open else None
        titles = self.places[-1].titles
        item = Item(first, end, "", first, first, -1, False, self.quotes > 0, self.labels[-1], titles, above)
        if self.tokens[index + 1].type == "paragraph_open":
            self._text(item, self.tokens[index + 2])
        if above:
            above.items.append(item)
        self.found.append(item)
        self.open.append(item)
        self.places.append(_Place(titles))

    def _text(self, item: Item, inline: Token) -> None:
        item.text = text = inline.content
        item.text_first, item.text_end = inline.map or (0, 0)
        if text[:1] != "[" or text[2:3] != "]" or text[1] not in " \txX" or text[3:4] not in (" ", "\t", "\n"):
            return
        box = _BOX.match(self.data, self.starts[item.text_first])
        if box and text[4:].strip():
            item.text, item.offset, item.done = text[4:].strip(), box.start(1), box[1] in b"xX"


class _Place:
    """The headings above a position, counted separately inside each list item and quote."""

    __slots__ = ("around", "stack", "titles")

    def __init__(self, around: tuple[str, ...]) -> None:
        self.around = self.titles = around
        self.stack: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self.stack = [(above, name) for above, name in self.stack if above < level] + [(level, title)]
        self.titles = self.around + tuple(name for _, name in self.stack)


def headings(document: Document) -> tuple[Heading, ...]:
    """Return the top-level headings of a document, in order."""
    found = [
        (token, inline.content)
        for token, inline in pairwise(document.tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    starts = document.starts
    result: list[Heading] = []
    until: dict[int, int] = {}  # level -> offset of the nearest later heading of that level
    for token, title in reversed(found):
        first, after = token.map or (0, 0)
        level = int(token.tag[1:])
        end = min((at for other, at in until.items() if other <= level), default=len(document.data))
        result.append(Heading(title, level, first + 1, starts[first], starts[after], end))
        until[level] = starts[first]
    return tuple(reversed(result))
