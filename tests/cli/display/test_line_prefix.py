"""The screen of a run with several attempts at once: whose line each of them is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.display.line_prefix import LinePrefix
from ralph.cli.display.lines import lines, printer
from ralph.state import events
from ralph.state.events import Event

START = events.RunStarted(
    "r1", "ralph/PRD", "main", "1a2b3c4d5e", "PRD.md", "claude", 7, ("npm test",), ("Limits: $20.",), at_once=3
)
BOTH = "list.js was changed on both sides at the same place, here and by “T1 Count the books”."
EVENING: tuple[Event, ...] = (
    events.GateRan(0, "npm test", ok=True, seconds=3.21),
    START,
    events.Chosen(1, "T1", "T1 Count the books", 1, "1a2b3c4"),
    events.Sent(1, 101, 1.0, 1),
    events.Chosen(2, "T2", "T2 Find by author", 1, "1a2b3c4"),
    events.Sent(2, 102, 1.0, 2),
    events.Chosen(3, "0f9e8d7c", "Keep the order", 1, "1a2b3c4"),
    events.Sent(3, 103, 1.0, 3),
    events.Noted("Not protected in its worktree: dump.sql", n=3),
    events.AgentStarted(2, 202, 1.0, "claude"),
    events.AgentReported(2, "Edit list.js", 1200, 0.02),
    events.AgentReported(1, "Edit count.js", 900, 0.01),
    events.AgentStopped(2, "exited", 0, 58.4, 12_400, 0.21, ended=True),
    events.AgentStopped(1, "exited", 0, 61.0, 9_000, 0.11, ended=True),
    events.GateRan(1, "npm test", ok=True, seconds=3.4),
    events.Judged(1, True, "beef"),
    events.Recorded(1, "T1", "feedbeefcafe"),
    events.Judged(2, False, "dead", (("clash", BOTH, True),)),
    events.SetAside(2, "T2", BOTH, False, "refs/ralph/r1/2/work", move="retry"),
    events.Chosen(4, "T2", "T2 Find by author", 2, "feedbee"),
    events.AgentStopped(3, "exited", 1, 70.0, failure="rate limit", message="resets 8pm"),
    events.SetAside(3, "0f9e8d7c", "The agent's rate limit is used up.", False, move="wait", when=1_800_000_000.0),
    events.Noted("A limit was hit, so from now on at most 1 at once."),
    events.Waiting("The agent's rate limit is used up.", 1_800_000_000.0, "0f9e8d7c"),
    events.AgentStopped(4, "silent", None, 601.0, 3_100_000, None),
    events.GateRan(4, "npm test", ok=False, seconds=2.0),
    events.Reviewed(4, "codex", ok=False, text="list.js:7: the order is lost", seconds=12.0, tokens=900),
    events.Judged(4, False, "dead", (("a gate failed", "`npm test` fails: exit code 1.", True),)),
    events.SetAside(4, "T2", "`npm test` fails: exit code 1.", True, "refs/ralph/r1/4/work", move="park"),
    events.Parked("T2", "T2 Find by author", "`npm test` fails: exit code 1.", "c0ffee"),
    events.Waited(299.5),
    events.Chosen(5, "a-very-long-name", "Borrow and return", 1, "feedbee", "split"),
    events.Split("a-very-long-name", "Borrow and return", ("Borrow a book", "Return a book"), ("a", "b")),
    events.Noted("The gates once more, in a fresh checkout of all that was accepted."),
    events.GateRan(0, "npm test", ok=True, seconds=3.4),
    events.RunEnded(1, "finished, 1 parked for a human", 3723.0, 120_000, 1.2),
)
IN_ORDER = (replace(START, at_once=1), *EVENING[2:4], *EVENING[-1:])


def told(*seen: Event, verbose: bool = False) -> list[str]:
    teller = LinePrefix()
    return [line for event in seen for line in teller.lines(event, verbose)]


@pytest.mark.parametrize("verbose", [False, True], ids=["plain", "verbose"])
def test_three_at_once(verbose: bool, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(told(*EVENING, verbose=verbose)) == snapshot


@pytest.mark.parametrize("at_once", [0, 1])
def test_one_after_the_other_has_no_column(at_once: int) -> None:
    seen = (replace(START, at_once=at_once), *EVENING[2:])
    assert told(*seen) == [line for event in seen for line in lines(event)]


@pytest.mark.parametrize(
    ("at_once", "said"), [(0, "gates: "), (1, "one agent at a time, in a worktree"), (3, "up to 3 agents at once")]
)
def test_the_second_line_says_where(at_once: int, said: str) -> None:
    assert said in told(replace(START, at_once=at_once))[1]


def test_a_run_that_is_taken_up_again_knows_the_attempts_that_began_before() -> None:
    teller = LinePrefix()
    for event in EVENING[:6]:
        teller.learn(event)
    teller.lines(replace(START, resumed=True))
    assert teller.lines(EVENING[12])[0].startswith("T2   agent    exited with 0")


def test_the_words_are_coloured_behind_the_column_too() -> None:
    class Terminal:
        """Remembers what was written to a terminal that knows colours."""

        encoding, said = "utf-8", ""

        def write(self, text: str) -> int:
            self.said += text
            return len(text)

        def isatty(self) -> bool:
            return True

        def flush(self) -> None: ...

    def coloured(line: str) -> list[str]:
        terminal = Terminal()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TERM", "xterm-256color")
            patch.delenv("NO_COLOR", raising=False)
            printer(terminal)(line)  # type: ignore[arg-type]
        return re.findall(r"\x1b\[[\d;]*[1-9]m([^\x1b]+)", terminal.said)

    for line in (
        "12:00:00 done     T1 is it",
        "12:00:00 T1   done     T1 is it",
        "12:00:00      done     all",
        "done     x",
    ):
        assert [one.strip() for one in coloured(line)] == ["done"], line
    assert coloured("12:00:00 note     done is a word") == []
