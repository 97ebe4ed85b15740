"""The daily note: a line is added and taken out, and every other byte stays."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from ralph.errors import RalphError
from ralph.memory import daily_note as daily

WHEN = datetime(2026, 11, 21, 21, 4)  # noqa: DTZ001 - the time of the wall
NOTE = daily.path(WHEN)
TEXT = daily.entry("shop", WHEN, "cd /home/ada/shop && ralph start shop --parallel")
NOTES = {
    "no file": None,
    "empty": "",
    "no heading": "# Saturday\n\nBought milk.\n",
    "no final newline": "# Saturday\n\nBought milk.",
    "a heading with nothing": f"# Saturday\n\n## {daily.TITLE}\n\n## Ideas\n\n- sleep\n",
    "a list of a person's": f"## {daily.TITLE}\n\n* backup: `rsync -a / /mnt`\n\n## Ideas\n",
    "a paragraph": f"## {daily.TITLE.upper()}\nnone so far\n",
    "CRLF": f"# Day\r\n\r\n## {daily.TITLE}\r\n\r\n- backup\r\n",
    "CRLF, no heading": "# Day\r\n\r\nBought milk.\r\n",
    "an open fence": "# Day\n\n## Ideas\n\n```\nopen\n",
}


def as_bytes(name: str) -> bytes | None:
    text = NOTES[name]
    return None if text is None else text.encode()


@pytest.mark.parametrize("name", NOTES)
def test_added_and_taken_out_again(name: str, snapshot: SnapshotAssertion) -> None:
    before = as_bytes(name)
    after, mine = daily.added(before, NOTE, TEXT)
    assert after.decode() == snapshot
    assert daily.taken_out(after, mine) == before


@pytest.mark.parametrize("name", NOTES)
def test_what_a_person_writes_meanwhile_stays(name: str) -> None:
    """Above and below: only the one line goes, and one of two empty lines that then meet."""
    after, mine = daily.added(as_bytes(name), NOTE, TEXT)
    edited = b"# Mine\n\n" + after + b"\nLater.\n"
    left = daily.taken_out(edited, mine)
    assert left is not None
    kept = b"".join(line for line in edited.splitlines(keepends=True) if TEXT.encode() not in line)
    assert left.split() == kept.split()
    assert len(left.splitlines()) in {len(kept.splitlines()), len(kept.splitlines()) - 1}


@pytest.mark.parametrize("now", [None, b"", b"all new\n", f"- {TEXT} (still?)\n".encode()])
def test_what_is_no_longer_there_is_not_looked_for(now: bytes | None) -> None:
    _, mine = daily.added(b"# Day\n", NOTE, TEXT)
    assert daily.taken_out(now, mine) == now


REFUSED = {
    "two headings": f"## {daily.TITLE}\n\n## {daily.TITLE}\n".encode(),
    "a comment that is open": b"<!-- never closed\n",
    "too large": b"x" * (daily.MOST + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(RalphError) as error:
        daily.added(REFUSED[name], NOTE, TEXT)
    assert error.value.what == snapshot


pieces = st.sampled_from([
    "# Day\n", f"## {daily.TITLE}\n", "## Ideas\n", "\n", "- one\n", "* two\n", "  more\n", "```\n", "~~~",
    "text\n", "> quoted\n", "<!-- c -->\n", "<div>\n", "- [ ] box\n", "\r\n", "\r", "\ttab\n", "---\n", "[a]: b\n",
    "\ufeff", "\x0c", "\u2028", f"- {TEXT}\n", "1. x\n",
])  # fmt: skip
documents = st.lists(pieces, max_size=14).map("".join).map(str.encode) | st.binary(max_size=60) | st.none()


@given(documents)
@example(b"```\n## Ideas\n")
def test_any_note_is_what_it_was_when_the_line_is_gone(before: bytes | None) -> None:
    try:
        after, mine = daily.added(before, NOTE, TEXT)
    except RalphError:
        return
    assert len(after) > len(before or b"")
    assert daily.taken_out(after, mine) == before


@given(documents, documents, documents)
def test_only_the_line_goes_whatever_was_written_around_it(
    before: bytes | None, above: bytes | None, below: bytes | None
) -> None:
    try:
        after, mine = daily.added(before, NOTE, TEXT)
    except RalphError:
        return
    edited = (above or b"") + b"\n" + after + b"\n" + (below or b"")
    left, lines = daily.taken_out(edited, mine), edited.splitlines(keepends=True)
    own = mine.line.encode(errors="surrogateescape")
    assume(any(line.rstrip(b"\r\n") == own for line in lines))
    gone = next(n for n, line in enumerate(lines) if line.rstrip(b"\r\n") == own)
    rest = lines[:gone] + lines[gone + 1 :]
    if gone and not (lines[gone - 1] + b"".join(lines[gone + 1 : gone + 2])).strip():
        del rest[gone - 1]  # of two empty lines one goes
    assert left == b"".join(rest)


COMMANDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@given(COMMANDS)
@example("ralph start x --gate 'echo `date`'")
@example("`a``")
@example("a <!-- b --> [x](y) *z*")
def test_a_command_can_be_copied_whatever_it_is(command: str) -> None:
    assume(command == command.strip())
    text = daily.entry("shop", WHEN, command)
    (line,) = MarkdownIt("commonmark").parseInline(text)
    code = [child.content for child in line.children or [] if child.type == "code_inline"]
    assert code in ([command], ["ralph ls"])
