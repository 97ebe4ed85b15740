"""Orders and notes from other terminals: what the loop reads is what a person meant, whatever else stands there."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.errors import RalphError
from ralph.state.control import MOST_NOTE, Control, safe_name

IDS = st.text(st.characters(exclude_characters="\0\n\r"), min_size=1, max_size=400)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path / "state")


def test_nothing_is_there(control: Control) -> None:
    assert (control.paused(), control.stop_asked(), control.skipped()) == (None, None, frozenset())
    assert control.note_for("T1") == ""
    control.clear()
    control.forget("T1")
    assert control.resume() is False


# ---------------------------------------------------------------- orders


def test_pause_and_resume(control: Control) -> None:
    control.pause("time for a look")
    control.pause("a later reason")
    assert control.paused() == "a later reason"
    assert control.resume() is True
    assert control.paused() is None


def test_stop_and_stop_now(control: Control) -> None:
    control.stop(now=False)
    assert control.stop_asked() == "after"
    control.stop(now=True)
    assert control.stop_asked() == "now"
    control.stop(now=False)
    assert control.stop_asked() == "now"


def test_skip(control: Control) -> None:
    control.skip("T1")
    control.skip("c7b0c896#2")
    control.skip("T1")
    assert control.skipped() == {"T1", "c7b0c896#2"}


def test_a_run_starts_without_the_orders_of_an_earlier_one_but_with_the_notes(control: Control) -> None:
    control.pause("x")
    control.stop(now=True)
    control.skip("T1")
    control.add_note("T1", "use tabs")
    control.clear()
    assert (control.paused(), control.stop_asked(), control.skipped()) == (None, None, frozenset())
    assert control.note_for("T1") == "use tabs"


def test_two_of_them_see_the_same(tmp_path: Path) -> None:
    """The reader keeps nothing: an order of another process counts at the next look."""
    reader, writer = Control(tmp_path), Control(tmp_path)
    assert reader.paused() is None
    writer.pause("x")
    assert reader.paused() == "x"
    writer.resume()
    assert reader.paused() is None


# ---------------------------------------------------------------- notes and review files


def test_notes_add_up_the_newest_last(control: Control) -> None:
    control.add_note("T1", "use tabs\n")
    control.add_note("T1", "  and no\x1b[2J colours")
    control.add_note("T2", "else")
    assert control.note_for("T1") == "use tabs\n\nand no colours"
    control.forget("T1")
    assert (control.note_for("T1"), control.note_for("T2")) == ("", "else")


def test_of_many_notes_the_newest_are_read(control: Control) -> None:
    for n in range(2000):
        control.add_note("T1", f"note {n} {'x' * 100}")
    found = control.note_for("T1")
    assert len(found) <= MOST_NOTE
    assert "note 1999" in found
    assert "note 1\n" not in found


def test_a_review_file_is_kept_until_the_task_is_accepted(control: Control) -> None:
    control.keep_review("T1", "# old")
    path = control.keep_review("T1", "# Parked: T1 naïve\n")
    assert path == control.review_path("T1")
    assert path.name == "T1.md"
    assert path.read_text(encoding="utf-8") == "# Parked: T1 naïve\n"
    control.forget("T1")
    assert not path.exists()


def test_only_the_owner_reads_them_and_nothing_else_is_left(control: Control, tmp_path: Path) -> None:
    control.pause("x")
    control.skip("T1")
    control.add_note("T1", "x")
    control.keep_review("T1", "x")
    files = sorted(path for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert [path.name for path in files] == ["pause", "skip-T1", "T1.md", "T1.md"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["T017", "US-3", "1.2", "c7b0c896"])
def test_usual_ids_are_their_own_names(name: str) -> None:
    assert safe_name(name) == name


@given(IDS)
def test_any_id_gives_a_name_that_any_file_system_takes(task_id: str) -> None:
    name = safe_name(task_id)
    assert 0 < len(name) <= 70
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>| #%\0')
    assert name[0] not in ".-"


@given(IDS, IDS)
def test_two_ids_have_two_names_also_where_case_does_not_count(one: str, other: str) -> None:
    assert (safe_name(one).lower() == safe_name(other).lower()) == (one == other)


@pytest.mark.parametrize(("one", "other"), [("T1", "t1"), ("a/b", "a-b"), ("..", "."), ("x" * 300, "x" * 301)])
def test_ids_that_look_alike(one: str, other: str) -> None:
    assert safe_name(one).lower() != safe_name(other).lower()


@given(IDS)
def test_a_skipped_id_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, task_id: str) -> None:
    control = Control(tmp_path_factory.mktemp("state"))
    control.skip(task_id)
    assert control.skipped() == {task_id.encode(errors="replace").decode()}


# ---------------------------------------------------------------- what else may stand there


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [_link, _pipe, _folder])
def test_what_is_no_file_is_no_order_and_holds_nobody_up(control: Control, tmp_path: Path, plant: object) -> None:
    assert callable(plant)
    folder = tmp_path / "state/control"
    folder.mkdir(parents=True)
    (tmp_path / "state/notes").mkdir()
    for name in ("control/pause", "control/stop", "control/skip-T1", "notes/T1.md"):
        plant(tmp_path / "state" / name)
    assert (control.paused(), control.stop_asked(), control.skipped()) == (None, None, frozenset())
    assert control.note_for("T1") == ""
    with pytest.raises(RalphError, match="ralph can't write into"):
        control.add_note("T1", "x")
    control.clear()


def test_a_file_that_is_too_large_is_read_in_part(control: Control, tmp_path: Path) -> None:
    control.pause("x")
    with (tmp_path / "state/control/pause").open("wb") as file:
        file.truncate(10**9)
    assert len(control.paused() or "") <= 4096


def test_a_file_in_the_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("")
    with pytest.raises(RalphError, match="ralph can't write into"):
        Control(tmp_path).pause("x")


# ---------------------------------------------------------------- at the same moment, and how long a look takes


def _write_on(state: Path, over: Event) -> None:
    control, n = Control(state), 0
    while not over.is_set():
        n += 1
        control.pause("ab"[n % 2] * 4000)


def test_an_order_is_never_read_in_half(tmp_path: Path) -> None:
    control = Control(tmp_path)
    control.pause("a" * 4000)
    over = multiprocessing.get_context("spawn").Event()
    writer = multiprocessing.get_context("spawn").Process(target=_write_on, args=(tmp_path, over))
    writer.start()
    try:
        while control.paused() == "a" * 4000:  # until it writes
            pass
        seen = {control.paused() for _ in range(3000)}
    finally:
        over.set()
        writer.join()
    assert seen <= {"a" * 4000, "b" * 4000}


def test_a_look_costs_microseconds(control: Control) -> None:
    began = time.process_time()
    for _ in range(5000):
        control.paused(), control.stop_asked(), control.skipped()
    assert time.process_time() - began < 2.5  # 0.5 ms a look: a guard, not a benchmark (it takes 0.01)
