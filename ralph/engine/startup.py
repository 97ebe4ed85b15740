"""Start of a run: lock, recover, check, take the branch.

The checks are in `engine.preflight` and change nothing. The result is one `RunContext`.
"""

from __future__ import annotations

import os
import secrets as random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from ralph import paths as sensitive
from ralph.agents import sandbox
from ralph.agents.prices import is_old
from ralph.agents.selection import ladder
from ralph.config import Settings
from ralph.engine import (
    budget,
    confirmations,
    daily_note,
    gate_selection,
    kept_requirements,
    notifications,
    prd_file,
    preflight,
)
from ralph.engine import commit as record
from ralph.engine.attempt import base_checks
from ralph.engine.branch import take_branch
from ralph.engine.context import RunContext
from ralph.engine.launch import launch_of
from ralph.engine.run_state import RunState
from ralph.engine.stop_signal import StopSignal
from ralph.errors import Exit, RalphError
from ralph.git import freeze as examine
from ralph.git import ref_names
from ralph.git import restore as undo
from ralph.git.client import Git, GitError
from ralph.git.ref_names import short_name
from ralph.git.repository import discover
from ralph.notify import messages
from ralph.prd import document as prd
from ralph.prd import schedule as plan
from ralph.prd.model import Prd
from ralph.state import journal, lock, other_checkouts
from ralph.state.control import Control
from ralph.state.events import Continued, Event, Noted, RunStarted
from ralph.state.history import replay
from ralph.text import clean, one_line, secrets_of
from ralph.verify import gates

AWAY = 60.0  # seconds; a shorter time between a crash and the restart is not worth a line
HERE = "What is edited here while an agent works is judged with its work; the PRD may be edited at any time."
APART = "Agents work in worktrees of their own: what is edited here is yours. The PRD may be edited at any time."


@contextmanager
def open_run(
    settings: Settings, cwd: Path, tell: Callable[[Event], None], beat: Callable[[RunContext], None] | None = None
) -> Iterator[RunContext]:  # fmt: skip
    """Yield a run that is locked, recovered, checked and on its branch. Raise RalphError (exit 2) if it can't be.

    `beat` is called with the run whenever it waits.
    """
    repo = discover(cwd)
    path = find_prd(settings, cwd, repo.root)
    # Before the lock: it tells the newer ralph that its last run was killed.
    journal.refuse_newer(journal.journal_path(repo.state))
    with lock.hold(repo.state / "lock") as killed, StopSignal().listening() as stop:
        git = Git(repo)
        if killed:
            undo.clear_locks(git)
        run = _assemble(settings, cwd, tell, git, path, stop)
        run.control.clear()
        stop.beat = partial(beat, run) if beat else None
        daily_note.overlook(run)
        try:
            run = _wake(run)
            stop.beat = partial(beat, run) if beat else None
            yield run
        finally:
            run.journal.close()
            shutil.rmtree(repo.state / "tmp", ignore_errors=True)


def find_prd(settings: Settings, cwd: Path, root: Path) -> str:
    """Return the PRD's path in the repository. Raise RalphError if it is not a file of this repository."""
    file, name = cwd / settings.prd, settings.prd
    if file.is_dir():
        raise RalphError(f"{name} is a folder", "Name a Markdown file with checkboxes: `ralph --prd PRD.md`.")
    if not file.exists():
        cure = "Write one (a line `- [ ] what to do` is enough), or name another file with `--prd PATH`."
        raise RalphError(f"{name} was not found", cure)
    if not file.is_file():
        raise RalphError(f"{name} is no ordinary file", "Name a Markdown file: `ralph --prd PRD.md`.")
    try:
        path = file.resolve().relative_to(root.resolve())
    except ValueError:
        cure = "Copy it into the repository: its history is where the ticks are proven."
        raise RalphError(f"{name} lies outside the repository {root}", cure) from None
    _refuse_other_repository(name, path, root)
    return str(path)


