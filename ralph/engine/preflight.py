"""Checks before the first task. Each raises RalphError with a cure if it fails; none changes anything."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ralph import paths as sensitive
from ralph.agents import sandbox
from ralph.agents.selection import names_agent, parse_choice
from ralph.config import Settings
from ralph.engine import gate_selection, red_base
from ralph.engine.attempt import base_checks
from ralph.engine.attempt.gates import confirmed, run_gates
from ralph.engine.attempt.prd_edits import untick_after_gates
from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.git import ref_names
from ralph.git import restore as undo
from ralph.git.freeze import OwnFiles
from ralph.git.index import fill, refresh, scan, split_zero, stage, write_tree
from ralph.memory import file as memory
from ralph.prd import document as prd
from ralph.prd import schedule as plan
from ralph.prd.model import Prd, Task
from ralph.state.events import Noted
from ralph.text import clean, one_line
from ralph.verify import gates, levels
from ralph.verify.model import GateResult

LARGE = 1_000_000  # bytes: a larger untracked file is not saved before an attempt
SHOWN = 20  # most files that a refusal lists


def checked_prd(run: RunContext) -> Prd:
    """Return the current PRD. Raise RalphError if it can't be worked through."""
    now = prd.parse(run.editor.read(run.paths.prd) or b"", run.settings.prd)
    prd.check(now, run.settings.prd)
    return now


# ---------------------------------------------------------------- the repository


def refuse_states(run: RunContext) -> None:
    """Refuse an unborn or detached HEAD, ralph's scratch branch, an operation in progress, a locked index."""
    branch, commit = run.git.head()
    if not commit:
        raise RalphError("there is no commit yet", "Make one: `git add -A && git commit -m start`.")
    for name, (operation, abort) in undo.OPERATIONS.items():
        if (run.git.where.git_dir / name).exists():
            raise RalphError(f"{operation} is in progress", f"Finish it, or give it up with `{abort}`.")
    if not branch:
        raise RalphError("HEAD is detached: commits would belong to no branch", "Run `git switch -c NAME` first.")
    if branch.startswith(ref_names.SCRATCH):
        raise RalphError("HEAD is on ralph's scratch branch, and the journal that knows why is gone",
                         "Look at `git branch`, then e.g. `git symbolic-ref HEAD refs/heads/main`.")  # fmt: skip
    if (run.git.where.git_dir / "index.lock").exists():
        raise RalphError("another git process holds the index (.git/index.lock)",
                         "Wait for it; if none runs, delete that file.")  # fmt: skip


def refuse_branch_name(run: RunContext) -> None:
    """Refuse a name for `--branch` that is not valid in git or reserved by ralph."""
    name = run.settings.branch
    if not name:
        return
    known = run.git.repo("check-ref-format", "--branch", name, ok=(0, 1, 128)).decode(errors="replace").strip()
    if known != name:
        raise RalphError(f"`{name}` can't be the name of a branch", "For example: `--branch ralph/PRD`.")
    if name.startswith("ralph-wip/"):
        raise RalphError("branches under ralph-wip/ are ralph's own scratch branches", "Take another name.")


def without_ignored_memory(run: RunContext) -> RunContext:
    """Return the run without its memory file if git ignores that."""
    if not run.git.ignored([run.paths.memory] if run.paths.memory else []):
        return run
    run.tell(Noted(f"git ignores {run.paths.memory}: it is left alone.", loud=True))
    return replace(run, paths=OwnFiles(run.paths.prd))


def refuse_ignored(run: RunContext) -> None:
    """Refuse an ignored PRD, because it can't hold proof."""
    if run.git.ignored([run.paths.prd]):
        raise RalphError(
            f"git ignores {run.paths.prd}", "Take it out of .gitignore: its ticks are part of the history."
        )


def refuse_agents(run: RunContext) -> None:
    """Refuse an agent of an open task or of `--review-with` that is not installed."""
    if run.settings.review_with:
        parse_choice(run.settings.review_with)
    for task in checked_prd(run).tasks:
        name = task.fields.agent.partition(":")[0].strip()
        if task.done or not name:
            continue
        if not names_agent(name):
            shown = one_line(clean(name), 40)
            run.tell(Noted(f"No agent is called {shown}: {run.workers[0].name} does {task.id}."))
            continue
        try:
            parse_choice(task.fields.agent)
        except RalphError as error:
            raise RalphError(error.what, error.now, where=f"{run.settings.prd}:{task.line}") from None


def refuse_memory(run: RunContext) -> None:
    """Refuse a memory file with conflict markers. Only warn of one that can't be edited."""
    data = run.editor.read(run.paths.memory) if run.paths.memory else None
    if memory.conflicted(data):
        problem = "a merge left its conflict markers here"
        raise RalphError(problem, "Resolve them, then start again.", where=run.paths.memory)
    if why := memory.unwritable(data):
        run.tell(Noted(f"{run.paths.memory} gets no queue and no log. {why}", loud=True))


