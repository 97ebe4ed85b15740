"""Terminal rows: styled text, measured and cut by columns. Wide characters take two."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from ralph.cli.display.lines import LABEL
from ralph.immutable import immutable


@immutable
class Cell:
    """Text in one style: "", dim, bold, green, yellow, red."""

    text: str
    style: str = ""


Row = tuple[Cell, ...]


def cut(text: str, width: int) -> str:
    """Return the text cut to a number of columns, with an ellipsis if it was longer."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def wide(row: Row) -> int:
    """Return the columns of a row."""
    return sum(cell_len(part.text) for part in row)


def plain_row(row: Row) -> str:
    """Return the text of a row without its styles."""
    return "".join(part.text for part in row)


def label_cell(text: str = "", style: str = "dim") -> Cell:
    """Return the label cell of a row, aligned with the lines above."""
    return Cell(f"{text}{' ' * (LABEL - cell_len(text))}", style)


def narrow(row: Row, width: int) -> Row:
    """Return the row, cut to a number of columns."""
    cells: list[Cell] = []
    for part in row:
        text = cut(part.text, width)
        width -= cell_len(text)
        cells += [Cell(text, part.style)] if text else []
        if text != part.text:
            break
    return tuple(cells)


def bar(width: int, done: int, parked: int, total: int) -> Row:
    """Return the bar. It is full only if all is done, and shows any progress."""
    first = min(width - (done < total), max(width * done // total, bool(done)))
    second = min(width - first, max(width * parked // total, bool(parked)))
    rest = width - first - second
    return (Cell("━" * first, "green"), Cell("━" * second, "yellow"), Cell("┄" * rest, "dim"), Cell("  "))


def shortened(rows: list[Row], room: int, wide: int) -> list[Row]:
    """Return the first attempts, of two rows each, and a row with the number of others."""
    if len(rows) <= room:
        return rows
    shown = max(0, (room - 1) // 2 * 2)
    more = (len(rows) - shown + 1) // 2
    return [*rows[:shown], narrow((label_cell(), Cell(f"and {more} more", "dim")), wide)]
