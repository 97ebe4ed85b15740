"""The proof of a tick: the commit that made it, read from git history alone, not from the journal.

A tick is proven if the commit that ticked the box carries its id in a `Ralph-Task:` trailer, together with the run,
the gates and the tree that they tested. A tick without a commit, or by any other commit, is not proven. Trailers
show what ralph did; they do not stop a person from forging a commit with a tree that fits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from enum import StrEnum

from ralph.errors import RalphError
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.verify.levels import UNKNOWN, of_parents, of_trailer

Trailers = Mapping[str, tuple[str, ...]]
WHOLE = ("Ralph-Run", "Ralph-Gates", "Ralph-Tree")  # the trailers beside each `Ralph-Task`
QUOTED = re.compile(r"(Ralph-[A-Z][a-z]+): *(\S.*?)\s*")


class ProofStatus(StrEnum):
    """The state of a tick's proof."""

    PROVEN = "proven"
    ALTERED = "altered"  # proven, but the commit was rebased or amended: its gates tested another tree
    SQUASHED = "squashed"  # its proof arrived together with others, in one commit
    REVERTED = "reverted"  # proven once, and reverted by a later commit that left the box alone
    UNPROVEN = "unproven"
    UNKNOWN = "unknown"  # the history that would decide is missing


GOOD = (ProofStatus.PROVEN, ProofStatus.ALTERED, ProofStatus.SQUASHED)


@immutable
class ProofStep:
    """A commit that changed the PRD: its message, the PRD in it and in its parents (b"": no PRD)."""

    commit: str
    tree: str
    subject: str
    after: bytes
    before: tuple[bytes, ...] = ()
    trailers: Trailers = field(default_factory=dict)
    author: str = ""
    date: str = ""  # committer's day
    body: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.trailers.get("Ralph-Task", ())


@immutable
class Proof:
    """The proof of one tick. `commit` made the tick; "" if no commit did."""

    task: str
    standing: ProofStatus
    commit: str = ""
    subject: str = ""
    author: str = ""
    date: str = ""
    tree: str = ""  # tree of that commit
    gates: str = ""
    run: str = ""
    attempt: str = ""
    agent: str = ""
    saw: str = ""  # the tree that the gates tested
    level: str = ""  # how strongly, by `Ralph-Proof:`; "": recorded before there were levels
    why: str = ""  # a sentence if the status alone is not enough

    @property
    def proven(self) -> bool:
        return self.standing in GOOD

    @property
    def same_tree(self) -> bool:
        """Whether the gates tested the very tree of the commit."""
        return self.saw == self.tree


def prove(
    now: Prd, committed: bytes, steps: Iterable[ProofStep], cut: frozenset[str] = frozenset()
) -> dict[str, Proof]:
    """Return a proof for each ticked box of `now`, by id.

    `committed` is the PRD at HEAD, `steps` run from new to old, `cut` are the commits at which a shallow clone
    ends.
    """
    ticked, texts = {task.id for task in now.tasks if task.done}, unique_texts(now)
    known = done_in(committed)
    proofs = {task: _unproven(task, "ticked by hand, in no commit yet") for task in ticked - known}
    pending = ticked - set(proofs)
    for step in steps:
        if not pending:
            break
        for task in pending & ticked_by(step, texts):
            proofs[task] = of_step(task, step, cut)
        pending -= set(proofs)
    none = (
        Proof("", ProofStatus.UNKNOWN, why=CUT_OFF) if cut else _unproven("", "no commit is known that ticked it")
    )
    return proofs | {task: replace(none, task=task) for task in pending}


# ---------------------------------------------------------------- the commit that ticked it


def ticked_by(step: ProofStep, texts: Mapping[str, str]) -> set[str]:
    """Return the ids of the boxes that are ticked after this commit and in none of its parents.

    `texts` holds the texts of exactly one task, with its id: most commits then need no parse.
    """
    if len(step.before) == 1:
        lines = _ticked_lines(step.before[0], step.after)
        ids = {texts.get(line, "") for line in lines}
        if lines and "" not in ids:
            return ids
    return done_in(step.after).difference(*(done_in(before) for before in step.before))


def unique_texts(now: Prd) -> dict[str, str]:
    """Return text -> id, for the texts of exactly one task."""
    often = Counter(task.text for task in now.tasks)
    return {task.text: task.id for task in now.tasks if often[task.text] == 1}


def done_in(data: bytes) -> set[str]:
    """Return the ids of the ticked boxes of a PRD; none if it can't be read."""
    try:
        return {task.id for task in prd.parse(data).tasks if task.done}
    except RalphError:
        return set()


def _ticked_lines(before: bytes, after: bytes) -> list[str]:
    """Return the texts of the boxes if the only change is from space to `x` in some lines; otherwise []."""
    if len(before) != len(after):
        return []
    pairs = zip(before.split(b"\n"), after.split(b"\n"), strict=False)
    changed = [(old, new) for old, new in pairs if old != new]
    if any(old.replace(b"[ ] ", b"[x] ", 1) != new for old, new in changed):
        return []
    return [" ".join(new.partition(b"[x] ")[2].decode(errors="replace").split()) for _, new in changed]


