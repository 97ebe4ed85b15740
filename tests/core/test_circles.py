"""Steps and messages in a row: how often, how long a round, how alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.core.circles import OPEN, Messages, Steps
from ralph.model import Kind, Signal

REPORT = [f"test {name} passed" for name in "abcdefghijklmnopqrst"]


def steps(rows: list[tuple[str, str]], circles: int = 3, similarity: float = 0.85) -> str:
    """The circle after these commands and their results."""
    made = Steps(circles, similarity, 600.0, 0.0)
    for command, result in rows:
        made.begin(Signal(Kind.TOOL, tool="Bash", command=command))
        made.end(Signal(Kind.TOOL_DONE, result), 1.0)
    return made.circle(1.0)


@pytest.mark.parametrize(
    ("letters", "circles", "found"),
    [
        ("aaa", 3, True),
        ("aa", 3, False),
        ("aaaa", 5, False),
        ("aaaaa", 5, True),
        ("ababab", 3, True),
        ("xyababab", 3, True),
        ("ababa", 3, False),
        ("abab", 2, True),
        ("aabaabaab", 3, True),
        ("abcacbabc", 3, False),
        ("ababxab", 3, False),
        ("abcdefghij" * 3, 3, True),
        ("abcdefghijk" * 3, 3, False),  # a longer round than ten steps is not looked for
        ("abcdefghij" * 2, 3, False),
    ],
)
def test_rounds(letters: str, circles: int, *, found: bool) -> None:
    assert bool(steps([(f"run {letter}", "the same") for letter in letters], circles)) is found


@pytest.mark.parametrize(
    ("results", "found"),
    [
        (["same"] * 3, True),
        (["one", "two", "three"], False),
        (["", "", ""], True),
        (["pid 411 took 3 s", "pid 897 took 5 s", "pid 12 took 4 s"], True),
        (["at 0x7f3a1", "at 0x99b21", "at 0x5caa7"], True),
        (["10% done", "20% done", "30% done"], False),
        (["3 of 9 files", "4 of 9 files", "5 of 9 files"], False),
        (["5 tests failed", "4 tests failed", "3 tests failed"], False),
        (["17", "18", "19"], False),
        (["\n".join([*REPORT, f"and {word}"]) for word in ("this", "that", "those")], True),
        (["\n".join([*REPORT[:4], f"and {word}"]) for word in ("this", "that", "those")], False),
        (["\n".join(REPORT), "\n".join(reversed(REPORT)), "\n".join(REPORT)], False),
    ],
)
def test_results(results: list[str], *, found: bool) -> None:
    assert bool(steps([("make", result) for result in results])) is found


def test_the_similarity_is_the_users() -> None:
    results = [("make", "\n".join([*REPORT[:4], f"and {word}"])) for word in ("this", "that", "those")]
    assert not steps(results, similarity=0.85)
    assert steps(results, similarity=0.75)


def test_the_whole_round_is_named() -> None:
    assert (
        steps([("make a", "x"), ("make b", "y")] * 3) == "`make a`; `make b`, 3 times in a row with the same result"
    )


def test_two_tools_at_a_time() -> None:
    made = Steps(3, 0.85, 600.0, 0.0)
    for _ in range(3):
        made.begin(Signal(Kind.TOOL, tool="Bash", command="a"))
        made.begin(Signal(Kind.TOOL, tool="Bash", command="b"))
        made.end(Signal(Kind.TOOL_DONE, "result of a"), 1.0)
        made.end(Signal(Kind.TOOL_DONE, "result of b"), 1.0)
    assert made.open == 0
    assert made.circle(1.0).startswith("`a`; `b`, 3 times")


def test_a_result_of_nothing_is_no_step() -> None:
    made = Steps(3, 0.85, 600.0, 0.0)
    for _ in range(9):
        made.end(Signal(Kind.TOOL_DONE, "late"), 1.0)
    assert not made.circle(1.0)


def test_calls_that_never_end_are_forgotten() -> None:
    made = Steps(3, 0.85, 600.0, 0.0)
    for _ in range(3 * OPEN):
        made.begin(Signal(Kind.TOOL, tool="Bash", command="a"))
    assert made.open == OPEN


@given(st.lists(st.sampled_from("ab"), max_size=40))
def test_a_step_that_never_was_breaks_every_circle(letters: list[str]) -> None:
    rows = [(f"run {letter}", "same") for letter in letters]
    assert not steps([*rows, ("run something new", "same")])


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["Let me try that again."] * 3, True),
        (["Let me try that again."] * 2, False),
        (["", "", ""], False),
        (["I am done with the first of all the files, and it works well now."] * 2
         + ["I am done with the first of all the files, and it works well then."], True),
        (["I fixed a.py", "I fixed b.py", "I fixed c.py"], False),
        (["Still running 3/10", "Still running 4/10", "Still running 5/10"], False),
        (["Again.", "Something else.", "Again.", "Something else.", "Again."], False),
    ],
)  # fmt: skip
def test_messages(texts: list[str], *, found: bool) -> None:
    messages = Messages(3, 0.85)
    for text in texts:
        messages.say(text)
    assert bool(messages.circle()) is found
