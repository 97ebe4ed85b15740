"""The empty lines that formatters put into lists, so that a formatted document stays formatted after an edit.

In a loose list an empty line separates all items, and the blocks of each item; a tight list has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ralph.prd.markdown.blocks import Document, Item


def spaced(document: Document, item: Item) -> bool:
    """Return whether empty lines separate the blocks of this item, and this item from the next."""
    above, below = _neighbours(document, item)
    if below:
        return below.first > item.end
    if above and item.first > above.end:
        return True
    return item.text_end < item.end and _blank(document, item.text_end)


def _neighbours(document: Document, item: Item) -> tuple[Item | None, Item | None]:
    """Return the items above and below it in the same list."""
    items = (
        item.parent.items
        if item.parent
        else [other_item for other_item in document.items if other_item.parent is None]
    )
    at = next(n for n, other_item in enumerate(items) if other_item is item)
    above, below = items[at - 1] if at else None, items[at + 1] if at + 1 < len(items) else None
    return (
        above if above and _adjoin(document, above, item) else None,
        below if below and _adjoin(document, item, below) else None,
    )


def _adjoin(document: Document, item: Item, other: Item) -> bool:
    same = _marker(document, item) == _marker(document, other)
    return same and all(_blank(document, line) for line in range(item.end, other.first))


def _marker(document: Document, item: Item) -> str:
    """Return the marker character of an item: `-` of a bullet, `.` of `1.`"""
    return document.lines[item.first].lstrip(" \t>0123456789")[:1]


def _blank(document: Document, line: int) -> bool:
    return line < len(document.lines) and not document.lines[line].strip(" \t>")


def first_bullet(document: Document, item: Item) -> Item | None:
    """Return the first item of a bullet list right below the text of this item; None if there is none."""
    child = next((other_item for other_item in item.items if other_item.first >= item.text_end), None)
    below = child is not None and all(_blank(document, line) for line in range(item.text_end, child.first))
    return child if child and below and _marker(document, child) in "-*+" else None


def last_bullet(document: Document, item: Item) -> Item | None:
    """Return the last item of a bullet list that ends this item; None if there is none."""
    child = item.items[-1] if item.items else None
    return child if child and child.end == item.end and _marker(document, child) in "-*+" else None


def alone(document: Document, item: Item) -> tuple[int, int]:
    """Return the range of lines to delete with an item: its own, and the empty lines around it."""
    first = item.first
    above, below = _neighbours(document, item)
    if below and (above is None or _blank(document, first - 1)):
        return first, below.first
    if item.end >= len(document.lines) or _blank(document, item.end):
        while first and _blank(document, first - 1):
            first -= 1
    return first, item.end


def separated(lines: Sequence[bytes]) -> list[bytes]:
    """Return new items for a loose list: an empty line before each item and before each nested list."""
    result: list[bytes] = []
    for number, line in enumerate(lines):
        nested = line.startswith(b" ")
        if number and not (nested and lines[number - 1].startswith(b" ")):
            result.append(b"")
        result.append(line)
    return result