# ---------------------------------------------------------------- its trailers

BY_HAND = "ticked by hand"
CUT_OFF = "the history here is cut off (a shallow clone) before the commit that ticked it"
SQUASHED = "squashed with others"
NONE_GREEN = "no gate and no Check passed"
UNGATED = f"done, nothing proved it: {NONE_GREEN}"


def _unproven(task: str, why: str) -> Proof:
    return Proof(task, ProofStatus.UNPROVEN, why=why)


def of_step(task: str, step: ProofStep, cut: frozenset[str] = frozenset()) -> Proof:
    """Return the proof of a box that this commit ticked."""
    proof = Proof(
        task, ProofStatus.UNPROVEN, step.commit, step.subject, step.author, step.date, step.tree, why=BY_HAND
    )
    if task in step.tasks:
        return _from_trailers(proof, step.trailers)
    blocks = list(quoted(step.body))
    trailers = next((block for block in blocks if task in block.get("Ralph-Task", ())), None)
    if trailers is not None:
        return _from_squash(_from_trailers(proof, trailers), blocks)
    return replace(proof, standing=ProofStatus.UNKNOWN, why=CUT_OFF) if step.commit in cut else proof


def _from_trailers(proof: Proof, trailers: Trailers) -> Proof:
    def trailer(name: str) -> str:
        return "; ".join(trailers.get(name, ()))

    if missing := [name for name in WHOLE if not trailer(name)]:
        why = f"its Ralph-Task trailer stands without {' and '.join(missing)}: ralph did not write it"
        return replace(proof, why=why)
    proof = replace(
        proof,
        standing=ProofStatus.PROVEN,
        gates=trailer("Ralph-Gates"),
        run=trailer("Ralph-Run"),
        saw=trailer("Ralph-Tree"),
        attempt=trailer("Ralph-Attempt"),
        agent=trailer("Ralph-Agent"),
        level=_level(proof.task, trailers.get("Ralph-Task", ()), trailer("Ralph-Proof")),
        why="",
    )
    if not passed(proof.gates):
        return replace(proof, standing=ProofStatus.UNPROVEN, why=UNGATED)
    if proof.same_tree:
        return proof
    return replace(proof, standing=ProofStatus.ALTERED, why="rebased or amended since: the gates saw another tree")


def _level(task: str, tasks: tuple[str, ...], value: str) -> str:
    """Return the level of one task of the commit: the first one is the attempt's, the others are its parents."""
    place = tasks.index(task) if task in tasks else 0
    found = (of_trailer(value), *of_parents(value))
    return found[place] if place < len(found) else UNKNOWN


def passed(gates: str) -> bool:
    """Return whether a gate or Check passed, by a `Ralph-Gates:` trailer."""
    first = gates.partition("; ")[0]
    return bool(first) and first != "none" and not first.endswith((" (red before)", " (flaky)"))


def _from_squash(proof: Proof, blocks: list[dict[str, tuple[str, ...]]]) -> Proof:
    if not proof.proven:
        return proof
    last = any(block.get("Ralph-Tree") == (proof.tree,) for block in blocks)
    seen = "the last of their gates saw this very tree" if last else "the gates saw other trees"
    return replace(proof, standing=ProofStatus.SQUASHED, why=f"{SQUASHED}: {seen}")


def quoted(body: str) -> Iterator[dict[str, tuple[str, ...]]]:
    """Yield the blocks of ralph's trailers in the message of a squash, which quotes the squashed messages.

    git indents those messages by four columns. Deeper text was written by agents.
    """
    margin = " " * 4 if "\nSquashed commit of the following:\n" in f"\n{body}" else ""
    block: dict[str, tuple[str, ...]] = {}
    for line in (*body.splitlines(), ""):
        if line.startswith(margin) and (match := QUOTED.fullmatch(line[len(margin) :])):
            block[match[1]] = (*block.get(match[1], ()), match[2])
        elif block:
            yield block
            block = {}


# ---------------------------------------------------------------- a proof outside of HEAD


@immutable
class LostCommit:
    """A commit of ralph's on a branch or tag, not in HEAD. `kept`: commits of HEAD with its very tree, or with the
    tree of a commit built on it."""

    commit: str
    trailers: Trailers
    where: str = ""  # a ref that contains it
    kept: frozenset[str] = frozenset()


def found_elsewhere(proof: Proof, lost: Iterable[LostCommit]) -> Proof:
    """Return the proof of a tick that another branch proves: good if its tree arrived by a squash, otherwise with a
    note."""
    if proof.proven or proof.why != BY_HAND:
        return proof
    for commit in lost:
        known = _from_trailers(proof, commit.trailers)
        if proof.task not in commit.trailers.get("Ralph-Task", ()) or not known.proven:
            continue
        place = f"{commit.commit[:7]} on {commit.where}" if commit.where else commit.commit[:7]
        if proof.commit in commit.kept:
            return replace(
                known, standing=ProofStatus.SQUASHED, why=f"{SQUASHED}: proven by {place}, the same tree"
            )
        return replace(proof, why=f"ticked, but what proved it ({place}) is no part of HEAD's history")
    return proof
