"""What the journal tells of a dozen stories in each mode: which events, in which order, with what decided.

Times, hashes, process ids and sentences are left out. These sequences are part of what is stored: a journal that
one version writes is continued by the next. Where several agents work at once only the order within an attempt, and
within what is told of a task or of the run, is the same each time; so they are sorted by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Repository
from tests.engine import test_recovery as test_healing
from tests.engine import test_stories
from tests.engine.parallel import test_loop as test_parallel

PLAIN = (
    "does the work and commits it",
    "lies first, then does it",
    "only ticks, in a commit",
    "crashes with half of the work",
    "breaks the tests, is told so, and repairs",
    "weakens the tests so that they pass",
    "parents are ticked with their last child",
    "a parked task does not stop what does not depend on it",
    "red gates are excused with --baseline, green ones stay green",
    "a limit on attempts",
)
HEALING = (
    "an agent that never gets to deliver uses up no try, until it has failed three times alike",
    "waits until the time that the agent told",
    "the next agent of the ladder does it",
    "split: the parent's own Check passes when all is done, without an agent",
    "split: a bad answer parks the task",
    "a context that is nearly full is handed over: the next agent has the note and the work so far",
    "tokens of one task: it is parked, and the run goes on",
    "what only a person can cure stops the run before the next task: logged_out",
    "skipped while it works: the next task is done, its box is untouched",
    "a checkpoint after each task, but none after the last",
    "the reviewer refuses, then accepts",
)
PARALLEL = (
    "four that have nothing to do with one another",
    "two change the same line: the second is told so, and does it again on top of the first",
    "both are green alone and red together: the second repairs it",
    "a chain goes one after the other, and each sees what the one before did",
    "a diamond: the two in the middle run at once",
    "what depends on a parked task waits, the others go on",
    "a lie, a tick and a crash beside good work",
    "people edit the PRD while four run",
    "a task that a person deletes while it is worked on is set aside",
    "as many tasks as were asked for, and not one more",
    "what only a file beside it lets pass is found in a fresh checkout, taken back, and done again",
    "what is taken back twice is parked",
)
MODES = {"serial": (), "isolate": ("--isolate",)}
Line = Mapping[str, Any]  # of a journal
LEFT_OUT = ("agent reported", "noted")  # told every so many seconds; sentences


def daily(*names: str, always: tuple[str, ...]) -> list[Any]:
    """Names as parameters: those of `always` in each run, the rest marked `slow` and `long` in turns."""
    return [
        pytest.param(name, marks=() if name in always else pytest.mark.long if place % 2 else pytest.mark.slow)
        for place, name in enumerate(names)
    ]


def named(stories: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(story for story in stories if story["name"] == name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", daily(*PLAIN, always=(PLAIN[1],)))
def test_plain_story(repo: Repository, name: str, mode: str, snapshot: SnapshotAssertion) -> None:
    story = named(test_stories.STORIES, name)
    play = test_stories.Play(repo, story)
    play.apart = MODES[mode]
    play.ralph(*story.get("flags", []))
    assert "\n".join(one_by_one(play.journal())) == snapshot


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", daily(*HEALING, always=(HEALING[1],)))
def test_healing_story(repo: Repository, name: str, mode: str, snapshot: SnapshotAssertion) -> None:
    play = test_healing.Healing(repo, named(test_healing.STORIES, name))
    play.apart = MODES[mode]
    play.run()
    assert "\n".join(one_by_one(play.journal())) == snapshot


@pytest.mark.parametrize("name", daily(*PARALLEL, always=(PARALLEL[1],)))
def test_story_of_several_agents(repo: Repository, name: str, snapshot: SnapshotAssertion) -> None:
    play = test_parallel.Parallel(repo, named(test_parallel.STORIES, name))
    play.run()
    assert "\n".join(by_attempt(play.journal())) == snapshot


# ---------------------------------------------------------------- a journal in a few words


def one_by_one(journal: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each event: `1  judged: accepted`, with the number of its attempt."""
    for line in journal:
        if line["event"] not in LEFT_OUT:
            yield f"{line.get('n') or '-'}  {told(line)}"


def by_attempt(journal: list[dict[str, Any]]) -> Iterator[str]:
    """The same, but sorted by attempt, and under a heading for each: its task, its number."""
    headings, parts = {0: ("", 0, 0)}, dict[tuple[str, int, int], list[str]]()
    for line in journal:
        if line["event"] == "chosen":
            again = sum(task == line["task"] for task, *_ in headings.values())
            headings[line["n"]] = line["task"], line["attempt"], again
        if line["event"] not in LEFT_OUT:
            own = headings[line.get("n", 0)] if line.get("n") else (line.get("task", ""), 0, 0)
            parts.setdefault(own, []).append(told(line))
    for (task, attempt, _), lines in sorted(parts.items()):
        yield f"{task or 'the run'}{f', attempt {attempt}' if attempt else ''}"
        yield from (f"  {line}" for line in lines)


def told(line: Line) -> str:
    """An event and what was decided in it: `set aside: T1, retry, counted`."""
    facts = FACTS.get(line["event"], task)
    values = [str(value) for value in facts(line) if value]
    return f"{line['event']}: {', '.join(values)}" if values else str(line["event"])


def task(line: Line) -> tuple[Any, ...]:
    return (line.get("task"),)


def gate(line: Line) -> tuple[Any, ...]:
    outcome = "ok" if line["ok"] else "nothing to run" if line["none"] else "red"
    return outcome, "base tests" * line["base_tests"]


def verdict(line: Line) -> tuple[Any, ...]:
    kinds = (f"{kind} ({'rejects' if rejects else 'allowed'})" for kind, _, rejects in line["findings"])
    return "accepted" if line["accepted"] else "rejected", *kinds


FACTS: dict[str, Callable[[Line], tuple[Any, ...]]] = {  # of other events only the task
    "run started": lambda line: (f"{line['at_once']} at once", "resumed" * line["resumed"]),
    "run ended": lambda line: (f"exit code {line['code']}",),
    "chosen": lambda line: (line["task"], f"attempt {line['attempt']}", line["purpose"]),
    "workspace ready": lambda line: ("carried" * line["carried"],),
    "agent started": lambda line: (line["agent"],),
    "agent stopped": lambda line: (line["why"], line["failure"]),
    "agent changed": lambda line: (line["task"], line["agent"]),
    "placed": lambda line: tuple(line["files"]),
    "gate ran": gate,
    "judged": verdict,
    "recorded": lambda line: (line["task"], *line["also"]),
    "set aside": lambda line: (
        line["task"], line["move"], "counted" * line["counted"], "work kept" * bool(line["work"])
    ),
    "split": lambda line: (line["task"], f"into {len(line['into'])}"),
    "reviewed": lambda line: ({True: "yes", False: "no", None: "unreadable"}[line["ok"]],),
    "paused": lambda line: ("checkpoint" * line["checkpoint"],),
    "moved": lambda line: (line["why"],),
}  # fmt: skip
