"""Lint rules for fields: lines that only look like a field, and unusable values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from ralph.prd.fields import duration, field_name
from ralph.prd.lint.model import ERROR, LintFacts, LintRemark, about, called, open_leaves
from ralph.prd.markdown.blocks import Item, read_document
from ralph.prd.model import Prd, Task

KEYS = (
    "Files", "Scope", "Protected", "Do not touch", "Depends", "Depends on", "Check", "Checks", "Verify",
    "Done when", "Acceptance criteria", "Timeout", "Attempts", "Parked",
)  # fmt: skip
FIELD = re.compile(r"\s*[*_]*([A-Za-z][A-Za-z' ]{2,22}?)[*_]*\s*[:：]")


def fields(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for each line that looks like a field but has no effect, and for each unusable value."""
    document = read_document(prd.data)
    tasks = {task.line: task for task in prd.tasks if not task.done}
    for item in document.items:
        task = tasks.get(item.text_first + 1) if item.boxed and not item.quoted else None
        if task is not None:
            yield from _below(task, item)
            yield from _in_text(task, item)
    yield from _beside(document.items, tasks)
    for task in open_leaves(prd):
        yield from _agent(task, facts)


def _below(task: Task, item: Item) -> Iterator[LintRemark]:
    for child in item.items:
        name = "" if child.boxed else field_name(child)
        key, value = _key(child), child.text.partition(":")[2].strip(" *_`")
        if not name and not child.boxed and (near := _near(key)):
            yield _remark(
                child, task, "misspelled", f"`{key}:` below {called(task)} is no field", f"Did you mean `{near}:`?"
            )
        elif name in ("timeout", "attempts") and value and not _readable(name, value):
            yield _remark(
                child,
                task,
                "unreadable",
                f"`{key}: {value[:40]}` below {called(task)} is not understood",
                "Write `Timeout: 90m` or `Attempts: 2`.",
            )
        elif not name and not child.boxed:
            yield from _too_deep(task, child)


def _too_deep(task: Task, item: Item) -> Iterator[LintRemark]:
    for child in item.items:
        if not child.boxed and field_name(child) in {"files", "protected", "depends", "checks", "parked"}:
            yield _remark(
                child,
                task,
                "misplaced",
                f"`{_key(child)}:` stands too deep below {called(task)} to count",
                "Indent it like the other bullets right below the task.",
            )


def _in_text(task: Task, item: Item) -> Iterator[LintRemark]:
    """Yield a remark for a field on a line without a bullet: `Files: a.py` is then part of the text above it."""
    for number, line in enumerate(item.text.split("\n")):
        if number and (key := FIELD.match(line)) and key[1].lower() in {name.lower() for name in KEYS}:
            yield LintRemark(
                task.line + number,
                "misplaced",
                f"`{key[1]}:` is text of {called(task)}, no field",
                f"Make it a bullet below the task: `- {key[1]}: ...`.",
                task=task.id,
            )


def _beside(items: Sequence[Item], tasks: dict[int, Task]) -> Iterator[LintRemark]:
    """Yield a remark for a field that is a bullet beside its task instead of below it."""
    last: dict[int, Item] = {}
    for item in items:
        above = last.get(id(item.parent))
        task = tasks.get(above.text_first + 1) if above is not None and item.first <= above.end else None
        if task is not None and not item.boxed and field_name(item) in {"files", "protected", "depends", "checks"}:
            yield _remark(
                item,
                task,
                "misplaced",
                f"`{_key(item)}:` stands beside {called(task)}, not below it",
                "Indent it, so that it belongs to the task.",
            )
        if item.boxed or field_name(item) == "":
            last[id(item.parent)] = item


def _agent(task: Task, facts: LintFacts) -> Iterator[LintRemark]:
    name = task.fields.agent
    if name in facts.agents:
        problem, cure = facts.agents[name]
        yield about(task, "agent", f"{problem} (Agent of {called(task)})", cure, ERROR)
    elif name in facts.unknown:
        yield about(
            task,
            "agent",
            f"no agent is called `{name[:40]}`: {called(task)} is done by the usual one",
            "Name one like `claude` or `codex:MODEL`, or leave Agent out.",
        )
    if len(task.fields.model.split()) > 1:
        yield about(
            task,
            "model",
            f"`Model: {task.fields.model[:60]}` of {called(task)} is taken for the model to use",
            "Write it in another way, if it is about the work.",
        )


def _key(item: Item) -> str:
    match = FIELD.match(item.text)
    return match[1] if match else ""


def _near(key: str) -> str:
    known = {name.lower(): name for name in KEYS}
    return next((known[match] for match in get_close_matches(key.lower(), known, 1, cutoff=0.8)), "") if key else ""


def _readable(name: str, value: str) -> bool:
    return duration(value) is not None if name == "timeout" else value.isdecimal() and int(value) > 0


def _remark(item: Item, task: Task, rule: str, problem: str, cure: str) -> LintRemark:
    return LintRemark(item.text_first + 1, rule, problem, cure, task=task.id)
