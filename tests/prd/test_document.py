"""Ids, edits, finding a task again, what differs, and what makes a PRD unusable."""

from __future__ import annotations

import re

import pytest

from ralph.errors import RalphError
from ralph.prd import document as prd
from ralph.prd.diff import same_lines
from ralph.prd.fields import duration
from ralph.prd.markdown import blocks
from ralph.prd.model import Prd, Task

SHOP = b"""# Shop

## API
- [ ] T1 keys
- [ ] limits
  - [ ] limiter
  - [ ] tests

## UI
- [ ] basket
  - Check: `make basket`
- [x] tests
"""


def read(text: bytes | str) -> Prd:
    return prd.parse(text if isinstance(text, bytes) else text.encode())


def task(document: Prd, text: str) -> Task:
    return next(task for task in document.tasks if task.text == text)


def refusal(text: str, name: str = "PRD.md") -> str:
    with pytest.raises(RalphError) as caught:
        prd.check(read(text), name)
    return str(caught.value)


# ---------------------------------------------------------------- ids


def test_ids_do_not_depend_on_place_or_headings() -> None:
    lines = SHOP.decode().splitlines()
    moved = read("\n".join(["## Other", *lines[9:12], *lines[3:7]]))
    assert {t.id for t in moved.tasks} == {t.id for t in read(SHOP).tasks}


def test_ids_depend_on_text_and_parents() -> None:
    ids = {t.id for t in read("- [ ] a\n  - [ ] a\n- [ ] b\n  - [ ] a\n").tasks}
    assert len(ids) == 4
    assert read("- [ ] a  \n  b").tasks[0].id == read("1. [x] a b").tasks[0].id


def test_equal_texts_are_numbered() -> None:
    first, second, third = read("- [ ] a\n- [x] a\n- [ ] a\n").tasks
    assert (second.id, third.id) == (f"{first.id}#2", f"{first.id}#3")


def test_headings_are_the_place_of_a_task() -> None:
    assert task(read(SHOP), "limiter").headings == ("Shop", "API")
    assert task(read(SHOP), "basket").headings == ("Shop", "UI")
    inside = read("# A\n- [ ] a\n  ## B\n  - [ ] b\n- [ ] c\n")
    assert [t.headings for t in inside.tasks] == [("A",), ("A", "B"), ("A",)]


# ---------------------------------------------------------------- edits


def test_the_same_bytes_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    document = read(SHOP)
    ticked = prd.tick(document, "T1")
    monkeypatch.setattr(prd, "_read", None)
    assert prd.parse(bytes(bytearray(SHOP))) is document
    assert prd.parse(bytes(bytearray(ticked.data))) is ticked


def test_a_task_must_be_there_once_to_be_edited() -> None:
    with pytest.raises(RalphError, match="no task T2"):
        prd.tick(read(SHOP), "T2")
    with pytest.raises(RalphError, match=r"the id T1 stands there twice \(lines 1 and 3\)"):
        prd.untick(read("- [ ] T1 a\n- [ ] b\n- [x] T1 c\n"), "T1")


def test_boxes_that_are_not_there_or_there_twice_stay_as_they_are() -> None:
    now = prd.parse(b"- [ ] T1 one\n- [ ] T2 two\n- [ ] T2 again\n- [x] T3 three\n")
    assert prd.with_boxes(now, ["T1", "T2", "T3", "T9"], done=True).data == now.data.replace(b"[ ] T1", b"[x] T1")
    assert prd.with_boxes(now, ["T1", "T2", "T3", "T9"], done=False).data == now.data.replace(b"[x]", b"[ ]")


def test_ticking_twice_is_ticking_once() -> None:
    ticked = prd.tick(read("- [X] T1 a\n"), "T1")
    assert ticked.data == b"- [X] T1 a\n"


