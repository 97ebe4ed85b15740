"""Result of `ralph audit`, for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ralph.cli.display.lines import duration, sentence
from ralph.immutable import immutable
from ralph.prd.model import Task
from ralph.text import clean, mask, secrets_of
from ralph.verify.aftermath import ChangedFile
from ralph.verify.levels import COUNTED
from ralph.verify.proof import Proof, ProofStatus

if TYPE_CHECKING:
    from ralph.cli.commands.audit_gates import AuditGates

LEAST, MOST = 40, 120  # columns
INDENT = " " * 5
SHOWN = 5  # newest of the files changed since, and of the commits that changed one
LOUD = {ProofStatus.UNPROVEN: "NOT PROVEN", ProofStatus.REVERTED: "REVERTED", ProofStatus.UNKNOWN: "NOT KNOWN"}
DEEPEN = "Get all of it: `git fetch --unshallow` (in a workflow: `fetch-depth: 0`)."


@immutable
class Tick:
    """A ticked box, its proof, and later changes. `files`: changed by its commit, without PRD and memory file."""

    task: Task
    proof: Proof
    files: int = 0
    changed: tuple[ChangedFile, ...] = ()
    undone: bool = False
    reverted: str = ""  # the reverting commit


@immutable
class Audit:
    """The result of an audit. `head` is "" before the first commit."""

    name: str
    head: str
    ticks: tuple[Tick, ...]
    shallow: bool = False

    @property
    def failed(self) -> tuple[Tick, ...]:
        return tuple(tick for tick in self.ticks if not tick.proof.proven)

    def of(self, standing: ProofStatus) -> tuple[Tick, ...]:
        return tuple(tick for tick in self.ticks if tick.proof.standing is standing)


def json_line(found: Audit, gates: AuditGates | None) -> str:
    """Return `{"prd", "head", "shallow", "ticks": [...], "unproven": n, "reverted": n, "gates": {...} | null}`."""
    return json.dumps({
        "prd": found.name, "head": found.head or None, "shallow": found.shallow,
        "ticks": [_facts(tick) for tick in found.ticks],
        "unproven": len(found.of(ProofStatus.UNPROVEN)) + len(found.of(ProofStatus.UNKNOWN)),
        "reverted": len(found.of(ProofStatus.REVERTED)),
        "gates": _gate_facts(gates) if gates else None,
    })  # fmt: skip


def _facts(tick: Tick) -> dict[str, Any]:
    proof = tick.proof
    return {
        "number": tick.task.number, "line": tick.task.line, "text": tick.task.text, **asdict(proof),
        "proven": proof.proven, "same_tree": proof.proven and proof.same_tree, "files": tick.files,
        "reverted_by": tick.reverted or None, "undone": tick.undone,
        "changed": [asdict(change) for change in tick.changed],
    }  # fmt: skip


def _gate_facts(gates: AuditGates) -> dict[str, Any]:
    secrets = secrets_of(os.environ)
    return {
        "commit": gates.commit,
        "fresh": gates.fresh,
        "changed": list(gates.changed),
        "ok": gates.ok,
        "results": [
            {
                "command": result.gate.command,
                "source": result.gate.source,
                "ok": result.ok,
                "none": result.none,
                "code": result.code,
                "seconds": result.seconds,
                "timed_out": result.timed_out,
                "tail": mask(clean(result.tail), secrets),
            }
            for result in gates.results
        ],
    }


# ---------------------------------------------------------------- for people


def page(found: Audit, gates: AuditGates | None, width: int) -> list[str]:
    """Return the lines of each ticked box, the counts, and the gates."""
    width = min(max(width, LEAST), MOST)
    lines = [line for tick in found.ticks for line in _lines(tick)]
    lines += ["", *_sum(found)] if lines else _sum(found)
    lines += ["", *_gate_lines(gates)] if gates else []
    return [short for line in lines for short in _fit(line, width)]


def _fit(line: str, width: int) -> list[str]:
    """Return the line, wrapped, with continuations indented by two more columns."""
    if len(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()))
    return wrap(line.strip(), width, initial_indent=margin, subsequent_indent=f"{margin}  ", break_on_hyphens=False)


def _lines(tick: Tick) -> Iterator[str]:
    proof = tick.proof
    yield f"{tick.task.number:>4} {sentence(tick.task.text)}"
    if not proof.proven:
        place = f" (in {_of(proof)})" if proof.commit else ""
        why = f"{sentence(proof.why)}{place}"
        said = f"by {tick.reverted[:7]}, which left its box ticked" if tick.reverted else why
        yield f"{INDENT}{LOUD[proof.standing]}, line {tick.task.line}: {said}"
    if proof.proven or tick.reverted:
        yield INDENT + _who(proof)
        yield f"{INDENT}gates, on tree {proof.saw[:7]}: {sentence(proof.gates)}"
    if proof.proven:
        yield f"{INDENT}strength: {COUNTED[proof.level] if proof.level else 'unknown (before 1.0)'}"
    if proof.proven and proof.why:
        yield f"{INDENT}{sentence(proof.why)}"
    yield from _since(tick)


def _of(proof: Proof) -> str:
    return f"{proof.commit[:7]}, “{sentence(proof.subject)}”"


def _who(proof: Proof) -> str:
    agent = {"none": "without an agent", "": "by an agent that it does not name"}.get(
        proof.agent, f"by {sentence(proof.agent)}"
    )
    return f"{proof.commit[:7]}, {proof.date}, {agent} for {sentence(proof.author)}"


def _since(tick: Tick) -> Iterator[str]:
    """Yield later changes, which are facts and not failures."""
    if tick.undone and not tick.reverted:
        yield f"{INDENT}nothing of it is left: its files are as they were before it"
    elif tick.changed:
        more = f", and {len(tick.changed) - SHOWN} more" if len(tick.changed) > SHOWN else ""
        yield f"{INDENT}since then: {'; '.join(map(_change, tick.changed[:SHOWN]))}{more}"


def _change(change: ChangedFile) -> str:
    by = ", ".join(commit[:7] for commit in change.by[:SHOWN]) or "a merge"
    more = f" and {change.commits - SHOWN} more" if change.commits > SHOWN else ""
    return f"{sentence(change.path)} {'gone with' if change.gone else 'changed by'} {by}{more}"


def _sum(found: Audit) -> list[str]:
    ticks, name = found.ticks, sentence(found.name)
    if not ticks:
        return [f"{name}: no box is ticked."]
    if not found.failed:
        return [f"{name}: {len(ticks)} of {len(ticks)} ticks are proven.", *_remarks(found)]
    parts = [f"{name}: {len(ticks) - len(found.failed)} of {len(ticks)} ticks are proven."]
    parts += _named("Proven by nothing", found.of(ProofStatus.UNPROVEN))
    parts += _named("Reverted", found.of(ProofStatus.REVERTED))
    parts += _named("Not known", found.of(ProofStatus.UNKNOWN))
    cure = DEEPEN if found.of(ProofStatus.UNKNOWN) else "Untick a box to have it done again by `ralph`."
    return [*parts, cure, *_remarks(found)]


def _named(what: str, ticks: Sequence[Tick]) -> list[str]:
    """Return the boxes with their line numbers."""
    if not ticks:
        return []
    lines = ", ".join(f"{tick.task.line}" for tick in ticks)
    return [f"{what}: line{'s' if len(ticks) > 1 else ''} {lines}."]


def _remarks(found: Audit) -> list[str]:
    altered = len(found.of(ProofStatus.ALTERED))
    if not altered:
        return []
    rest = "was rebased or amended since its gates ran" if altered == 1 else (
        "were rebased or amended since their gates ran")  # fmt: skip
    return [f"{altered} {rest}. `ralph audit --run-gates --fresh` runs the gates on what is here now."]


def _gate_lines(gates: AuditGates) -> Iterator[str]:
    place = "in a fresh checkout" if gates.fresh else "in this checkout"
    yield f"The gates at {gates.commit[:7]}, {place}:"
    if gates.changed:
        names = ", ".join(sentence(path) for path in gates.changed[:SHOWN])
        yield f"{INDENT}they saw changes that are not committed, too: {names}. --fresh leaves them out."
    for result in gates.results:
        word = "ok  " if result.ok else "none" if result.none else "RED "
        how = (
            ""
            if result.ok or result.none
            else f", {'out of time' if result.timed_out else f'exit code {result.code}'}"
        )
        yield f"{word} {sentence(result.gate.command)} ({duration(result.seconds)}{how})"
        if not (result.ok or result.none):
            said = mask(clean(result.tail), secrets_of(os.environ)).rstrip().splitlines()[-15:]
            yield from (INDENT + line for line in said)
