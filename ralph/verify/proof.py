"""What proves a tick: the commit that made it, read from history alone. No journal is asked.

A tick is proven when the commit that turned the box from empty to ticked carries its id in a `Ralph-Task:`
trailer, together with the run, the gates and the tree that they saw. A tick that any other commit brought in, or
none, is proven by nothing. Trailers are words: they show what ralph did, and they do not stop somebody who writes
commits by hand, with a tree that fits, from lying.
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

Trailers = Mapping[str, tuple[str, ...]]
WHOLE = ("Ralph-Run", "Ralph-Gates", "Ralph-Tree")  # what ralph writes beside each `Ralph-Task`
QUOTED = re.compile(r"(Ralph-[A-Z][a-z]+): *(\S.*?)\s*")


class ProofStatus(StrEnum):
    """How it is with a tick."""

    PROVEN = "proven"
    ALTERED = "altered"  # proven, but the commit was rebased or amended: its gates saw another tree
    SQUASHED = "squashed"  # its proof came in together with others, in one commit
    REVERTED = "reverted"  # proven once, and taken back by a later commit that left the box alone
    UNPROVEN = "unproven"
    UNKNOWN = "unknown"  # the history that would tell is not here


GOOD = (ProofStatus.PROVEN, ProofStatus.ALTERED, ProofStatus.SQUASHED)


@immutable
class ProofStep:
    """One commit that changed the PRD: what it says, the PRD in it and in its parents (b"": there was none)."""

    commit: str
    tree: str
    subject: str
    after: bytes
    before: tuple[bytes, ...] = ()
    trailers: Trailers = field(default_factory=dict)
    author: str = ""
    date: str = ""  # day of the commit, as its committer had it
    body: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.trailers.get("Ralph-Task", ())


@immutable
class Proof:
    """What is known of one tick. `commit` is the one that ticked it, "" where it is in no commit."""

    task: str
    standing: ProofStatus
    commit: str = ""
    subject: str = ""
    author: str = ""
    date: str = ""
    tree: str = ""  # of that commit
    gates: str = ""
    run: str = ""
    attempt: str = ""
    agent: str = ""
    saw: str = ""  # the tree that the gates saw
    why: str = ""  # a sentence, where there is more to say than that it is proven

    @property
    def proven(self) -> bool:
        return self.standing in GOOD

    @property
    def same_tree(self) -> bool:
        """The gates saw the very tree of the commit."""
        return self.saw == self.tree


def prove(
    now: Prd, committed: bytes, steps: Iterable[ProofStep], cut: frozenset[str] = frozenset()
) -> dict[str, Proof]:
    """A proof for each ticked box of `now`, by id.

    `committed` is the PRD at HEAD, `steps` run from new to old, `cut` are the commits where a shallow clone ends.
    """
    ticked, texts = {task.id for task in now.tasks if task.done}, unique_texts(now)
    known = done_in(committed)
    found = {task: _unproven(task, "ticked by hand, in no commit yet") for task in ticked - known}
    pending = ticked - set(found)
    for step in steps:
        if not pending:
            break
        for task in pending & ticked_by(step, texts):
            found[task] = of_step(task, step, cut)
        pending -= set(found)
    none = (
        Proof("", ProofStatus.UNKNOWN, why=CUT_OFF) if cut else _unproven("", "no commit is known that ticked it")
    )
    return found | {task: replace(none, task=task) for task in pending}


# ---------------------------------------------------------------- who ticked it


def ticked_by(step: ProofStep, texts: Mapping[str, str]) -> set[str]:
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


# ---------------------------------------------------------------- what it says of itself

BY_HAND = "ticked by hand"
CUT_OFF = "the history here is cut off (a shallow clone) before the commit that ticked it"
SQUASHED = "squashed with others"
NONE_GREEN = "no gate and no Check passed"
UNGATED = f"done, nothing proved it: {NONE_GREEN}"


def _unproven(task: str, why: str) -> Proof:
    return Proof(task, ProofStatus.UNPROVEN, why=why)


def of_step(task: str, step: ProofStep, cut: frozenset[str] = frozenset()) -> Proof:
    """The proof of a box that this commit ticked."""
    proof = Proof(
        task, ProofStatus.UNPROVEN, step.commit, step.subject, step.author, step.date, step.tree, why=BY_HAND
    )
    if task in step.tasks:
        return _from_trailers(proof, step.trailers)
    blocks = list(quoted(step.body))
    mine = next((block for block in blocks if task in block.get("Ralph-Task", ())), None)
    if mine is not None:
        return _from_squash(_from_trailers(proof, mine), blocks)
    return replace(proof, standing=ProofStatus.UNKNOWN, why=CUT_OFF) if step.commit in cut else proof


def _from_trailers(proof: Proof, trailers: Trailers) -> Proof:
    def said(name: str) -> str:
        return "; ".join(trailers.get(name, ()))

    if missing := [name for name in WHOLE if not said(name)]:
        why = f"its Ralph-Task trailer stands without {' and '.join(missing)}: ralph did not write it"
        return replace(proof, why=why)
    proof = replace(
        proof,
        standing=ProofStatus.PROVEN,
        gates=said("Ralph-Gates"),
        run=said("Ralph-Run"),
        saw=said("Ralph-Tree"),
        attempt=said("Ralph-Attempt"),
        agent=said("Ralph-Agent"),
        why="",
    )
    if not passed(proof.gates):
        return replace(proof, standing=ProofStatus.UNPROVEN, why=UNGATED)
    if proof.same_tree:
        return proof
    return replace(proof, standing=ProofStatus.ALTERED, why="rebased or amended since: the gates saw another tree")


def passed(gates: str) -> bool:
    """Whether a gate or Check passed, by a `Ralph-Gates:` trailer."""
    first = gates.partition("; ")[0]
    return bool(first) and first != "none" and not first.endswith(" (red before)")


def _from_squash(proof: Proof, blocks: list[dict[str, tuple[str, ...]]]) -> Proof:
    if not proof.proven:
        return proof
    last = any(block.get("Ralph-Tree") == (proof.tree,) for block in blocks)
    seen = "the last of their gates saw this very tree" if last else "the gates saw other trees"
    return replace(proof, standing=ProofStatus.SQUASHED, why=f"{SQUASHED}: {seen}")


def quoted(body: str) -> Iterator[dict[str, tuple[str, ...]]]:
    """The blocks of ralph's trailers in the text of a squash, which tells the messages of what it holds.

    git indents those messages by four columns. Deeper than that stands only what agents wrote.
    """
    margin = " " * 4 if "\nSquashed commit of the following:\n" in f"\n{body}" else ""
    block: dict[str, tuple[str, ...]] = {}
    for line in (*body.splitlines(), ""):
        if line.startswith(margin) and (match := QUOTED.fullmatch(line[len(margin) :])):
            block[match[1]] = (*block.get(match[1], ()), match[2])
        elif block:
            yield block
            block = {}


# ---------------------------------------------------------------- a proof that HEAD does not hold


@immutable
class LostCommit:
    """A commit of ralph's on another branch or tag than HEAD's. `kept`: commits of HEAD that hold its very tree, or
    the tree of one that was built on it."""

    commit: str
    trailers: Trailers
    where: str = ""  # a ref that holds it
    kept: frozenset[str] = frozenset()


def found_elsewhere(proof: Proof, lost: Iterable[LostCommit]) -> Proof:
    """The same tick, where another branch has its proof: good if its tree came in by a squash, else it is told."""
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