def _refuse_other_repository(name: str, path: Path, root: Path) -> None:
    """Raise RalphError for git's own folder, a submodule or a nested repository: nothing there can be recorded."""
    if path.parts[0] == ".git":
        raise RalphError(f"{name} lies in git's own folder", "Move it to where git can track it.")
    for folder in path.parents[:-1]:
        if (root / folder / ".git").exists():
            raise RalphError(f"{name} lies in a repository of its own, {folder}", "Start ralph in that folder.")


def _assemble(
    settings: Settings, cwd: Path, tell: Callable[[Event], None], git: Git, path: str, stop: StopSignal
) -> RunContext:
    log, entries, notice = journal.open_for(journal.journal_path(git.where.state), "")
    history = replay((entry.time, entry.run, entry.event) for entry in entries if entry.event is not None)
    cut_off = history.run
    git.freeze(again=cut_off is None, caches=sensitive.CACHES)
    log.run = cut_off.run if cut_off else f"{time.strftime('%Y%m%d-%H%M%S')}-{random.token_hex(2)}"
    workers = ladder(settings)
    git.other_branches = partial(other_checkouts.branches, git.where)
    git.hides = partial(ref_names.is_foreign, own={log.run, *(entry.run for entry in entries)})
    last = max((entry.time for entry in entries if entry.run == log.run), default=0.0)
    run = RunContext(
        settings=settings, id=log.run, git=git, here=cwd, editor=record.FileEditor(git), workers=workers,
        control=Control(git.where.state),
        paths=examine.OwnFiles(path, find_memory(settings, git.where.root)), journal=log, tell=tell,
        state=RunState(history), stop=stop, secrets=secrets(settings),
    )  # fmt: skip
    if notice:
        tell(Noted(notice, loud=True))
    if cut_off and (away := time.time() - last) > AWAY:
        run.note(Continued(round(away, 1)))
    return run


def secrets(settings: Settings) -> tuple[str, ...]:
    """Return the texts that are masked wherever this run stores or shows text."""
    return (*secrets_of(os.environ), *messages.secrets_in(notifications.urls(settings, os.environ)))


def find_memory(settings: Settings, root: Path) -> str:
    """Return the path of CLAUDE.md, or of AGENTS.md if only that exists. Follow a link inside the repository.

    Return "" if the memory is switched off.
    """
    if not settings.memory:
        return ""
    name = next((entry for entry in ("CLAUDE.md", "AGENTS.md") if (root / entry).exists()), "CLAUDE.md")
    try:
        return str((root / name).resolve().relative_to(root.resolve()))
    except ValueError:
        cure = "Put a file there, or switch the memory off (`memory = false` in ralph.toml)."
        raise RalphError(f"{name} is a link that leads out of the repository", cure) from None


# ---------------------------------------------------------------- recovery and checks


def _wake(run: RunContext) -> RunContext:
    """Recover a killed run, check, and only then make the first visible change. Return the run to work on."""
    cut_off = run.state.history.run
    if cut_off is not None:
        _recover(run, cut_off)
    now = preflight.checked_prd(run)
    run = _resolved_only(run, now)
    if cut_off is None and plan.choose(now, only=run.settings.only) is None:
        _nothing_to_try(run, now)
        return run
    run = _ask(run, now, again=cut_off is not None)
    if cut_off is None:
        take_branch(run, now)
    else:
        run.state.branch, run.state.tip = run.git.head()
    _begin(run, preflight.checked_prd(run), resumed=cut_off is not None)
    return run


def _resolved_only(run: RunContext, now: Prd) -> RunContext:
    """Return the run with the id of `--only`, which may be a number or the beginning of a text."""
    if not run.settings.only:
        return run
    return replace(run, settings=replace(run.settings, only=prd.resolve(now, run.settings.only).id))


def _nothing_to_try(run: RunContext, now: Prd) -> None:
    """Take no branch and make no commit: edits of the PRD stay uncommitted."""
    run.state.branch, run.state.tip = run.git.head()
    run.state.reading.start_from(now)


def _ask(run: RunContext, now: Prd, *, again: bool) -> RunContext:
    """Run all checks. A GitError becomes a refusal: nothing was changed yet."""
    try:
        run = preflight.without_ignored_memory(run)
        for question in preflight.STEPS:
            question(run)
        if again:
            run.state.gates = gate_selection.find_gates(run)
        else:
            preflight.ask_gates(run, now)
    except GitError as error:
        raise RalphError(error.what, error.now, where=error.where, code=Exit.REFUSED) from error
    return run


