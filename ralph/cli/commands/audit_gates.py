"""`ralph audit --run-gates`: the gates once more on the current HEAD, here or in a fresh checkout."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ralph.cli.locate import Location
from ralph.cli.output import say
from ralph.config import Settings, load
from ralph.engine import commit as record
from ralph.engine import gate_selection
from ralph.engine import linked_sources as linked
from ralph.engine.context import RunContext
from ralph.engine.parallel import worktree_setup as fitting
from ralph.engine.run_state import RunState
from ralph.engine.stop_signal import StopSignal
from ralph.errors import RalphError
from ralph.git import freeze as examine
from ralph.git import restore as undo
from ralph.git.client import Git
from ralph.git.index import split_zero
from ralph.immutable import immutable
from ralph.prd.model import Prd
from ralph.state import lock
from ralph.state.control import Control
from ralph.state.events import Event, Noted
from ralph.state.history import History
from ralph.state.journal import Entry
from ralph.text import clean, one_line
from ralph.verify import gates
from ralph.verify.model import Gate, GateResult


@immutable
class AuditGates:
    """Results of the gates. `changed`: files of the checkout that differ from the commit."""

    commit: str
    fresh: bool
    results: tuple[GateResult, ...]
    changed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no gate is red and at least one is green."""
        return any(result.ok for result in self.results) and all(
            result.ok or result.none for result in self.results
        )


class AuditGit(Git):
    """Git without an identity: an audit makes no commits."""

    def _identify(self) -> None:
        return


class SilentJournal:
    """A journal that stores nothing: an audit is not a run."""

    def write(self, event: Event) -> Entry:
        return Entry(0, time.time(), "", event)

    def close(self) -> None:
        return


def run_audit_gates(where: Location, git: Git, now: Prd, *, fresh: bool) -> AuditGates:
    """Run the gates, and the checks of all ticked tasks. Raise RalphError while ralph works here."""
    commit = git.sha("HEAD")
    if not commit:
        raise RalphError("there is no commit yet", "The gates of an audit run on what is committed.")
    settings = load(git.where.root, {})
    checks = [Gate(check, f"Check of {task.id}") for task in now.tasks if task.done for check in task.fields.checks]
    with lock.hold(git.where.state / "lock") as killed, StopSignal().listening() as stop:
        if killed:
            undo.clear_locks(git)
        mine = _assembled(where, git, settings, commit, stop)
        if fresh:
            with _elsewhere(mine, commit) as place:
                return AuditGates(commit, True, _run(place, checks))
        return AuditGates(commit, False, _run(mine, checks), _changed(git))


def _assembled(where: Location, git: Git, settings: Settings, commit: str, stop: StopSignal) -> RunContext:
    """Return a run context with what gates need."""
    return RunContext(
        settings=settings, id="audit", git=git, here=Path.cwd(), editor=record.FileEditor(git), workers=(),
        control=Control(git.where.state / "audit"), paths=examine.OwnFiles(where.path.name, ""),
        journal=SilentJournal(), tell=_tell, stop=stop, state=RunState(History(), tip=commit),
    )  # fmt: skip


def _tell(event: Event) -> None:
    if isinstance(event, Noted):
        say(clean(event.text), error=True)


@contextmanager
def _elsewhere(mine: RunContext, commit: str) -> Iterator[RunContext]:
    """Yield a worktree of this commit, with links, copies and set-up."""
    reader = AuditGit(mine.git.where)
    reader.freeze(again=not (reader.own / "config").exists())
    with fitting.fresh(replace(mine, git=reader)) as place:
        fitting.renew(place, commit)
        if not place.here.is_dir():
            raise RalphError(f"{mine.here} is in no commit", "Start the audit in a folder that is.")
        yield place


def _run(place: RunContext, checks: Sequence[Gate]) -> tuple[GateResult, ...]:
    wanted = {gate.command: gate for gate in (*gate_selection.find_gates(place), *checks)}
    if not wanted:
        cure = 'Name them in ralph.toml: gate = ["make test"].'
        raise RalphError("no gates were found here: nothing ran", cure)
    if place.apart:
        linked.refuse(place, tuple(wanted.values()))
    results = []
    for gate in wanted.values():
        say(f"running {one_line(clean(gate.command), 100)}", error=True)
        results.append(gates.run_gate(gate, cwd=place.here, env={**os.environ, "PWD": str(place.here)},
                                 timeout=place.settings.gate_timeout, stop=lambda: bool(place.stop),
                                 secrets=place.secrets))  # fmt: skip
        if place.stop:
            raise KeyboardInterrupt
    return tuple(results)


def _changed(git: Git) -> tuple[str, ...]:
    """Return the files of the checkout that differ from HEAD, without ignored ones."""
    listed = split_zero(git.repo("status", "--porcelain", "-z", "--no-renames"))
    return tuple(entry[3:] for entry in listed)
