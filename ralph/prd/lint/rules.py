"""What is wrong or risky in a PRD, each with its line and a cure. Errors are what a run would refuse."""

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
    """All remarks, in the order of their lines."""
    found = [remark for rule in RULES for remark in rule(prd, facts)]
    return tuple(sorted(dict.fromkeys(found), key=lambda remark: (remark.line, remark.severity, remark.rule)))


# ---------------------------------------------------------------- what a run refuses


def refusals(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """The run's own question, asked again without what it has complained about."""
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
    """The task in the line that it names; else the first whose id stands there for the second time."""
    line = error.where.rpartition(":")[2]
    if line.isdecimal():
        return next((task for task in prd.tasks if task.line == int(line)), None)
    return next(iter(_repeated(prd)), None)


def _repeated(prd: Prd) -> list[Task]:
    seen: dict[str, Task] = {}
    return [task for task in prd.tasks if seen.setdefault(task.id, task) is not task]


def _without(prd: Prd, culprit: Task) -> Prd:
    """The PRD without what was complained about: what one task names, or all ids that stand there again."""
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
    """One remark for each reason: a block of examples in a code fence is one."""
    lines: dict[str, list[int]] = defaultdict(list)
    for miss in prd.near_misses:
        lines[miss.why].append(miss.line)
    for why, found in lines.items():
        more = f" ({len(found)} such lines, up to line {found[-1]})" if len(found) > 1 else ""
        yield LintRemark(
            found[0],
            "near-miss",
            f"this looks like a task and is none: {why}{more}",
            "Make it a task (`- [ ] text`), or leave it: ralph does not touch it.",
        )


def same_texts(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    """Under the same heading and parent nobody can tell them apart."""
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
        left = [child for child in children if not child.done]
        if task.done and left:
            yield about(
                task,
                "open-children",
                f"{called(task)} is ticked, {_tasks(len(left))} below it not",
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
    """Headings that sound as if what stands under them shall wait."""
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
    """Without gates and checks only git is looked at: any change that ends well would do."""
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