def test_a_reason_is_one_safe_line() -> None:
    reason = "tests are red:\r\n\x1b[31m```\n- [ ] T9 x\n# y\u2028" + "z" * 300
    parked = prd.park(read(SHOP), "T1", reason)
    said = parked.tasks[0].fields.parked or ""
    assert said.startswith("tests are red: `[31m` - [ ] T9 x # y zzz")
    assert 195 < len(said) <= 200
    assert len(parked.data.splitlines()) == len(SHOP.splitlines()) + 1
    assert prd.unpark(parked, "T1").data == SHOP


@pytest.mark.parametrize("text", ["- [ ] T1 a", "- [ ] T1 a\r\n  - Files: x", "- [ ] T1 a\n", "- [ ] T1 a\r"])
def test_parking_and_unparking_leaves_no_trace(text: str) -> None:
    parked = prd.park(read(text), "T1", "why")
    assert parked.tasks[0].fields.parked == "why"
    assert parked.data.endswith((b"\n", b"\r")) == text.endswith(("\n", "\r"))
    assert prd.unpark(parked, "T1").data == text.encode()


def test_a_reason_at_the_end_without_line_end_goes_with_the_line_end_above() -> None:
    assert prd.unpark(read("- [ ] T1 a\r\n  - Parked: why"), "T1").data == b"- [ ] T1 a"


def test_parking_is_refused_where_another_task_would_change() -> None:
    with pytest.raises(RalphError, match="can't be changed without changing another task"):
        prd._same_but(read(SHOP), blocks.read_document(SHOP.replace(b"basket", b"bag")), 0)


def test_parking_again_replaces_the_reason() -> None:
    once = prd.park(read(SHOP), "T1", "one")
    assert prd.park(once, "T1", "two").data == SHOP.replace(b"keys\n", b"keys\n  - Parked: two\n")
    assert prd.park(once, "T1", "").tasks[0].fields.parked == "needs a human"


# ---------------------------------------------------------------- the same task later


@pytest.mark.parametrize(
    ("text", "old", "new", "found"),
    [
        pytest.param("T1 keys", "T1 keys", "T1 several keys", "T1 several keys", id="a written id stays"),
        pytest.param("basket", "## UI\n", "## UI\n- [ ] new\n\n", "basket", id="moved down"),
        pytest.param("basket", "- [ ] basket", "- [x] basket", "basket", id="ticked"),
        pytest.param(
            "limiter", "- [ ] limits", "- [ ] rates", "limiter", id="its parent was reworded: the line tells"
        ),
        pytest.param("basket", "basket\n", "basket\n  and more\n", "basket and more", id="its text goes on"),
        pytest.param("basket", "- [ ] basket", "- [ ] bag", None, id="reworded, no written id"),
        pytest.param("basket", "- [ ] basket\n", "", None, id="deleted"),
        pytest.param("T1 keys", "- [ ] T1 keys", "- [ ] T1 keys\n- [ ] T1 more keys", "T1 keys", id="its id twice"),
        pytest.param(
            "T1 keys", "- [ ] T1 keys", "- [ ] T1 a\n- [ ] T1 b", None, id="its id twice, its line nowhere"
        ),
    ],
)
def test_a_task_is_found_again(text: str, old: str, new: str, found: str | None) -> None:
    before, now = read(SHOP), read(SHOP.decode().replace(old, new))
    again = prd.find_task(task(before, text), before, now)
    assert (again and again.text) == found


def test_one_of_several_equal_texts_is_found_by_its_line() -> None:
    before = read("## API\n- [ ] tests\n- [ ] a\n## UI\n- [ ] tests\n")
    first, _, second = before.tasks
    without_first = read("## API\n- [ ] a\n## UI\n- [ ] tests\n")
    assert prd.find_task(first, before, without_first) is None
    assert prd.find_task(second, before, without_first) == without_first.tasks[1]
    one_more = read("## New\n- [ ] tests\n" + before.data.decode())
    assert prd.find_task(first, before, one_more) == one_more.tasks[1]
    assert prd.find_task(second, before, one_more) == one_more.tasks[3]


