"""Boxes of criteria: whose they are, which are confirmed, and that ticking them changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.prd import criteria
from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.verify import criteria as verify_criteria
from ralph.verify.model import Gate, GateResult

PLAN = """\
# Plan

- [ ] T1 keys
  - Done when:
    - [ ] `make test` is green
    - [ ] a key opens the door
      - [x] also at night
    - [ ] a key opens the door
  - Out of scope:
    - [ ] `make locks`
  - [ ] T3 wards

    Acceptance criteria:

    1. [ ] `make wards`
    2. [ ] `make test`, and then `make lint`
- [ ] T2 doors

## Definition of done

- [ ] `make test`
"""


def read(text: str) -> Prd:
    return prd.parse(text.encode())


def results(**ok: bool) -> list[GateResult]:
    return [GateResult(Gate(f"make {name}"), green, 0 if green else 1) for name, green in ok.items()]


def test_whose_they_are() -> None:
    found = read(PLAN)
    assert [(one.task, one.line, one.text, one.done, one.asked) for one in found.criteria] == [
        ("T1", 5, "`make test` is green", False, True),
        ("T1", 6, "a key opens the door", False, True),
        ("T1", 7, "also at night", True, True),
        ("T1", 8, "a key opens the door", False, True),
        ("T1", 10, "`make locks`", False, False),
        ("T3", 15, "`make wards`", False, True),
        ("T3", 16, "`make test`, and then `make lint`", False, True),
        (None, 21, "`make test`", False, True),
    ]
    assert [task.id for task in found.tasks] == ["T1", "T3", "T2"]
    assert all(found.data[one.offset - 1 : one.offset + 2] in (b"[ ]", b"[x]") for one in found.criteria)


def test_a_quoted_box_is_nobodys() -> None:
    assert read("- [ ] a\n  > - Done when:\n  >   - [ ] b\n").criteria == ()


@pytest.mark.parametrize(
    ("ran", "lines"),
    [
        (results(test=True), [5, 16]),
        (results(test=False), []),
        (results(test=True, lint=True, wards=True), [5, 15, 16]),
        (results(test=True, lint=False), [5]),
        (results(wards=True, locks=True), [15, 10]),
        (results(tes=True), []),
        ([*results(test=True), *results(test=False)], []),
        ([GateResult(Gate("make test"), ok=False, none=True)], []),
        ([], []),
    ],
)
def test_what_a_check_confirms(ran: list[GateResult], lines: list[int]) -> None:
    """Only a code span that is the whole command counts, and each command that is named must be green."""
    found = read(PLAN)
    confirmed = {one.line for one in verify_criteria.proven(found.criteria, ran) if one.task}
    assert confirmed == set(lines)


def test_what_may_be_confirmed_stood_there_at_the_start_and_is_open() -> None:
    now = read(PLAN.replace("    - [ ] a key opens", "    - [ ] it is free\n    - [ ] a key opens", 1))
    assert [one.line for one in criteria.to_confirm(now, "T1", read(PLAN))] == [5, 7, 9]
    assert [one.line for one in criteria.to_confirm(now, "T3", read(PLAN))] == [16, 17]
    assert criteria.to_confirm(now, "T2", read(PLAN)) == ()


def test_they_are_found_again_in_another_text() -> None:
    before = read(PLAN)
    second = [one for one in before.criteria if one.line == 8]
    now = PLAN.replace("# Plan", "# The plan\n\nA word.").replace("`make test` is green", "all is green")
    kept = prd.confirm(read(now), second, before).data.decode()
    assert kept.splitlines()[9] == "    - [x] a key opens the door"
    assert kept.count("[x]") == 2


def test_what_became_ticked_goes_back() -> None:
    before = read(PLAN)
    now = read(PLAN.replace("[ ] `make wards`", "[x] `make wards`").replace("T2 doors", "T2 doors and gates"))
    assert [one.text for one in prd.difference(before, now).criteria] == ["`make wards`"]
    assert prd.without_new_ticks(before, now).data.decode() == PLAN.replace("T2 doors", "T2 doors and gates")


def test_what_was_written_with_a_tick_stays() -> None:
    now = read(PLAN.replace("    - [ ] a key", "    - [x] it is free\n    - [ ] a key", 1))
    assert prd.without_new_ticks(read(PLAN), now) == now


LINES = st.sampled_from(
    ["- [ ] T1 a", "- [ ] b", "  - Done when:", "    - [ ] `x` is green", "    * [ ] y", "    - [x] z", "",
     "  - Out of scope:", "## Acceptance criteria", "  Definition of done:", "  - [ ] c", "\t- [ ]\tq", "words"]
)  # fmt: skip


@given(st.lists(LINES, max_size=16), st.sampled_from(["\n", "\r\n"]), st.data())
def test_confirming_changes_one_byte_each_and_can_be_taken_back(
    lines: list[str], end: str, data: st.DataObject
) -> None:
    before = read(end.join(lines))
    open_ones = [one for one in before.criteria if not one.done]
    met = data.draw(st.lists(st.sampled_from(open_ones), unique=True)) if open_ones else []
    after = prd.confirm(before, met, before)
    differ = [n for n, (a, b) in enumerate(zip(before.data, after.data, strict=True)) if a != b]
    assert differ == sorted(one.offset for one in met)
    assert {one.line for one in after.criteria if one.done} - {one.line for one in before.criteria if one.done} == {
        one.line for one in met
    }
    assert [(t.id, t.done, t.fields) for t in after.tasks] == [(t.id, t.done, t.fields) for t in before.tasks]
    if all(before.data[one.offset] == ord(" ") for one in met):
        assert prd.without_new_ticks(before, after) == before