def refuse_proof_levels(run: RunContext) -> None:
    """Refuse a level of proof that is not known, of the run or of an open task."""
    cure = f"Take one of: {', '.join(levels.ORDER)}."
    if run.settings.require_proof and run.settings.require_proof not in levels.ORDER:
        raise RalphError(f"`{run.settings.require_proof}` is no level of proof", cure)
    for task in checked_prd(run).tasks:
        if not task.done and task.fields.proof and task.fields.proof not in levels.ORDER:
            shown = one_line(clean(task.fields.proof), 40)
            raise RalphError(f"`{shown}` is no level of proof", cure, where=f"{run.settings.prd}:{task.line}")


def refuse_sandbox(run: RunContext) -> None:
    """Refuse a sandbox that is not available, or `sandbox_paths` that don't exist."""
    if sandbox.wanted(run.settings.sandbox):
        sandbox.extra_paths(run.settings.sandbox_paths, run.root, Path.home())


def refuse_sparse(run: RunContext) -> None:
    if run.git.config.get("core.sparsecheckout", ["false"])[-1].lower() in ("true", "yes", "on", "1", ""):
        raise RalphError("this is a sparse checkout: files of the repository are missing here",
                         "Run `git sparse-checkout disable`, or start ralph in a full clone.")  # fmt: skip


def refuse_dirty(run: RunContext) -> None:
    """Refuse uncommitted changes of tracked files, and nested repositories. Only report them in parallel mode."""
    fill(run.git, run.git.sha("HEAD"))
    refresh(run.git)
    now = scan(run.git)
    if run.settings.at_once:
        if dirty := sorted(set(now.changed) - run.paths.both):
            run.tell(
                Noted(f"Not committed, so agents do not see it, and it stays as it is: {', '.join(dirty[:5])}")
            )
        return
    staged = split_zero(run.git.repo("diff-index", "--cached", "--name-only", "-z", "HEAD", "--"))
    if dirty := sorted({*now.changed, *staged} - run.paths.both - run.git.unseen):
        raise RalphError(f"tracked files have uncommitted changes: {len(dirty)}{_listed(dirty)}",
                         "Commit them, unfinished work on a branch of its own. Then start again.")  # fmt: skip
    if nested := [path for path in now.untracked if path.endswith("/")]:
        raise RalphError(f"{nested[0]} is a git repository inside this one: git can't record what changes in it",
                         "Move it out, add it as a submodule, or put it into .gitignore.")  # fmt: skip
    if large := [path for path in now.untracked if _large(run.root / path)]:
        run.tell(Noted(f"Untracked files of more than 1 MB are not protected: {', '.join(large[:5])}", loud=True))


def _listed(paths: list[str]) -> str:
    return "".join(f"\n    {path}" for path in paths[:SHOWN]) + ("\n    ..." if len(paths) > SHOWN else "")


