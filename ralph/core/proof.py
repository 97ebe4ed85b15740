"""What proves a tick: the commit that made it, read from history alone. No journal is asked.

A tick is proven when the commit that turned the box from empty to ticked carries its id in a `Ralph-Task:`
trailer. A tick that any other commit brought in, or none, is proven by nothing.
"""

from __future__ import annotations

from collections import Counter
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
    ticked, texts = {task.id for task in now.tasks if task.done}, unique_texts(now)
    known = done_in(committed)
    found = {task: Proof(task, proven=False, why="ticked by hand, in no commit yet") for task in ticked - known}
    pending = ticked - set(found)
    for step in steps:
        if not pending:
            break
        for task in pending & ticked_by(step, texts):
            found[task] = _proof(task, step)
        pending -= set(found)
    return found | {task: Proof(task, proven=False, why="no commit is known that ticked it") for task in pending}


def ticked_by(step: Step, texts: Mapping[str, str]) -> set[str]:
    """The ids of the boxes that are ticked after this commit and in none of its parents.

    `texts` holds the texts that belong to one task only, with its id: most commits need no parse then.
    """
    if len(step.before) == 1:
        lines = _ticked_lines(step.before[0], step.after)
        ids = {texts.get(line, "") for line in lines}
        if lines and "" not in ids:
            return ids
    return done_in(step.after).difference(*(done_in(before) for before in step.before))


def unique_texts(now: Prd) -> dict[str, str]:
    """Text -> id, for the texts that no two tasks share."""
    often = Counter(task.text for task in now.tasks)
    return {task.text: task.id for task in now.tasks if often[task.text] == 1}


def done_in(data: bytes) -> set[str]:
    """The ids of the ticked boxes of a PRD; none where it can't be read."""
    try:
        return {task.id for task in prd.parse(data).tasks if task.done}
    except RalphError:
        return set()


def _ticked_lines(before: bytes, after: bytes) -> list[str]:
    """The texts behind the boxes, where a space became an `x` in some lines and nothing else differs; else none."""
    if len(before) != len(after):
        return []
    pairs = zip(before.split(b"\n"), after.split(b"\n"), strict=False)
    changed = [(old, new) for old, new in pairs if old != new]
    if any(old.replace(b"[ ] ", b"[x] ", 1) != new for old, new in changed):
        return []
    return [" ".join(new.partition(b"[x] ")[2].decode(errors="replace").split()) for _, new in changed]


def _proof(task: str, step: Step) -> Proof:
    if task not in step.tasks:
        return Proof(task, proven=False, commit=step.commit, subject=step.subject, why="ticked by hand")
    return Proof(
        task, proven=True, commit=step.commit, subject=step.subject, gates=step.trailer("Ralph-Gates"),
        run=step.trailer("Ralph-Run"), attempt=step.trailer("Ralph-Attempt"), agent=step.trailer("Ralph-Agent"),
        same_tree=step.trailer("Ralph-Tree") in ("", step.tree),
    )  # fmt: skip