def _recover(run: RunContext, cut_off: RunStarted) -> None:
    from ralph.engine import resume

    run.state.branch = f"refs/heads/{cut_off.branch}"
    run.state.tip = run.git.sha(run.state.branch)
    run.git.beside = (
        run.state.tip if cut_off.at_once else ""
    )  # as the killed run left it, whatever the mode of this one
    gate_selection.load_floors(run)
    base_checks.load_checks(run)
    kept_requirements.load_requirements(run)
    confirmations.load_confirmations(run)
    resume.recover(run)


def _begin(run: RunContext, now: Prd, *, resumed: bool) -> None:
    home = run.state.home or short_name(run.state.branch)
    commands = tuple(gate.command for gate in run.state.gates)
    branch = short_name(run.state.branch)
    lines = tuple(first_lines(run, now))
    agent = run.workers[0].name
    at_once = run.settings.at_once
    run.git.beside = run.state.tip if at_once else ""
    run.note(RunStarted(
        run.id, branch, home, run.state.tip, run.paths.prd, agent, os.getpid(), commands, lines, resumed, at_once
    ))  # fmt: skip
    prd_file.first_reading(run, now)


def first_lines(run: RunContext, now: Prd) -> list[str]:
    """Return the first lines of a run: the defaults in use, and what they mean."""
    settings = run.settings
    money = f"${budget.max_cost(run):g}" if budget.max_cost(run) is not None else ""
    tokens = f"{budget.max_tokens(run):,} tokens" if budget.max_tokens(run) is not None else ""
    limits = [money, tokens, f"{settings.max_time / 3600:g} h", f"{settings.max_iterations} attempts"]
    lines = [f"Limits: {', '.join(part for part in limits if part)}; {_retries(settings.max_retries)}."]
    lines += _about_money(run)
    lines.append(APART if settings.at_once else HERE)
    if not run.state.gates:
        lines.append(
            "NO GATES: no tests or linters were found, so only git is looked at. Add some, or name one with --gate."
        )
    lines += [
        f"The gate `{one_line(clean(command), 100)}` runs a selection of tests: a lost test is not noticed there."
        for command in gate_selection.selections(run)
    ]
    if near := len(now.near_misses):
        lines.append(
            f"{near} lines look like tasks and are none (line {now.near_misses[0].line}: {now.near_misses[0].why})."
        )
    if settings.at_once:
        from ralph.engine.parallel import worktree_setup

        lines += worktree_setup.warnings(run)
    lines += list(launch_of(run, run.workers[0]).said)
    lines += [text for text in (sandbox.sandbox_notice(settings.sandbox, run.root),) if text]
    for agent in dict.fromkeys(worker.agent for worker in run.workers):
        if agent.login(os.environ, lambda name: (Path.home() / name).exists()) is False:
            lines.append(f"{agent.NAME} may not be logged in. {agent.CURE}")
    lines += [f"Hooks are not run by ralph's commits; as a gate: {name}" for name in gates.hooks_offered(run.root)]
    return lines


def _about_money(run: RunContext) -> list[str]:
    """Return warnings for agents without a price, and for old list prices."""
    agents = {worker.agent.NAME: worker for worker in run.workers}
    lines = []
    if run.settings.max_cost and (
        unknown := [name for name, choice in agents.items() if not budget.can_price(run, choice)]
    ):
        lines.append(
            f"--max-cost can't be kept for {' and '.join(unknown)}: no price is known, so the token limit holds. "
            "Name the model with --model, and set its price in [prices] of ralph.toml."
        )
    today = datetime.now().astimezone().date()
    for name, choice in agents.items():
        if is_old(choice.agent.PRICED, today):
            lines.append(
                f"The list prices of {name} that ralph knows are of {choice.agent.PRICED}. They are used where "
                f"{name} itself reports no cost; newer ones can be set in [prices] of ralph.toml."
            )
    return lines


def _retries(number: int) -> str:
    return f"{number} {'retry' if number == 1 else 'retries'} for each task"
