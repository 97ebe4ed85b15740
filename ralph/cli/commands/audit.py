"""`ralph audit`: the commit and the gates that prove each ticked box. Reads git, not the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ralph.cli.commands import audit_history as past
from ralph.cli.commands.audit_page import Audit, Tick, json_line, page
from ralph.cli.locate import Location, inside, locate
from ralph.cli.output import say
from ralph.cli.report_data import width
from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.repository import Repo
from ralph.memory import archive
from ralph.prd.model import Prd
from ralph.verify.aftermath import undone
from ralph.verify.proof import BY_HAND, Proof, ProofStatus, found_elsewhere, prove

if TYPE_CHECKING:
    from ralph.cli.commands.audit_gates import AuditGates

BEFORE_RALPH = "ticked before ralph recorded anything here"


def audit(asked: str | None, *, run_gates: bool, fresh: bool, strict: bool, as_json: bool) -> int:
    """Show the audit. Return 1 if a tick has no proof or is reverted, or if a gate is red."""
    where = locate(asked)
    if where.repo is None:
        raise RalphError("this is no git repository: nothing can be proven", "Go to where the PRD's repository is.")
    if fresh and not run_gates:
        raise RalphError("--fresh says where the gates run", "Add --run-gates.")
    now, git = where.prd(), Git(where.repo)
    found = audit_of(where, where.repo, now, git)
    gates = _gates(where, git, now, fresh=fresh) if run_gates else None
    said = json_line(found, gates) if as_json else "\n".join(page(found, gates, width()))
    say(said)
    failed = found.failed + (found.of(ProofStatus.ALTERED) if strict else ())
    return Exit.PARKED if failed or (gates and not gates.ok) else Exit.DONE


def _gates(where: Location, git: Git, now: Prd, *, fresh: bool) -> AuditGates:
    from ralph.cli.commands.audit_gates import run_audit_gates

    return run_audit_gates(where, git, now, fresh=fresh)


def audit_of(where: Location, repo: Repo, now: Prd, git: Git) -> Audit:
    """Return the audit of the ticks from git's history."""
    path, head = _inside(where.path, repo), git.head()[1]
    proofs = _proofs(now, git, path) if head else prove(now, b"", ())
    ticked = [task for task in now.tasks if task.done]
    ticks = [Tick(task, proofs[task.id]) for task in ticked]
    papers = {path, *_memory(repo)}
    known = _with_aftermath(git, ticks, papers) if head else ticks
    return Audit(path, head, tuple(known), shallow=bool(past.cut(git)))


def _inside(path: Path, repo: Repo) -> str:
    if found := inside(path, repo.root):
        return found
    raise RalphError("it lies outside the repository", "Copy it in: its history is the proof.", where=str(path))


def _memory(repo: Repo) -> set[str]:
    """Return the memory file and its archive, which change with each task."""
    names = {(repo.root / name).resolve() for name in ("CLAUDE.md", "AGENTS.md")}
    inside = {path.relative_to(repo.root.resolve()).as_posix() for path in names
              if path.is_relative_to(repo.root.resolve())}  # fmt: skip
    return inside | {archive.beside(name) for name in inside}


def _proofs(now: Prd, git: Git, path: str) -> dict[str, Proof]:
    committed = past.contents(git, [f"HEAD:{path}"])[0]
    found = prove(now, committed, past.steps(git, path), past.cut(git))
    by_hand = [proof for proof in found.values() if proof.why == BY_HAND]
    lost = past.elsewhere(git, by_hand) if by_hand else ()
    early = {commit for commit in {proof.commit for proof in by_hand} if not past.older_ralph(git, commit)}
    return {task: _told(found_elsewhere(proof, lost), early) for task, proof in found.items()}


def _told(proof: Proof, early: set[str]) -> Proof:
    return replace(proof, why=BEFORE_RALPH) if proof.why == BY_HAND and proof.commit in early else proof


def _with_aftermath(git: Git, ticks: Sequence[Tick], papers: set[str]) -> list[Tick]:
    """Return the ticks with the later changes of their commits."""
    commits = list(dict.fromkeys(tick.proof.commit for tick in ticks if tick.proof.proven))
    after = past.aftermath(git, commits)

    def seen(tick: Tick) -> Tick:
        proof = tick.proof
        if not proof.proven:
            return tick
        files = [state for state in after.files.get(proof.commit, ()) if state.path not in papers]
        by = after.since.reverted(proof.commit, proof.subject)
        if by is not None:
            proof = replace(proof, standing=ProofStatus.REVERTED, why=f"reverted since by {by.commit[:7]}")
        changed = after.since.changed(proof.commit, files)
        return replace(tick, proof=proof, files=len(files), changed=changed, undone=undone(files),
                       reverted=by.commit if by else "")  # fmt: skip

    return [seen(tick) for tick in ticks]
