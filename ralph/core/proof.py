"""What proves a tick: the commit that made it, read from history alone. No journal is asked.

A tick is proven when the commit that turned the box from empty to ticked carries its id in a `Ralph-Task:`
trailer. A tick that any other commit brought in, or none, is proven by nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ralph.core import prd
from ralph.errors import RalphError
from ralph.model import Prd


@dataclass(frozen=True, slots=True)
class Step:
    """One commit that changed the PRD: what it says, the PRD in it and in its parents (b"": there was none)."""

    commit: str
    tree: str
    subject: str
    after: bytes
    before: tuple[bytes, ...] = ()
    trailers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.trailers.get("Ralph-Task", ())

    def trailer(self, name: str) -> str:
        return "; ".join(self.trailers.get(name, ()))


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of one tick. `commit` is the one that ticked it, "" where it is in no commit."""

    task: str
    proven: bool
    commit: str = ""
    subject: str = ""
    gates: str = ""
    run: str = ""
    attempt: str = ""
    agent: str = ""
    same_tree: bool = True  # False: rebased or amended since, the gates saw another tree
    why: str = ""  # not proven: a sentence


def prove(now: Prd, committed: bytes, steps: Iterable[Step]) -> dict[str, Proof]:
    """A proof for each ticked box of `now`, by id. `committed` is the PRD at HEAD, `steps` run from new to old."""
    open_ids = {task.id for task in now.tasks if task.done}
    known = done_in(committed)
    found = {task: Proof(task, proven=False, why="ticked by hand, in no commit yet") for task in open_ids - known}
    pending = open_ids - set(found)
    for step in steps:
        if not pending:
            break
        for task in pending & ticked_by(step):
            found[task] = _proof(task, step)
        pending -= set(found)
    return found | {task: Proof(task, proven=False, why="no commit is known that ticked it") for task in pending}


def ticked_by(step: Step) -> set[str]:
    """The ids of the boxes that are ticked after this commit and in none of its parents."""
    if len(step.before) == 1 and _only_ticks(step.before[0], step.after) == len(step.tasks) > 0:
        return set(step.tasks)
    return done_in(step.after).difference(*(done_in(before) for before in step.before))


def done_in(data: bytes) -> set[str]:
    """The ids of the ticked boxes of a PRD; none where it can't be read."""
    try:
        return {task.id for task in prd.parse(data).tasks if task.done}
    except RalphError:
        return set()


def _only_ticks(before: bytes, after: bytes) -> int:
    """How many spaces became `x`, where nothing else differs; else -1. Spares two parses for most commits."""
    if len(before) != len(after):
        return -1
    differ = [n for n in range(len(before)) if before[n] != after[n]] if before != after else []
    return len(differ) if all(before[n] == 32 and after[n] == 120 for n in differ) else -1


def _proof(task: str, step: Step) -> Proof:
    if task not in step.tasks:
        return Proof(task, proven=False, commit=step.commit, subject=step.subject, why="ticked by hand")
    return Proof(
        task, proven=True, commit=step.commit, subject=step.subject, gates=step.trailer("Ralph-Gates"),
        run=step.trailer("Ralph-Run"), attempt=step.trailer("Ralph-Attempt"), agent=step.trailer("Ralph-Agent"),
        same_tree=step.trailer("Ralph-Tree") in ("", step.tree),
    )  # fmt: skip