def test_an_id_that_stands_there_twice_tells_nothing() -> None:
    before, now = read("- [ ] T1 a\n- [ ] T1 b\n"), read("- [ ] T1 c\n- [ ] T1 d\n")
    assert [prd.find_task(t, before, now) for t in before.tasks] == [None, None]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(
            "- [ ] p\n  - [ ] a\n# B\n",
            "- [ ] r\n  - [ ] a\n    more\n- [ ] s\n  - [ ] a\n# C\n",
            id="two lines like it, and the first goes on",
        ),
        pytest.param("- [ ] a\n* [ ] a\n", "* [ ] a\n  more\n1. [ ] a\n", id="one of two equals, which goes on"),
        pytest.param(
            "- [ ] p\n  - [ ] a\n- [ ] p\n  - [ ] a\n",
            "- [ ] r\n  - [ ] a\n* [ ] p\n   - [ ] a\n* [ ] p\n   - [ ] a\n",
            id="two may be it",
        ),
    ],
)
def test_a_task_that_may_be_another_is_not_found(before: str, now: str) -> None:
    then = read(before)
    assert prd.find_task(then.tasks[-1], then, read(now)) is None


def test_lines_between_lines_that_differ_are_compared_where_that_is_cheap() -> None:
    assert same_lines([b"u", b"a", b"a", b"v"], [b"w", b"a", b"a", b"z"]) == {1: 1, 2: 2}
    assert same_lines([b"u", *[b"a"] * 400, b"v"], [b"w", *[b"a"] * 400, b"z"]) == {}


def test_equal_texts_are_not_mixed_up_when_sections_change_places() -> None:
    api, ui = "## API\n- [ ] tests\n- [ ] a\n- [ ] b\n", "## UI\n- [ ] tests\n- [ ] c\n"
    before, now = read(api + ui), read(ui + api)
    assert [prd.find_task(t, before, now) for t in before.tasks] == [*now.tasks[2:], *now.tasks[:2]]


def test_a_task_is_found_in_a_long_document_that_changed_a_lot() -> None:
    lines = [f"- [ ] task {n}\n  - [ ] tests\n\n" for n in range(5_000)]
    before = read("".join(lines))
    lines[10] = "- [ ] reworded\n  - [ ] tests\n\n"
    del lines[2_000:2_300]
    now = read("# New\n" + "".join(lines[:4_000]) + "- [ ] more\n" + "".join(lines[4_000:]))
    child = before.tasks[21]
    again = prd.find_task(child, before, now)
    assert again is not None
    assert (again.line, again.id == child.id) == (child.line + 1, False)
    assert prd.find_task(before.tasks[4_001], before, now) is None


# ---------------------------------------------------------------- differences


def test_no_difference() -> None:
    assert prd.difference(read(SHOP), read(SHOP)) == prd.PrdDiff()


def test_boxes_that_differ() -> None:
    now = read(SHOP.replace(b"[ ] T1", b"[x] T1").replace(b"[x] tests", b"[ ] tests"))
    found = prd.difference(read(SHOP), now)
    assert (found.ticked, found.unticked, found.rewrote) == (("T1",), (now.tasks[-1].id,), False)


def test_text_that_differs() -> None:
    found = prd.difference(read(SHOP), read(SHOP.replace(b"- [ ] basket", b"- [ ] bag").replace(b"Shop", b"Store")))
    assert [t.text for t in found.vanished] == ["basket"]
    assert [t.text for t in found.appeared] == ["bag"]
    assert found.changed_checks == (found.appeared[0].id,)
    assert found.rewrote
    assert not found.ticked


def test_a_done_task_that_is_gone_did_not_vanish_open() -> None:
    found = prd.difference(read(SHOP), read(SHOP.replace(b"- [x] tests\n", b"")))
    assert (found.vanished, found.rewrote) == ((), True)


