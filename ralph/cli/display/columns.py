"""Rows for a terminal: stretches of text with a style, measured and cut by columns; wide characters take two."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from ralph.cli.display.lines import LABEL
from ralph.immutable import immutable


@immutable
class Cell:
    """A stretch of text in one style: "", dim, bold, green, yellow, red."""

    text: str
    style: str = ""


Row = tuple[Cell, ...]


def cut(text: str, width: int) -> str:
    """At most so many columns of it, an ellipsis where it was cut; wide characters count as two."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def wide(row: Row) -> int:
    """The columns that a row takes."""
    return sum(cell_len(part.text) for part in row)


def plain_row(row: Row) -> str:
    """A row without its styles."""
    return "".join(part.text for part in row)


def label_cell(text: str = "", style: str = "dim") -> Cell:
    """The first columns of a row, as in the lines above."""
    return Cell(f"{text}{' ' * (LABEL - cell_len(text))}", style)


def narrow(row: Row, width: int) -> Row:
    """The row, cut at its end."""
    kept: list[Cell] = []
    for part in row:
        text = cut(part.text, width)
        width -= cell_len(text)
        kept += [Cell(text, part.style)] if text else []
        if text != part.text:
            break
    return tuple(kept)


def bar(width: int, done: int, parked: int, total: int) -> Row:
    """Full only when all is done; what is there shows, however little it is."""
    first = min(width - (done < total), max(width * done // total, bool(done)))
    second = min(width - first, max(width * parked // total, bool(parked)))
    rest = width - first - second
    return (Cell("━" * first, "green"), Cell("━" * second, "yellow"), Cell("┄" * rest, "dim"), Cell("  "))


def shortened(rows: list[Row], room: int, wide: int) -> list[Row]:
    """The first of attempts with two rows each, and how many more there are."""
    if len(rows) <= room:
        return rows
    kept = max(0, (room - 1) // 2 * 2)
    more = (len(rows) - kept + 1) // 2
    return [*rows[:kept], narrow((label_cell(), Cell(f"and {more} more", "dim")), wide)]
