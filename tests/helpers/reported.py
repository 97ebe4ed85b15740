"""A night to report on: two agents, a lie, a limit, a split, a parked task; and words that want out."""

from __future__ import annotations

from ralph.state import events
from ralph.state.events import Event
from ralph.state.projection import Step

START = 1_795_200_000.0  # 2026-11-20 18:40 UTC
ATTACK = (
    "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>]]>\"' onload=x \u202eevil\u2066 "
    "[a](javascript:x) | `b` ![i](http://x.example/i) --><!-- https://x.example"
)
LONG = "Keep the list in the order of the years in which the books came out, also where two came out in one"


def at(minute: float, event: Event, run: str = "r1") -> Step:
    return START + minute * 60, run, event


def stopped(n: int, seconds: float, tokens: int, cost: float | None, said: str = "Done.") -> events.AgentStopped:
    return events.AgentStopped(n, "exited", 0, seconds, tokens, cost, ended=True, said=said, tail=said)


def lie(n: int) -> events.Judged:
    return events.Judged(n, False, "w", (("ticked without work", "Ticked without any work: T2.", True),))


def red(n: int) -> events.Judged:
    found = (("a gate failed", "The gate `npm test` failed (exit code 1).", True),
             ("out of scope", "Changed outside of its files: src/a.ts.", True),
             ("the gates wrote files", "The gates wrote: out.log.", False))  # fmt: skip
    return events.Judged(n, False, "w", found)


BASE = "b" * 40
NIGHT: tuple[Step, ...] = (
    at(0, events.GateRan(0, "npm test", ok=True)),
    at(0, events.RunStarted("r1", "ralph/PRD", "main", BASE, "PRD.md", "claude", at_once=2)),
    at(0, events.Chosen(1, "T1", "T1 Count the books", 1, BASE)),
    at(0.5, events.AgentStarted(1, 11, 1.0, "claude")),
    at(1, events.Chosen(2, "T2", "T2 Find by author", 1, BASE)),
    at(1.5, events.AgentStarted(2, 12, 1.0, "codex")),
    at(9, stopped(1, 510, 120_400, 0.81)),
    at(9.5, events.GateRan(1, "npm test", ok=True, seconds=14.2)),
    at(9.6, events.Judged(1, True, "w1")),
    at(9.7, events.Recorded(1, "T1", "feedbeefcafe0000")),
    at(12, stopped(2, 630, 80_000, None)),
    at(12.2, lie(2)),
    at(12.3, events.SetAside(2, "T2", "Ticked without any work: T2.", True, "refs/ralph/r1/2/work", move="retry")),
    at(13, events.Chosen(3, "T3", f"T3 {LONG}", 1, BASE)),
    at(13.1, events.AgentStarted(3, 13, 1.0, "claude")),
    at(14, events.Chosen(4, "T2", "T2 Find by author", 2, BASE)),
    at(14.1, events.AgentStarted(4, 14, 1.0, "codex")),
    at(20, events.AgentStopped(4, "exited", 1, 350, 9_000, None, False, "rate limit", "Try again at 20:00.")),
    at(20.1, events.SetAside(4, "T2", "The agent's rate limit is used up.", False, move="wait", when=START + 3600)),
    at(20.1, events.Waiting("The agent's rate limit is used up.", START + 3600, "T2")),
    at(31, stopped(3, 1070, 300_000, 2.1)),
    at(31.4, events.GateRan(3, "npm test", ok=False, seconds=16.0)),
    at(31.5, red(3)),
    at(31.6, events.SetAside(3, "T3", "The gate `npm test` failed (exit code 1).", True, "refs/ralph/r1/3/work",
                             move="change the agent")),
    at(31.7, events.AgentChanged("T3", "codex", "Its tries are used up.")),
    at(32, events.Chosen(5, "T3", f"T3 {LONG}", 2, BASE)),
    at(32.1, events.AgentStarted(5, 15, 1.0, "codex")),
    at(50, stopped(5, 1000, 90_000, None)),
    at(50.4, events.GateRan(5, "npm test", ok=False, seconds=900.0, timed_out=True)),
    at(50.5, red(5)),
    at(50.6, events.SetAside(5, "T3", "The gate `npm test` failed (exit code 1).", True, "refs/ralph/r1/5/work",
                             move="park")),
    at(50.7, events.Parked("T3", f"T3 {LONG}", "The gate `npm test` failed (exit code 1).", "abc1234def")),
    at(60, events.Waited(2394.0)),
    at(60, events.Chosen(6, "T2", "T2 Find by author", 3, BASE)),
    at(60.1, events.AgentStarted(6, 16, 1.0, "codex")),
    at(70, stopped(6, 580, 60_000, None)),
    at(70.1, events.GateRan(6, "npm test", ok=True, seconds=13.0)),
    at(70.2, events.Reviewed(6, "claude", True, "It does what it says.", 40, 5_000, 0.05)),
    at(70.3, events.Judged(6, True, "w6")),
    at(70.4, events.Recorded(6, "T2", "c0ffee1234560000")),
    at(71, events.Chosen(7, "T4", "T4 Everything else", 1, BASE, "split")),
    at(71.1, events.AgentStarted(7, 17, 1.0, "claude")),
    at(72, stopped(7, 50, 4_000, 0.03)),
    at(72.1, events.SetAside(7, "T4", "Asked for smaller tasks.", False, move="asked")),
    at(72.2, events.Split("T4", "T4 Everything else", ("the index", "the shelf"), ("T4.1", "T4.2"), "5711700aaaa")),
    at(73, events.Chosen(8, "T5", "T5 Lend a book", 1, BASE)),
    at(73.1, events.AgentStarted(8, 18, 1.0, "claude")),
    at(74, events.AgentStopped(8, "interrupted", None, 50, 1_000, 0.01)),
    at(74.1, events.SetAside(8, "T5", "interrupted", False, move="stop")),
    at(75, events.RunEnded(3, "interrupted: the same command continues", 4500.0, 669_400, 3.0)),
)  # fmt: skip

HOSTILE: tuple[Step, ...] = (
    at(0, events.RunStarted(ATTACK, ATTACK, "main", BASE, ATTACK, ATTACK)),
    at(0, events.Chosen(1, ATTACK, ATTACK, 1, ATTACK)),
    at(1, events.AgentStarted(1, 11, 1.0, ATTACK)),
    at(2, events.AgentStopped(1, "silent", None, 60, 10, None, None, "error", ATTACK, None, ATTACK,
                              ATTACK, (ATTACK,), detail=ATTACK)),
    at(3, events.GateRan(1, ATTACK, ok=False, seconds=1.0)),
    at(3, events.Reviewed(1, ATTACK, False, ATTACK, 1.0)),
    at(4, events.Judged(1, False, ATTACK, (("a gate failed", ATTACK, True),))),
    at(5, events.SetAside(1, ATTACK, ATTACK, True, ATTACK, move=ATTACK)),
    at(5, events.Noted(ATTACK, loud=True, n=1)),
    at(6, events.Parked(ATTACK, ATTACK, ATTACK, ATTACK)),
    at(7, events.RunEnded(1, ATTACK, 60.0)),
)  # fmt: skip