def test_a_box_of_criteria_is_text() -> None:
    text = b"- [ ] a\n  - Done when:\n    - [ ] b\n"
    found = prd.difference(read(text), read(text.replace(b"[ ] b", b"[x] b")))
    assert (found.ticked, found.rewrote) == ((), True)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("`make basket`", "`curl x | sh`", ["basket"]),
        ("`make basket`", "`make basket`, `more`", ["basket"]),
        ("  - Check: `make basket`\n", "", []),
        ("- [ ] T1 keys\n", "- [ ] T1 keys\n  - Verify: true\n", ["T1 keys"]),
        ("# Shop\n", "- [ ] new\n  - Check: x\n# Shop\n", ["new"]),
    ],
)
def test_commands_that_appear_are_told(old: str, new: str, changed: list[str]) -> None:
    now = read(SHOP.decode().replace(old, new))
    names = prd.difference(read(SHOP), now).changed_checks
    assert [t.text for t in now.tasks if t.id in names] == changed


def test_new_ticks_go_back_and_the_rest_stays() -> None:
    now = SHOP.replace(b"[ ] limiter", b"[X] limiter").replace(b"# Shop", b"# Store\r\n- [x] pasted")
    kept = prd.without_new_ticks(read(SHOP), read(now))
    assert kept.data == now.replace(b"[X] limiter", b"[ ] limiter").replace(b"[x] pasted", b"[ ] pasted")


def test_a_task_that_is_reworded_and_ticked_at_once_goes_back() -> None:
    now = SHOP.replace(b"- [ ] basket", b"- [x] basket, done")
    kept = prd.without_new_ticks(read(SHOP), read(now))
    assert kept.data == now.replace(b"[x] basket", b"[ ] basket")


def test_what_was_ticked_before_stays_ticked() -> None:
    now = SHOP.replace(b"- [x] tests\n", b"- [x] tests\n- [x] T1 copy\n").replace(b"[ ] T1", b"[x] T1")
    before = read(now.replace(b"[x] T1 keys", b"[ ] T1 keys"))
    assert prd.without_new_ticks(before, read(now)) == before


def test_a_new_tick_goes_back_though_an_id_stands_there_twice() -> None:
    now = SHOP.replace(b"- [ ] T1 keys\n", b"- [x] T1 keys\n- [ ] T1 copy\n")
    kept = prd.without_new_ticks(read(SHOP), read(now))
    assert kept.data == now.replace(b"[x] T1", b"[ ] T1")


# ---------------------------------------------------------------- parents


def parents(text: str, done: str) -> list[str]:
    document = read(text)
    return [parent.text for parent in prd.parents_done_with(document, task(document, done).id)]


def test_parents_are_done_with_their_last_child() -> None:
    tree = "- [ ] a\n  - [x] b\n    - [x] c\n  - [ ] d\n    - [ ] e\n    - [x] f\n"
    assert parents(tree, "e") == ["d", "a"]
    assert parents(tree.replace("[x] c", "[ ] c"), "e") == ["d"]
    assert parents(tree.replace("[x] f", "[ ] f"), "e") == []


def test_a_ticked_parent_is_passed_over() -> None:
    assert parents("- [ ] a\n  - [x] b\n    - [ ] c\n", "c") == ["a"]


def test_a_parent_with_its_own_check_waits_for_that() -> None:
    assert parents("- [ ] a\n  - [ ] b\n    - Check: x\n    - [ ] c\n", "c") == []
    assert parents("- [ ] a\n  - [ ] b\n    - Parked: x\n    - [ ] c\n", "c") == []


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("T1", "T1 keys"),
        ("t1", "T1 keys"),
        ("3", "limiter"),
        ("limite", "limiter"),
        ("LIMITS", "limits"),
        ("key", "T1 keys"),
        ("T1  keys", "T1 keys"),
    ],
)
def test_a_task_by_its_name(name: str, text: str) -> None:
    assert prd.resolve(read(SHOP), name).text == text


def test_a_whole_text_beats_a_beginning() -> None:
    assert prd.resolve(read("- [ ] do it well\n- [ ] do it\n"), "do it").number == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "there is no task “nothing”"),
        ("99", "there is no task “99”"),
        ("", "there is no task “”"),
        ("limit", "“limit” may be any of 2 tasks: 2 “limits”, 3 “limiter”"),
        ("tests", "“tests” may be any of 2 tasks: 4 “tests”, 6 “tests”"),
    ],
)
def test_a_name_that_is_not_clear(name: str, sentence: str) -> None:
    with pytest.raises(RalphError, match=re.escape(sentence)):
        prd.resolve(read(SHOP), name)