def _large(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > LARGE


# ---------------------------------------------------------------- the scopes


def refuse_protected_scopes(run: RunContext) -> None:
    """Refuse a scope that touches a protected path; in strict mode, also a missing scope."""
    now = checked_prd(run)
    rules = memory.rules(run.editor.read(run.paths.memory) if run.paths.memory else None)
    always = (*run.settings.protected, *rules.protected)
    tasks = [task for task in now.tasks if task.leaf and not task.done and task.fields.parked is None]
    tracked = split_zero(run.git.repo("ls-files", "-z")) if any(task.fields.files for task in tasks) else ()
    for task in tasks:
        where = f"{run.settings.prd}:{task.line}"
        if run.settings.strict and not task.fields.files:
            raise RalphError(f"{task.id} names no Files, which --strict asks for", "Add a line `- Files: src/**`.",
                             where=where)  # fmt: skip
        if both := _both(run, task, always, tracked):
            raise RalphError(f"the Files of {task.id} touch a protected path: {both}",
                             "Narrow its Files, or take the path out of the protected ones.",
                             where=where)  # fmt: skip


def _both(run: RunContext, task: Task, always: tuple[str, ...], tracked: Iterable[str]) -> str:
    """Return a path that is both in scope and protected, or "". A plain name need not exist yet."""
    scope, protected = run.patterns(task.fields.files), (*run.patterns(task.fields.protected), *always)
    if not (scope and protected):
        return ""
    named = [name.strip("/") for name in scope if not set(name) & set("*?[!\\")]
    paths = [path for path in tracked if sensitive.matches(scope, path)]
    return next((path for path in (*paths, *named) if sensitive.matches(protected, path)), "")


# ---------------------------------------------------------------- the gates


def refuse_missing(settings: Settings, here: Path) -> None:
    """Refuse tests that can't run because a program is missing, unless the user configured the gates."""
    if settings.gate is None and (missing := gates.missing(here)):
        raise RalphError(
            "; ".join(other_missing.what for other_missing in missing),
            " ".join(other_missing.cure for other_missing in missing),
        )


def refuse_missing_program(run: RunContext) -> None:
    refuse_missing(run.settings, run.here)


def ask_gates(run: RunContext, now: Prd) -> None:
    """Run the gates. Refuse red ones without `--baseline`. A gate without tests is neither green nor red.

    Their outcomes are the floors of the run. Without `--baseline`, red gates do not stop a task that is about
    the tests which fail.
    """
    run.state.gates = gate_selection.find_gates(run)
    first = plan.choose(now, only=run.settings.only)
    if first is None or not run.state.gates:
        return
    results = _first_results(run, now)
    red = _red(results)
    run.state.gates = tuple(result.gate for result in results if not result.none)
    if red and not run.settings.baseline and not _may_start(run, first, red):
        names = "; ".join(result.gate.command for result in red)
        shown = f"\n\n{red[0].tail.strip()}\n" if red[0].tail.strip() else ""
        raise RalphError(f"gates are red before the first task: {names}{shown}", _cure_red(run))
    gate_selection.keep_floors(run, {result.gate.command: result.outcome for result in results if result.outcome})
    gate_selection.keep_red(run, red)


def _may_start(run: RunContext, task: Task, red: Sequence[GateResult]) -> bool:
    """Return whether the first task is about the red gates: it names their failures, or has a red Check."""
    failures = {
        result.gate.command: result.outcome.failed_names if result.outcome else frozenset() for result in red
    }
    if red_base.is_about(task, failures):
        return True
    checks = [command for command in task.fields.checks if command not in task.fields.late_checks]
    try:
        return any(base_checks.is_red_before(run, task, command) for command in checks)
    finally:
        _take_back_writes(run)


def _first_results(run: RunContext, now: Prd) -> tuple[GateResult, ...]:
    """Run the gates where attempts will be judged."""
    if run.settings.at_once:
        from ralph.engine.parallel import worktree_setup

        with worktree_setup.rehearsed(run) as place:
            results = _run_twice(place)
            _refuse_linked(place, results)
        run.state.without_tests = place.state.without_tests
        return results
    results = _run_here(run, now)
    if run.settings.gates_in == "clean":
        from ralph.engine.parallel import worktree_setup

        with worktree_setup.rehearsed(run) as place:
            _refuse_linked(place, results)
    return results


def _run_twice(run: RunContext, tidy: Callable[[], None] = lambda: None) -> tuple[GateResult, ...]:
    """Run the gates. Run red ones once more: chance, or the request for a report, may have made them red."""
    results = run_gates(run, run.state.gates, 0)
    if _red(results):
        tidy()
    final = confirmed(run, results, lambda result: bool(_red([result])), 0)
    for result in final:
        if result.flaky:
            gate = one_line(clean(result.gate.command), 100)
            run.say(f"The gate `{gate}` was red, and green on the same files the second time.", loud=True)
    return final


def _red(results: Iterable[GateResult]) -> list[GateResult]:
    return [result for result in results if not result.ok and not result.none]


def _refuse_linked(place: RunContext, results: Iterable[GateResult]) -> None:
    """Refuse a place whose gates load another checkout. Red gates are refused elsewhere."""
    from ralph.engine import linked_sources

    if place.settings.baseline or not _red(results):
        linked_sources.refuse(place, [result.gate for result in results if result.ok])


def _cure_red(run: RunContext) -> str:
    cure = "Make them green first, or start with `--baseline`: what is green now must stay green."
    if not run.settings.at_once:
        return cure
    from ralph.engine.parallel import worktree_setup

    here = "They ran in a fresh worktree, which has only what git tracks."
    return " ".join((here, *worktree_setup.warnings(run), cure))


def _run_here(run: RunContext, now: Prd) -> tuple[GateResult, ...]:
    try:
        return _run_twice(run, lambda: _take_back_writes(run))
    finally:
        _take_back_writes(run)
        untick_after_gates(run, now.data)


def _take_back_writes(run: RunContext) -> None:
    """Restore tracked files that the gates changed, and hold the changes by a ref.

    Keep uncommitted edits of PRD and memory file.
    """
    wrote = [path for path in scan(run.git).changed if path not in run.paths.both]
    if not wrote:
        return
    before = write_tree(run.git)
    stage(run.git, wrote)
    after = write_tree(run.git)
    held = run.git.commit(after, [run.git.head()[1]], "what the gates wrote before the first task")
    run.git.update_refs(f"update refs/ralph/{run.id}/0/gates {held}")
    undo.restore(run.git, run.git.changes(before, after))
    run.tell(Noted(f"The gates changed {', '.join(wrote[:5])}: taken back, kept in refs/ralph/{run.id}/0/gates."))


STEPS: tuple[Callable[[RunContext], None], ...] = (
    refuse_states, refuse_branch_name, refuse_agents, refuse_ignored, refuse_sparse, refuse_protected_scopes,
    refuse_memory, refuse_proof_levels, refuse_sandbox, refuse_dirty, refuse_missing_program,
)  # fmt: skip
