"""The linter: faults and risks of a PRD, each with its line and a cure. A run refuses those that are errors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from ralph.errors import RalphError
from ralph.prd.lint.checks import checks
from ralph.prd.lint.fields import fields
from ralph.prd.lint.model import ERROR, WARNING, LintFacts, LintRemark, about, called, open_leaves
from ralph.prd.lint.scopes import scopes
from ralph.prd.lint.wording import wording
from ralph.prd.lookup import Lookup
from ralph.prd.model import Prd, Task
from ralph.prd.validate import check

__all__ = ["ERROR", "WARNING", "LintFacts", "LintRemark", "lint"]

MOST_REFUSALS = 50
NOT_NOW = re.compile(
    r"(?:\W|\d)*(?:some )?(?:ideas?|later|some ?day|maybe|future(?: \w+)?|nice[- ]to[- ]haves?|icebox|wish ?list"
    r"|parking lot|stretch goals?|post[- ](?:mvp|launch|v\d+)(?: \w+)?|won['’]?t (?:do|fix)|not (?:now|planned)"
    r"|open questions?|rejected|abandoned|cancel?led|deferred)\W*(?:\(.*\)\W*)?",
    re.IGNORECASE,
)


def lint(prd: Prd, facts: LintFacts) -> tuple[LintRemark, ...]:
    """Return all remarks, sorted by line."""
    remarks = [remark for rule in RULES for remark in rule(prd, facts)]
    return tuple(sorted(dict.fromkeys(remarks), key=lambda remark: (remark.line, remark.severity, remark.rule)))


# ---------------------------------------------------------------- what a run refuses


def refusals(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Repeat the check of a run, each time without the task that the previous error named."""
    for _ in range(MOST_REFUSALS):
        try:
            check(prd, facts.name)
        except RalphError as error:
            task = _culprit(error, prd)
            line, name = (task.line, task.id) if task else (1, "")
            yield LintRemark(line, "refused", error.what, error.now, ERROR, name)
            if task is None:
                return
            prd = _without(prd, task)
        else:
            return


def _culprit(error: RalphError, prd: Prd) -> Task | None:
    """Return the task on the line that the error names; otherwise the first task whose id is a duplicate."""
    line = error.where.rpartition(":")[2]
    if line.isdecimal():
        return next((task for task in prd.tasks if task.line == int(line)), None)
    return next(iter(_repeated(prd)), None)


def _repeated(prd: Prd) -> list[Task]:
    seen: dict[str, Task] = {}
    return [task for task in prd.tasks if seen.setdefault(task.id, task) is not task]


def _without(prd: Prd, culprit: Task) -> Prd:
    """Return the PRD without the cause of the error: this task names no path and no task, or its id is unique."""
    twice = {id(task) for task in _repeated(prd)}
    if id(culprit) in twice:
        tasks = (
            replace(task, id=f"{task.id} in line {task.line}") if id(task) in twice else task for task in prd.tasks
        )
        return replace(prd, tasks=tuple(tasks))
    bare = replace(culprit, fields=replace(culprit.fields, files=(), protected=(), depends=()))
    return replace(prd, tasks=tuple(bare if task is culprit else task for task in prd.tasks))


# ---------------------------------------------------------------- the list of tasks


def near_misses(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    """Yield one remark for each reason: a code fence full of examples gets one."""
    lines: dict[str, list[int]] = defaultdict(list)
    for miss in prd.near_misses:
        lines[miss.why].append(miss.line)
    for why, numbers in lines.items():
        more = f" ({len(numbers)} such lines, up to line {numbers[-1]})" if len(numbers) > 1 else ""
        yield LintRemark(
            numbers[0],
            "near-miss",
            f"this looks like a task and is none: {why}{more}",
            "Make it a task (`- [ ] text`), or leave it: ralph does not touch it.",
        )


def same_texts(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for equal texts under the same heading and parent, which can't be told apart."""
    first: dict[tuple[str | None, tuple[str, ...], str], int] = {}
    for task in prd.tasks:
        key = (task.parent, task.headings, task.text.casefold())
        if first.setdefault(key, task.line) != task.line and not (task.written or task.done):
            yield about(
                task,
                "same-text",
                f"{called(task)} stands in line {first[key]}, too",
                "Say what is different, or take one away.",
            )


def open_children(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    lookup = Lookup(prd)
    for parent, children in lookup.children.items():
        task = lookup.by_id[parent]
        remaining = [child for child in children if not child.done]
        if task.done and remaining:
            yield about(
                task,
                "open-children",
                f"{called(task)} is ticked, {_tasks(len(remaining))} below it not",
                "Tick what is done: ralph works on the open ones.",
            )


def parked(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    for task in prd.tasks:
        if task.fields.parked is not None and not task.done:
            why = f": {task.fields.parked}" if task.fields.parked else ""
            yield about(
                task,
                "parked",
                f"{called(task)} is parked{why}",
                f"`ralph retry {task.id if task.written else task.number}` puts it back.",
            )


def not_now(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for headings such as "Later" that suggest their tasks should wait."""
    under: dict[str, list[Task]] = defaultdict(list)
    for task in open_leaves(prd):
        for title in task.headings:
            if NOT_NOW.fullmatch(title.strip(" *_")):
                under[title].append(task)
    for title, tasks in under.items():
        yield LintRemark(
            tasks[0].line,
            "not-now",
            f"{_tasks(len(tasks))} under “{title[:50]}” will be worked on, too",
            "Move them to another file, or put `- Parked: later` below each.",
        )


def unproved(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark if there are no gates or checks: any change that exits with 0 would be accepted."""
    if facts.gates != ():
        return
    tasks = [task for task in open_leaves(prd) if not task.fields.checks]
    if tasks:
        yield LintRemark(
            tasks[0].line,
            "unproved",
            f"nothing proves {_tasks(len(tasks))}: there are no tests or linters, and no Check is named",
            'Add `- Check: COMMAND` below a task, or a gate to ralph.toml: `gate = ["make test"]`.',
        )


def _tasks(number: int) -> str:
    return f"{number} {'task' if number == 1 else 'tasks'}"


RULES: tuple[Callable[[Prd, LintFacts], Iterator[LintRemark]], ...] = (
    refusals,
    near_misses,
    same_texts,
    open_children,
    parked,
    not_now,
    unproved,
    wording,
    scopes,
    checks,
    fields,
)
