"""What on a terminal is new, and what comes again and again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents.watchdog.screen import REMEMBERED, STRETCH, ScreenText, essence

SAME = """
⠋ Waiting for the model...          ⠙ Waiting for the model.
| Building                          / Building
Downloading 12% 3.4MB/s ETA 0:12    Downloading 97% 11MB/s ETA 0:01
Compiling [=====>      ] 12/340     Compiling [========>   ] 201/340
took 0.31 s                         took 12 ms
object at 0x7f3a99                  object at 0x55d0aa
commit c8b1164                      commit 1f0034e
2026-11-21 08:00:01 GET /health     2026-11-21 08:00:31 GET /health
"""
DIFFERENT = """
running py310                       running py311
Compiling serde v1.0                Compiling tokio v1.0
test a ... ok                       test b ... ok
décoder                             encoder
"""


def pairs(table: str) -> list[list[str]]:
    return [[line[:36].strip(), line[36:].strip()] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("one", "other"), pairs(SAME))
def test_the_same(one: str, other: str) -> None:
    assert essence(one) == essence(other) != ""


@pytest.mark.parametrize(("one", "other"), pairs(DIFFERENT))
def test_different(one: str, other: str) -> None:
    assert essence(one) != essence(other)


@pytest.mark.parametrize("text", ["", "...", "⠋", "12:04:33", "====> 33% (3/10)", "░░██", "\n \n"])
def test_nothing_is_in_it(text: str) -> None:
    assert not essence(text)
    assert not ScreenText().show(text)


def windows(lines: list[str], at_once: int, size: int = 30) -> list[str]:
    """The last lines of a growing output, told after every few lines."""
    return ["\n".join(lines[max(0, end - size) : end]) for end in range(at_once, len(lines) + 1, at_once)]


def letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def test_a_loop_of_lines_is_new_once() -> None:
    screen = ScreenText()
    loop = [f"line {letters(n)}" for n in range(200)]
    told = [screen.show(window) for window in windows(loop * 5, at_once=7)]
    assert all(told[:28])
    assert not any(told[30:])


@pytest.mark.parametrize(("at_once", "least"), [(1, 9), (3, 9), (7, 9), (19, 9), (30, 2), (47, 2)])
def test_rounds_are_counted_whatever_the_pieces(at_once: int, least: int) -> None:
    """Where lines are missed between two windows they can only be guessed, and never too many."""
    screen, loop = ScreenText(), [f"line {letters(n)}" for n in range(25)]
    for window in windows(loop * 12, at_once):
        screen.show(window)
    assert least <= screen.rounds() <= 11


def test_what_has_few_different_lines_has_no_rounds() -> None:
    screen, few = ScreenText(), [f"pod {letters(n)} is running" for n in range(STRETCH - 1)]
    for window in windows(few * 50, 5):
        screen.show(window)
    assert screen.rounds() == 0


def test_something_new_begins_the_count_again() -> None:
    screen, loop = ScreenText(), [f"line {letters(n)}" for n in range(25)]
    for window in windows([*loop * 12, "now for something else", "and"], 9):
        screen.show(window)
    screen.show("\n".join([*loop[:5], "now for something different", "end"]))
    assert screen.rounds() == 0


def test_a_line_that_is_still_being_written_is_not_new_each_time() -> None:
    screen = ScreenText()
    screen.show("one\ntwo\nthree\nfour")
    assert screen.show("one\ntwo\nthree\nfour\nfi")
    assert not screen.show("one\ntwo\nthree\nfour\nfive and a ha")
    assert not screen.show("one\ntwo\nthree\nfour\nfive and a half")
    assert screen.show("one\ntwo\nthree\nfour\nfive and a half\nsix")


def test_a_line_that_lost_its_beginning_is_nothing_new() -> None:
    screen, text = ScreenText(), "alpha and omega\nbeta\ngamma\ndelta"
    screen.show(f"before it\n{text}")
    assert not any(screen.show(text[cut:]) for cut in range(10))


@given(st.lists(st.text("ab c12\n.", max_size=40), max_size=50))
def test_what_was_shown_just_before_is_nothing_new(texts: list[str]) -> None:
    screen = ScreenText()
    for text in texts:
        screen.show(text)
        assert not screen.show(text)


def test_old_lines_are_forgotten_and_new_again() -> None:
    screen = ScreenText()
    screen.show("the first")
    for n in range(REMEMBERED):
        screen.show(f"line {letters(n)}")
    assert screen.show("the first")


def test_what_comes_again_is_not_forgotten() -> None:
    screen = ScreenText()
    screen.show("the first")
    for n in range(2 * REMEMBERED):
        screen.show(f"line {letters(n)}")
        assert n % 1000 or not screen.show("the first")
