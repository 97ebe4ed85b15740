"""The smaller tasks of a task that was too large, from an agent's answer. The answer is not trusted.

It can add no command, no id and no wider scope: only texts and paths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph import paths as sensitive
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.lookup import WRITTEN_ID
from ralph.prd.markdown.formatted import formatted
from ralph.prd.model import Fields, Task
from ralph.text import clean, one_line

FEWEST, MOST = 3, 5
SHORTEST, LONGEST = 8, 300  # characters of a task
BOX = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)]) \[[ xX]\] ", re.MULTILINE)
FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,}).*$", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)


@immutable
class Subtask:
    """One of the smaller tasks."""

    text: str
    files: tuple[str, ...] = ()
    done_when: tuple[str, ...] = ()


@immutable
class SplitAnswer:
    """The smaller tasks, in order, and the fields that each inherits from the large one."""

    parts: tuple[Subtask, ...]
    kept: Fields


@immutable
class SplitRefusal:
    """One sentence why the answer can't be used."""

    reason: str


def parse(
    answer: str, parent: Task, others: Sequence[Task], *, protected: Sequence[str] = (),
    papers: frozenset[str] = frozenset(),
) -> SplitAnswer | SplitRefusal:  # fmt: skip
    """Return the smaller tasks of an agent's answer. `others` are the tasks of the PRD, `papers` PRD and memory
    file."""
    tasks = [task for task in prd.parse(_list(answer).encode()).tasks if task.parent is None]
    if not FEWEST <= len(tasks) <= MOST:
        return SplitRefusal(f"{len(tasks)} smaller tasks were proposed, not {FEWEST} to {MOST}.")
    parts = tuple(_part(task, parent, protected, papers) for task in tasks)
    for part in parts:
        if not SHORTEST <= len(part.text) <= LONGEST:
            return SplitRefusal(f"“{one_line(part.text, 40)}” is no task that could be done.")
    known = {_normal(_without_id(task.text)) for task in (*others, parent)}
    names = [_normal(part.text) for part in parts]
    if twice := next((part.text for part, name in zip(parts, names, strict=True) if name in known), ""):
        return SplitRefusal(f"“{one_line(twice, 60)}” is a task already.")
    if len(set(names)) < len(names):
        return SplitRefusal("The same smaller task was proposed twice.")
    return SplitAnswer(parts, parent.fields)


def lines(plan: SplitAnswer) -> tuple[str, ...]:
    """Return the tasks as lines of Markdown, their fields indented by two spaces."""
    return tuple(line for part in plan.parts for line in _lines(part, plan.kept))


def _lines(part: Subtask, inherited: Fields) -> list[str]:
    files = part.files or inherited.files
    done_when = formatted("; ".join(part.done_when), first=False)
    fields = [
        ("Files", _code(files)), ("Protected", _code(inherited.protected)), ("Done when", done_when),
        ("Agent", inherited.agent), ("Model", inherited.model), ("Group", inherited.group),
        ("Timeout", f"{inherited.timeout:g}s" if inherited.timeout else ""),
    ]  # fmt: skip
    text = formatted(part.text, first=False)
    return [f"- [ ] {text}", *(f"  - {name}: {value}" for name, value in fields if value)]


def _code(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{pattern}`" for pattern in patterns)


def _list(answer: str) -> str:
    """Return the text from the first box of the last list on. Fences and everything above do not count."""
    text = COMMENT.sub("", clean(answer)).replace("\t", "    ")
    for block in reversed(FENCE.split(text)):
        if first := BOX.search(block):
            return block[first.start() :]
    return ""


def _part(task: Task, parent: Task, protected: Sequence[str], papers: frozenset[str]) -> Subtask:
    text = _without_id(one_line(task.text, LONGEST + 1))
    conditions = tuple(one_line(name, 200) for name in task.fields.done_when)
    return Subtask(text, _narrower(task.fields.files, parent.fields.files, protected, papers), conditions)


def _without_id(text: str) -> str:
    while match := WRITTEN_ID.match(text):
        text = text[match.end() :].lstrip(" :.)-")
    return text


def _narrower(
    wanted: Sequence[str], allowed: Sequence[str], protected: Sequence[str], papers: frozenset[str]
) -> tuple[str, ...]:  # fmt: skip
    """Return the patterns if each is provably inside the allowed ones and not protected; otherwise ()."""
    plain = [name.strip("/") for name in wanted]
    safe = all(plain) and not any(set(name) & set("!\\`\n") or ".." in name.split("/") for name in plain)
    if not (safe and all(_inside(name, allowed) for name in plain)):
        return ()
    named = [path for name in plain for path in (_stem(name), f"{_stem(name)}/x")]
    touched = [path for path in named if sensitive.matches(tuple(protected), path) or path in papers]
    return () if touched else tuple(wanted)


def _inside(pattern: str, allowed: Sequence[str]) -> bool:
    """Return whether a pattern is inside: without wildcards it must match, with them it must be one of the allowed
    or below an allowed folder."""
    if not allowed:
        return not pattern.startswith("*")
    if not set(pattern) & set("*?["):
        return sensitive.matches(tuple(allowed), pattern)
    plain = [name.strip("/").removesuffix("/**") for name in allowed]
    folders = [name for name in plain if not set(name) & set("*?[")]
    return pattern in [name.strip("/") for name in allowed] or any(
        pattern.startswith(f"{folder}/") for folder in folders
    )


def _stem(pattern: str) -> str:
    """Return the path of a pattern before its first wildcard."""
    return re.split(r"/?[^/]*[*?\[]", pattern)[0] or pattern


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