# ---------------------------------------------------------------- what makes a PRD unusable


def test_a_good_prd_is_accepted() -> None:
    prd.check(read(SHOP), "PRD.md")
    prd.check(read("- [x] T2 a\n  - Depends: T1, gone\n- [ ] b\n  - Files: `!src/x`, `a/../b`, `..c`\n"), "PRD.md")
    prd.check(read(b"- [ ] caf\xe9\n"), "PRD.md")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "PRD.md: the PRD is empty"),
        ("\ufeff \n\n", "PRD.md: the PRD is empty"),
        ("# Plan\ntext\n", "PRD.md: the PRD has no task\n"),
        ("- [] a\n", "the PRD has no task; line 1 looks like one, but its box is neither `[ ]` nor `[x]`"),
        (
            "## Acceptance criteria\n- [ ] a\n- [ ] b\n",
            "has 2 boxes but no task: all stand under Acceptance criteria",
        ),
        ("- [ ] T1 a\n- [ ] b\n- [x] T1 c\n- [ ] T1 d\n", "more than once: T1 (lines 1, 3, 4)"),
        ("- [ ] a\n- [ ] T2 b\n  - Depends: T9\n", "PRD.md:2: T2 depends on “T9”, but there is no such task"),
        ("- [ ] ab\n- [ ] ac\n- [ ] d\n  - After: a\n", "“d” depends on “a”, but 2 tasks begin like that"),
        ("- [ ] T1 a\n  - Depends: T1\n", "tasks that wait for one another: T1 -> T1"),
        (
            "- [ ] T1 a\n  - Depends: T2\n- [ ] T2 b\n  - Depends: c\n- [ ] c\n  - Depends: T1\n",
            "tasks that wait for one another: T1 -> T2 -> “c” -> T1",
        ),
        ("- [ ] T1 a\n  - [ ] T2 b\n    - Depends: T1\n", "tasks that wait for one another: T"),
        ("- [ ] T1 a\n  - Depends: T2\n  - [ ] T2 b\n", "tasks that wait for one another: T2 -> T2"),
        ("- [ ] T1 a\n  - Files: /etc/passwd\n", "PRD.md:1: Files of T1 names “/etc/passwd”"),
        ("- [ ] T1 a\n  - Files: `~/x`\n", "names “~/x”, which is not inside the repository"),
        ("- [ ] T1 a\n  - Files: `C:\\x`\n", "names “C:\\x”"),
        ("- [ ] T1 a\n  - Files: ok, src/../../x\n", "names “src/../../x”"),
        ("- [ ] T1 a\n  - Protected: `!../x`\n", "Protected of T1 names “!../x”"),
    ],
)
def test_a_bad_prd_is_refused(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


def test_a_prd_in_a_folder_may_name_what_is_beside_it() -> None:
    text = "- [ ] a\n  - Files: `../src/**`\n"
    prd.check(read(text), "docs/PRD.md")
    assert "not inside the repository" in refusal(text, "PRD.md")
    assert "not inside the repository" in refusal(text.replace("../", "../../"), "docs/PRD.md")


def test_a_dependency_may_be_a_parent_or_a_text() -> None:
    text = "- [ ] limits\n  - [ ] x\n- [ ] a\n  - Depends: Limit\n- [ ] T3 b\n"
    prd.check(read(text + "- [ ] c\n  - Depends: T3 (for the keys)\n"), "PRD.md")


def test_a_long_chain_of_dependencies_is_no_recursion() -> None:
    chain = "".join(f"- [ ] T{n} x\n  - Depends: T{n + 1}\n" for n in range(3_000)) + "- [ ] T3000 x\n"
    prd.check(read(chain), "PRD.md")


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("8h", 28_800),
        ("1h30m", 5_400),
        ("1.5 hours", 5_400),
        ("20 Minutes", 1_200),
        ("2 days", 172_800),
        ("90", None),
        ("10m or so", None),
        ("soon", None),
        ("", None),
        ("٣m", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds
