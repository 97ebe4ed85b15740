"""Files that two programs change at the same moment: whose words are still there afterwards?"""

from __future__ import annotations

import multiprocessing
import random
import re
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.files import edit_file

SAVES = 200
START = b"theirs: 0\nours: 0\n"
Rounds = Synchronized  # of an int


def count_up(content: bytes | None) -> bytes | None:
    """What ralph does to the file again and again: one number of its own, all else as it is."""
    return re.sub(rb"ours: (\d+)", lambda found: b"ours: %d" % (int(found[1]) + 1), content or b"")


def save_by_rename(path: Path, content: bytes) -> None:
    """vim, gedit, sed -i."""
    new = path.with_name(".saving")
    new.write_bytes(content)
    new.replace(path)


def save_in_place(path: Path, content: bytes) -> None:
    """nano, VS Code, a shell's `>`."""
    path.write_bytes(content)


def save_slowly_in_place(path: Path, content: bytes) -> None:
    """Truncated, and written a moment later."""
    with path.open("wb") as file:
        time.sleep(0.002)
        file.write(content)


def somebody(path: Path, save: Callable[[Path, bytes], None], rounds: Rounds[int], lost: Rounds[int]) -> None:
    """Saves a buffer of its own, and looks after two rounds of ralph's whether the words are still there."""
    chance = random.Random(7)
    for number in range(1, SAVES + 1):
        content = b"theirs: %d\nours: 0\n" % number
        time.sleep(chance.random() * 0.003)
        save(path, content)
        seen = rounds.value
        while rounds.value < seen + 2:
            time.sleep(0.0002)
        if not path.read_bytes().startswith(b"theirs: %d\n" % number):
            lost.value += 1


@pytest.mark.parametrize("save", [save_by_rename, save_in_place, save_slowly_in_place])
def test_no_save_is_lost(tmp_path: Path, save: Callable[[Path, bytes], None]) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    context = multiprocessing.get_context("fork")
    rounds, lost = context.Value("i", 0), context.Value("i", 0)
    other = context.Process(target=somebody, args=(path, save, rounds, lost))
    other.start()
    while other.is_alive():
        edit_file(path, count_up, tmp_path / "spare")
        rounds.value += 1
    other.join()
    assert (other.exitcode, lost.value) == (0, 0)
    assert not any((tmp_path / "spare").iterdir())


def test_one_writer_that_never_ends_does_not_hold_ralph_up(tmp_path: Path) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    with path.open("r+b"):
        began = time.monotonic()
        assert edit_file(path, count_up, tmp_path / "spare") == b"theirs: 0\nours: 1\n"
        assert time.monotonic() - began < 5


def test_the_mode_stays_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    path.chmod(0o640)
    edit_file(path, count_up, tmp_path / "spare")
    assert path.stat().st_mode & 0o7777 == 0o640
    assert [one.name for one in tmp_path.glob("*PRD*")] == ["PRD.md"]
    assert not any((tmp_path / "spare").iterdir())


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    inode = path.stat().st_ino
    assert edit_file(path, lambda content: content, tmp_path / "spare") == START
    assert path.stat().st_ino == inode


def test_a_file_that_is_not_there_is_made_and_one_that_goes_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "CLAUDE.md"
    assert edit_file(path, lambda content: b"new" if content is None else content, tmp_path / "spare") == b"new"
    assert path.read_bytes() == b"new"
    assert edit_file(path, lambda _: None, tmp_path / "spare") is None
    assert not list(tmp_path.glob("*CLAUDE*"))


def test_the_edit_is_made_again_on_what_was_saved_in_between(tmp_path: Path) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    asked: list[bytes | None] = []

    def edit(content: bytes | None) -> bytes | None:
        asked.append(content)
        if len(asked) == 1:
            save_by_rename(path, b"theirs: 1\nours: 0\n")
        return count_up(content)

    assert edit_file(path, edit, tmp_path / "spare") == b"theirs: 1\nours: 1\n"
    assert asked == [START, b"theirs: 1\nours: 0\n"]


def test_a_program_that_always_saves_in_between_is_named(tmp_path: Path) -> None:
    path = tmp_path / "PRD.md"
    path.write_bytes(START)
    numbers = iter(range(1, 1000))

    def edit(content: bytes | None) -> bytes | None:
        save_by_rename(path, b"theirs: %d\nours: 0\n" % next(numbers))
        return count_up(content)

    with pytest.raises(RalphError, match="faster than it can be edited"):
        edit_file(path, edit, tmp_path / "spare")


def test_a_folder_in_its_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "PRD.md").mkdir()
    with pytest.raises(RalphError, match=r"PRD\.md is a folder now"):
        edit_file(tmp_path / "PRD.md", count_up, tmp_path / "spare")
