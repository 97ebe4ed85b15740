"""The ticks that have a proof, from one `git log -p` of the PRD: a fast form of `ralph audit`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from ralph.immutable import immutable
from ralph.prd.lookup import WRITTEN_ID
from ralph.prd.model import Prd, Task
from ralph.verify.proof import UNGATED, Proof, ProofStatus, ProofStep, Trailers, of_step

FORM = "%x00%H%x00%T%x00%(trailers:only,unfold)%x00%B%x00"  # a diff of one text file follows
BOX = re.compile(r"[\s>]*(?:[-*+]|\d+[.)])\s+\[([ xX])\]\s+(.*)")
REVERTS = re.compile(r"This reverts commit ([0-9a-f]{7,64})")


@immutable
class Ticks:
    """The ticked boxes of a PRD without a proof, by id. `ungated`: recorded by ralph, but no gate passed.
    `unproven`: not ticked by ralph, or the commit was reverted."""

    ungated: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)  # proven tick -> how strongly


def sorted_out(tasks: Iterable[Task], now: Prd, log: str, reverts: str) -> Ticks:
    """Find the commit that ticked each of these tasks. `log` has the form FORM, new to old; `reverts` are the
    messages of HEAD's revert commits, each after its id."""
    lines = now.data.decode(errors="replace").splitlines()
    pending: dict[str, list[str]] = {}
    for task in tasks:
        pending.setdefault(_key(lines[task.line - 1] if task.line <= len(lines) else ""), []).append(task.id)
    wanted = [name for names in pending.values() for name in names]
    undone, proofs = _reverted(reverts), dict[str, Proof]()
    for step, diff in _steps(log):
        if not pending:
            break
        _look(step, diff, pending, proofs)
    good = {name for name, proof in proofs.items() if proof.commit not in undone}
    ungated = tuple(name for name in wanted if name in good and proofs[name].why == UNGATED)
    proven = {name for name in good if proofs[name].proven}
    unproven = tuple(name for name in wanted if name not in proven and name not in ungated)
    return Ticks(ungated, unproven, {name: proofs[name].level for name in proven})


def _look(step: ProofStep, diff: str, pending: dict[str, list[str]], proofs: dict[str, Proof]) -> None:
    """Remove from `pending` the boxes that this commit ticked or emptied last."""
    ticked, emptied = _boxes(diff)
    for key in [key for key in pending if key in ticked or key in emptied]:
        names = pending[key]
        task_ids = [name for name in names if len(names) == 1 or name in step.tasks]
        for name in task_ids:
            proofs[name] = of_step(name, step) if key in ticked else Proof(name, ProofStatus.UNPROVEN)
        pending[key] = [name for name in names if name not in task_ids]
        if not pending[key]:
            del pending[key]


def _key(line: str) -> str:
    """Return the key of a box in any version of the PRD: its written id, otherwise its text."""
    match = BOX.match(line)
    text = " ".join(match[2].split()) if match else ""
    written = WRITTEN_ID.match(text)
    return written[1] if written else text


def _boxes(diff: str) -> tuple[set[str], set[str]]:
    """Return the keys of the boxes that became ticked, and of those that became empty or are new and empty."""
    seen: dict[str, set[str]] = {"+x": set(), "+ ": set(), "-x": set(), "- ": set()}
    hunk = False
    for line in diff.splitlines():
        hunk = hunk or line.startswith("@@")
        if hunk and line[:1] in "+-" and (match := BOX.match(line[1:])):
            seen[line[0] + match[1].lower()].add(_key(line[1:]))
    return seen["+x"] - seen["-x"], seen["+ "] - seen["- "] - seen["+x"]


def _steps(log: str) -> Iterator[tuple[ProofStep, str]]:
    fields = iter(log.split("\0")[1:])
    for commit, tree, trailers, body, diff in zip(*[fields] * 5, strict=False):
        yield ProofStep(commit, tree, "", b"", trailers=_trailers(trailers), body=body), diff


def _trailers(text: str) -> Trailers:
    trailers: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            trailers[key] = (*trailers.get(key, ()), value.strip())
    return trailers


def _reverted(messages: str) -> frozenset[str]:
    """Return the commits that are reverted by commits that are not reverted themselves; `messages`: `<id> NUL
    <body> NUL` each."""
    fields = iter(messages.split("\0"))
    rows = [(commit.strip(), set(REVERTS.findall(body))) for commit, body in zip(fields, fields, strict=False)]
    undone: set[str] = set()
    for commit, names in rows:  # from new to old: the revert of a revert comes first
        undone |= names if commit not in undone else set()
    return frozenset(undone)
