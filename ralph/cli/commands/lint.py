"""`ralph lint`: errors and risks in the PRD, each with its line and a cure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ralph import files as exchange
from ralph.agents.selection import names_agent, parse_choice
from ralph.cli.locate import Location, inside, locate
from ralph.cli.output import say
from ralph.config import Settings, load
from ralph.engine.startup import find_memory, find_prd
from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.repository import Repo
from ralph.memory import file as memory
from ralph.prd.lint import rules
from ralph.prd.lint.checks import first_word
from ralph.prd.lint.rules import ERROR, LintFacts, LintRemark
from ralph.prd.model import Prd
from ralph.text import clean
from ralph.verify import gates
from ralph.verify.gate_code.gate_config import is_gate_config

BUILTIN = {  # what `sh` itself knows
    ".", ":", "[", "alias", "break", "case", "cd", "command", "continue", "echo", "eval", "exec", "exit", "export",
    "false", "for", "if", "kill", "printf", "pwd", "read", "return", "set", "shift", "test", "time", "trap", "true",
    "type", "ulimit", "umask", "unset", "until", "wait", "while",
}  # fmt: skip


def lint(path: str | None, *, as_json: bool) -> int:
    """Show all remarks. Return 1 if a run would refuse the PRD, otherwise 0."""
    where = locate(path)
    now = where.prd()
    settings = load(where.repo.root if where.repo else Path.cwd(), {"prd": path})
    remarks = (*_place(settings, where), *rules.lint(now, _facts(settings, where, now)))
    shown = _json(where, now, remarks) if as_json else "\n".join(page(where.path, Path.cwd(), now, remarks))
    say(shown)
    return Exit.PARKED if any(remark.severity == ERROR for remark in remarks) else Exit.DONE


def page(path: Path, here: Path, prd: Prd, remarks: Sequence[LintRemark]) -> Iterator[str]:
    """Yield two lines for each remark, then the counts."""
    name = path.relative_to(here) if path.is_relative_to(here) else path
    for remark in remarks:
        yield clean(f"{name}:{remark.line}: {remark.severity}: {remark.what}")
        yield clean(f"    {remark.cure}")
    errors = sum(remark.severity == ERROR for remark in remarks)
    open_tasks = sum(task.leaf and not task.done for task in prd.tasks)
    counts = [
        _count(number, word) for number, word in ((errors, "error"), (len(remarks) - errors, "warning")) if number
    ]
    summary = " and ".join(counts) or "nothing to complain about"
    yield f"{name}: {_count(open_tasks, 'task')} to do, {summary}."


def _json(where: Location, prd: Prd, remarks: Sequence[LintRemark]) -> str:
    errors = sum(remark.severity == ERROR for remark in remarks)
    totals = {"prd": str(where.path), "tasks": len(prd.tasks), "errors": errors, "warnings": len(remarks) - errors}
    return json.dumps({**totals, "remarks": [asdict(remark) for remark in remarks]})


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- facts of the repository


def _place(settings: Settings, where: Location) -> Iterator[LintRemark]:
    """Yield an error if the PRD's location is not valid."""
    if where.repo is None:
        return
    try:
        path = find_prd(replace(settings, prd=str(where.path)), Path.cwd(), where.repo.root)
    except RalphError as error:
        yield LintRemark(1, "place", error.what, error.now, ERROR)
        return
    if Git(where.repo).ignored([path]):
        yield LintRemark(
            1, "place", f"git ignores {path}", "Take it out of .gitignore: its ticks are history.", ERROR
        )


def _facts(settings: Settings, where: Location, prd: Prd) -> LintFacts:
    here, repo = Path.cwd(), where.repo
    open_ = [task for task in prd.tasks if not task.done]
    refused, unknown = _agents(task.fields.agent for task in open_ if task.fields.agent)
    commands = (
        settings.gate if settings.gate is not None else tuple(gate.command for gate in gates.detect_gates(here))
    )
    return LintFacts(
        name=where.name,
        paths=_files(repo) if repo else None,
        here=inside(here, repo.root) if repo else "",
        gates=commands,
        protected=(*settings.protected, *(_told_by_memory(settings, repo) if repo else ())),
        strict=settings.strict,
        parallel=settings.parallel,
        missing=_missing(command for task in open_ for command in task.fields.checks),
        agents=refused,
        unknown=unknown,
        is_gate_config=is_gate_config,
    )


def _files(repo: Repo) -> tuple[str, ...]:
    listed = Git(repo).repo("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return tuple(dict.fromkeys(path.decode(errors="replace") for path in listed.split(b"\0") if path))


def _told_by_memory(settings: Settings, repo: Repo) -> tuple[str, ...]:
    path = find_memory(settings, repo.root)
    return memory.rules(exchange.read_file(repo.root / path)).protected if path else ()


def _missing(commands: Iterable[str]) -> frozenset[str]:
    """Return the missing programs. A path may name a script that the task will write."""
    words = {first_word(command) for command in commands} - BUILTIN - {""}
    return frozenset(word for word in words if "/" not in word and shutil.which(word) is None)


def _agents(choices: Iterable[str]) -> tuple[dict[str, tuple[str, str]], frozenset[str]]:
    """Return the agents of tasks that can't be used, by name, and the unknown ones."""
    refused: dict[str, tuple[str, str]] = {}
    unknown: set[str] = set()
    for text in set(choices):
        if not names_agent(text):
            unknown.add(text)
            continue
        try:
            parse_choice(text)
        except RalphError as error:
            refused[text] = (error.what.rstrip("."), error.now)
    return refused, frozenset(unknown)
