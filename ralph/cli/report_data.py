"""Data for `ralph report` and `ralph explain`: the journal, with details from git and the logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from ralph.cli.locate import Location, locate
from ralph.errors import RalphError
from ralph.git.client import Git
from ralph.git.repository import Repo
from ralph.state.events import GateRan
from ralph.state.journal import journal_path
from ralph.state.projection import run_log
from ralph.state.report_model import AttemptRecord, Result, RunLog
from ralph.text import clean, mask, secrets_of, tail

MOST_READ = 65_536  # bytes of the end of a log, or of the beginning of a prompt
MOST_LINES, MOST_CHARS = 40, 4000  # of a displayed log
MOST_STAT = 4000
Value = TypeVar("Value")


def known(asked: str | None) -> tuple[Location, Repo, RunLog]:
    """Return location, repository and run log. Raise RalphError without a repository or a run."""
    where = locate(asked)
    if where.repo is None:
        raise RalphError("this is no git repository: there is no diary", "Go to where ralph was started.")
    if where.damaged:
        path = journal_path(where.repo.state)
        raise RalphError(where.damaged, "`ralph audit` reads git instead.", where=str(path))
    steps = ((entry.time, entry.run, entry.event) for entry in where.entries if entry.event is not None)
    log = run_log(steps, alive=where.holder is not None)
    if not log.runs:
        raise RalphError("there was no run yet", "Start one: `ralph`.")
    return where, where.repo, log


def prd_of(where: Location, repo: Repo) -> str:
    """Return the PRD's path as in the journal, or "" if it is outside of the repository."""
    try:
        return where.path.resolve().relative_to(repo.root.resolve()).as_posix()
    except ValueError:
        return ""


def width() -> int:
    """Return the columns of the terminal, or 80 without one."""
    return shutil.get_terminal_size((80, 24)).columns


def with_stat(git: Git, attempt: AttemptRecord) -> AttemptRecord:
    """Return the attempt with its changes, if git still has them."""
    base, work = (f"{attempt.commit}^", attempt.commit) if attempt.commit else (attempt.base, attempt.work)
    if not (base and work):
        return attempt
    words = ("diff", "--stat", "--no-color", "--no-ext-diff", base, work, "--")
    out = git.repo(*words, ok=(0, 128)).decode(errors="replace")
    return replace(attempt, stat=out if len(out) <= MOST_STAT else "…\n" + out[-MOST_STAT:])


def with_logs(repo: Repo, attempt: AttemptRecord) -> AttemptRecord:
    """Return the attempt with its prompt and the ends of its red gates' logs, if the files still exist."""
    folder = repo.state / "runs" / attempt.run
    logs: dict[str, str] = {}
    for gate in attempt.gates:
        if not (gate.ok or gate.none) and (text := _end(folder / _log_name(attempt, gate))):
            logs[gate.command] = text
    return replace(attempt, logs=tuple(logs.items()), prompt=_beginning(folder / f"{attempt.n}.prompt.md"))


def _log_name(attempt: AttemptRecord, gate: GateRan) -> str:
    """Return the gates' log numbers: in order, and unchanged if an attempt was judged again."""
    order = list(dict.fromkeys(each.command for each in attempt.gates if each.base_tests == gate.base_tests))
    return f"{attempt.n}.gate-{order.index(gate.command) + 1}{'-base' if gate.base_tests else ''}.log"


def _end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_READ))
            return tail(clean(file.read().decode(errors="replace")), MOST_LINES, MOST_CHARS)
    except OSError:
        return ""


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_READ).decode(errors="replace")
    except OSError:
        return ""


def safe(value: Value) -> Value:
    """Return the value with every text cleaned and masked."""
    secrets = secrets_of(os.environ)
    return _each(value, lambda text: mask(clean(text), secrets))  # type: ignore[no-any-return]


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_each(entry, change) for entry in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _each(getattr(value, field.name), change) for field in fields(value)})
    return value


def facts(attempt: AttemptRecord) -> dict[str, Any]:
    """Return an attempt as JSON values."""
    return {
        "n": attempt.n,
        "run": attempt.run,
        "task": attempt.task,
        "attempt": attempt.attempt,
        "purpose": attempt.purpose or None,
        "agent": attempt.agent or None,
        "begun": attempt.begun,
        "ended": attempt.ended or None,
        "result": attempt.result.value,
        "proof": attempt.level or None,
        "how": attempt.how or None,
        "false_claim": attempt.false_claim,
        "findings": [
            {"kind": found.what.value, "text": found.text, "rejects": found.rejects} for found in attempt.findings
        ],
        "gates": [
            {
                "command": gate.command,
                "ok": gate.ok,
                "seconds": gate.seconds,
                "none": gate.none,
                "timed_out": gate.timed_out,
                "base_tests": gate.base_tests,
            }
            for gate in attempt.gates
        ],
        "seconds": attempt.seconds,
        "tokens": attempt.tokens,
        "cost": attempt.cost,
        "about": attempt.about,
        "base": attempt.base or None,
        "work": attempt.work or None,
        "commit": attempt.commit or None,
        "reason": attempt.reason or None,
        "move": attempt.move or None,
        "counted": attempt.counted if attempt.result is not Result.ACCEPTED else None,
    }
