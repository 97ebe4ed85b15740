"""What of a stash entry an attempt's work holds."""

from __future__ import annotations

import pytest

from ralph.git.model import Change, StashEntry
from ralph.git.stash_match import match

ENTRY = StashEntry("e" * 40, "WIP on main: 1234567 base")
BLOBS = {
    "empty": b"",
    "base": b"first\nsecond\n",
    "idea": b"first\nsecond\nhalf an idea\nand the rest\n",
    "work": b"first\nsecond\nsomething else\n",
    "half": b"first\nhalf an idea\nsecond\nmore\n",
    "brace": b"first\nsecond\n}\n",
    "braces": b"first\nsecond\n}\n\nown work\n",
}


def took(content: list[tuple[str, str, str]], *changes: Change) -> tuple[tuple[str, ...], bool]:
    found = match(ENTRY, content, changes, lambda blob: BLOBS.get(blob, b""), gone=False)
    return found.paths, found.whole


@pytest.mark.parametrize(
    ("work", "paths", "whole"),
    [
        (Change("a", "M", old_blob="base", new_blob="idea"), ("a",), True),
        (Change("renamed", "A", old_blob="0000", new_blob="idea"), ("a",), True),
        (Change("a", "M", old_blob="base", new_blob="half"), ("a",), False),
        (Change("a", "M", old_blob="base", new_blob="work"), (), False),
        (Change("b", "M", old_blob="base", new_blob="half"), (), False),
        (Change("a", "M", old_blob="idea", new_blob="half"), (), False),  # the base has these lines already
        (Change("a", "D", old_blob="base", new_blob="0000"), (), False),
    ],
)  # fmt: skip
def test_a_file_is_taken_whole_or_in_lines(work: Change, paths: tuple[str, ...], whole: bool) -> None:
    assert took([("a", "base", "idea")], work) == (paths, whole)


def test_it_is_whole_only_with_every_file() -> None:
    content = [("a", "base", "idea"), ("b", "", "work")]
    assert took(content, Change("a", "M", old_blob="base", new_blob="idea")) == (("a",), False)


def test_empty_files_and_braces_say_nothing() -> None:
    assert took([("a", "", "empty")], Change("b", "A", new_blob="empty")) == ((), False)
    assert took([("a", "base", "brace")], Change("a", "M", old_blob="base", new_blob="braces")) == ((), False)


def test_an_entry_names_its_branch() -> None:
    messages = {"WIP on main: 12 base": "main", "On a/b: c: d": "a/b", "by hand": "", "On hold": ""}
    assert {message: StashEntry("", message).branch for message in messages} == messages
