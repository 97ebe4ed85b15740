"""The archive of the log: it takes what is old, it loses nothing, and it touches nothing that people wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.memory import archive
from ralph.memory import file as memory
from ralph.memory.sections import BLOCK

STARTER = (Path(__file__).parents[2] / "templates" / "memory.md").read_text(encoding="utf-8")
ROOM = 100_000
LARGE = b"x" * 400 + b"\n"


def filled(number: int, *, starter: str = STARTER) -> bytes:
    """A memory file whose log holds so many entries; the newest has the highest number."""
    lines = "".join(f"- done {n}\n" for n in reversed(range(number)))
    return starter.replace("<!-- ralph:log -->\n", f"<!-- ralph:log -->\n\n{lines}").encode()


def done(data: bytes | None) -> list[int]:
    """The numbers of the entries, in the order in which they stand."""
    return [int(line.split()[-1]) for line in (data or b"").decode().splitlines() if line.startswith("- done ")]


def test_up_to_thirty_entries_nothing_moves() -> None:
    data = filled(30)
    assert archive.compact(data, ROOM, None) == (data, None)
    assert archive.compact(data, ROOM, b"old\n") == (data, b"old\n")


def test_older_entries_move_and_the_archive_grows_at_its_end() -> None:
    data, first = archive.compact(filled(32), ROOM, None)
    assert done(data) == list(range(31, 1, -1))
    assert (first or b"").decode() == f"{archive.HEADER}- done 0\n- done 1\n"
    data, second = archive.compact(data.replace(b"- done 31\n", b"- done 32\n- done 31\n"), ROOM, first)
    assert done(data) == list(range(32, 2, -1))
    assert second == (first or b"") + b"- done 2\n"


def test_a_large_file_keeps_fewer() -> None:
    data = filled(20)
    kept, moved = archive.compact(data, len(data) - 1, None)
    assert (done(kept), done(moved)) == (list(range(19, 0, -1)), [0])
    kept, moved = archive.compact(data + LARGE, 100, None)
    assert (done(kept), done(moved)) == ([19, 18, 17, 16, 15], list(range(15)))


def test_an_entry_moves_with_its_lines() -> None:
    data = filled(31).replace(b"- done 0\n", b"- done 0\n  a remark by hand\n\n  and another\n")
    kept, moved = archive.compact(data, ROOM, None)
    assert b"by hand" not in kept
    assert (moved or b"").endswith(b"- done 0\n  a remark by hand\n\n  and another\n")


def test_without_a_log_nothing_moves() -> None:
    text = b"# P\n" + b"".join(b"- line %d\n" % n for n in range(99))
    assert archive.compact(text, 10, None) == (text, None)
    fenced = b"```\n" + filled(40) + b"```\n"
    assert archive.compact(fenced, 10, None) == (fenced, None)


def test_line_ends_are_those_of_the_file() -> None:
    data = filled(31).replace(b"\n", b"\r\n")
    kept, moved = archive.compact(data, ROOM, None)
    assert b"\n" not in kept.replace(b"\r\n", b"")
    assert b"\n" not in (moved or b"").replace(b"\r\n", b"")
    assert archive.compact(data, ROOM, b"by hand")[1] == b"by hand\n\n- done 0\r\n"
    assert archive.compact(data, ROOM, b"- a\n  b")[1] == b"- a\n  b\n- done 0\r\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("CLAUDE.md", "CLAUDE.archive.md"),
        ("docs/notes/AGENTS.md", "docs/notes/AGENTS.archive.md"),
        ("a.b/memory", "a.b/memory.archive"),
        (".memory", ".memory.archive"),
    ],
)
def test_the_archive_is_beside_the_memory_file(path: str, expected: str) -> None:
    assert archive.beside(path) == expected


LINES = st.sampled_from(["- one", "* two", "+ three", "  more", "", "- a\\", "\tcode", "- é"])


@given(st.lists(LINES, max_size=60), st.integers(1, 3000), st.sampled_from([None, b"", b"mine", b"a\r\nb\r\n"]))
def test_nothing_is_lost_and_nothing_else_changes(lines: list[str], most: int, old: bytes | None) -> None:
    data = STARTER.replace("<!-- ralph:log -->\n", "\n".join(["<!-- ralph:log -->", *lines, ""])).encode()
    kept, new = archive.compact(data, most, old)
    assert BLOCK.sub(rb"\1", kept) == BLOCK.sub(rb"\1", data)
    assert (new or b"").startswith(old or b"")
    added = (new or b"")[len(old or archive.HEADER.encode() if new else b"") :]
    before, after = Counter(data.splitlines()), Counter(kept.splitlines()) + Counter(added.splitlines())
    before[b""] = after[b""] = 0
    assert before == after
    assert archive.compact(kept, most, new) == (kept, new)
    log = memory.blocks(kept)["log"][4]
    assert (
        len(kept) <= most or sum(line[:1] in (b"-", b"*", b"+") for line in log.splitlines()) <= archive.LEAST + 1
    )
