"""What a run shows, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from ralph.cli.display.lines import count, duration, lines, printer, spent
from ralph.state import events
from ralph.state.events import EVENTS, Event

NIGHT: tuple[Event, ...] = (
    events.Noted("Untracked files of more than 1 MB are not protected: dump.sql", loud=True),
    events.GateRan(0, "npm test", ok=True, seconds=3.21),
    events.GateRan(0, "npm run e2e", ok=False, none=True),
    events.RunStarted(
        "r1",
        "ralph/PRD",
        "main",
        "1a2b3c4d5e",
        "PRD.md",
        "claude",
        7,
        ("npm test",),
        ("Limits: $20, 8 h, 50 attempts; 2 retries for each task.",),
    ),
    events.Chosen(1, "T1", "T1 Count the books", 1, "1a2b3c4d5e"),
    events.WorkspaceReady(1, "abc", ("dump.sql",)),
    events.AgentStarted(1, 77, 1.0, "claude"),
    events.AgentReported(1, "Edit books.py", 1200, 0.02),
    events.AgentStopped(1, "exited", 0, 58.4, 12_400, 0.21, ended=True),
    events.Placed(1, ()),
    events.GateRan(1, "npm test", ok=True, seconds=3.4),
    events.Judged(1, True, "beef", (("the gates wrote files", "The gates wrote coverage.xml.", False),)),
    events.Publishing(1, "feedbee", "1a2b3c4"),
    events.Recorded(1, "T1", "feedbeefcafe", ("T0",)),
    events.Chosen(2, "0f9e8d7c", "Find by author", 2, "feedbee"),
    events.AgentStopped(2, "silent", None, 601.0, 3_100_000, None),
    events.AgentStopped(2, "silent", None, 601.0, 3_100_000, 1.2, about=True),
    events.AgentStopped(2, "silent", None, 601.0, 400, None, about=True),
    events.SetAside(2, "T2", "interrupted", False, tokens=600_000, cost=3.0, about=True),
    events.Learned("claude", "claude-opus-5-5", 1_000_000, (4.0, 0.2, 20.0)),
    events.GateRan(2, "npm test", ok=False, seconds=2.0, base_tests=True),
    events.GateRan(2, "npm run lint", ok=False, seconds=900.0, timed_out=True),
    events.Judged(
        2,
        False,
        "dead",
        (
            ("a gate failed", "`npm test` fails: exit code 1.", True),
            ("out of scope", "README.md is outside of the task's Files.", True),
        ),
    ),
    events.SetAside(2, "0f9e8d7c", "`npm test` fails: exit code 1.", True, "refs/ralph/r1/2/work"),
    events.SetAside(3, "T3", "The agent's rate limit is used up.", False),
    events.AgentStopped(4, "exited", 1, 2.0, failure="not logged in", message="Please run /login"),
    events.Parked("T3", "T3 Keep the order", "`npm test` fails: exit code 1.", "c0ffee"),
    events.Sent(9, 4711, 1.0, 2),
    events.Reopened("T3", "T3 Keep the order", "Red in a fresh checkout since commit c0ffee: npm test.", "c0ffee"),
    events.Moved("docs(prd): edited by hand", "c0ffee1"),
    events.Moved("chore(prd): park T3", "c0ffee2"),
    events.Noted("Box 4 was ticked while T3 ran: it goes back.", detail="- [x] T4"),
    events.Chosen(5, "T4", "T4 Borrow and return", 4, "feedbee", "split"),
    events.SetAside(5, "T4", "asked for: split", False, "refs/ralph/r1/5/work", move="asked"),
    events.Split(
        "T4", "T4 Borrow and return", ("Borrow a book", "Return a book", "Tests for both"), ("a", "b", "c")
    ),
    events.AgentStopped(6, "going in circles", -15, 61.0, detail="`Bash: npm test` gave the same result 3 times."),
    events.AgentChanged("T5", "codex (gpt-5)", "`npm test` fails: exit code 1."),
    events.Waiting("The agent's rate limit is used up.", 1_800_000_000.0, "T5"),
    events.Waited(299.5),
    events.Waited(1.5, "the task was skipped"),
    events.Paused("20 tasks were accepted since the last look.", checkpoint=True, until=1_800_000_000.0),
    events.Resumed(61.0),
    events.Skipped("T5", "T5 Reserve a book"),
    events.Reviewed(7, "codex", ok=False, text="books.py:7: the order is lost", seconds=12.0, tokens=900),
    events.Reviewed(8, "codex", ok=None, seconds=12.0),
    events.Continued(38_820.0),
    events.Chosen(9, "T6", "T6 All of it", 1, "feedbee", "check"),
    events.RunEnded(1, "finished, 1 parked for a human", 3723.0, 120_000, 1.2),
)


@pytest.mark.parametrize("verbose", [False, True], ids=["plain", "verbose"])
def test_a_night(verbose: bool, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(line for event in NIGHT for line in lines(event, verbose)) == snapshot


def test_every_event_can_be_shown() -> None:
    assert {type(event) for event in NIGHT} == set(EVENTS.values())


@given(
    st.text(alphabet=st.one_of(st.sampled_from("\x1b[]07;\x07\x9b\r\n\t2J\u202e"), st.characters()), max_size=60)
)
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    hostile = (
        events.Noted(text, loud=True, detail=text), events.Chosen(1, text, text, 2, text),
        events.Parked(text, text, text),
        events.AgentReported(1, text), events.Judged(1, False, "", ((text, text, True),)), events.RunEnded(0, text),
        events.AgentStopped(1, text, 1, failure=text, message=text), events.SetAside(1, text, text, False, text),
        events.RunStarted(text, text, "", text, text, text, 1, (text,), (text,)),
    )  # fmt: skip
    shown = "".join(line for event in hostile for line in lines(event, verbose=True))
    assert not [char for char in shown if ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2066"]


def test_numbers() -> None:
    assert [duration(one) for one in (0.04, 9.94, 58.4, 723, 28_800)] == ["0.04s", "9.9s", "58s", "12m 3s", "8h 0m"]
    assert [count(one) for one in (0, 950, 12_400, 3_100_000)] == ["0", "950", "12.4k", "3.1M"]
    assert spent(58, 0, None) == "58s"
    assert spent(58, 1000, 0.0) == "58s, 1.0k tokens, $0.00"


def test_colours_leave_the_words_alone(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    show = printer(sys.stdout)
    show("12:00:00 done     T1 [bold]is[/bold] :smile: commit " + "x" * 200)
    assert capsys.readouterr().out == "12:00:00 done     T1 [bold]is[/bold] :smile: commit " + "x" * 200 + "\n"
