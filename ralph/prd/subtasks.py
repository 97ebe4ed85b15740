"""A task that was too large -> smaller ones, from what an agent answered. Nothing of the answer is trusted.

It can bring in no command, no id, no wider scope: texts and paths only.
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
    """The smaller tasks, in order, and what each of them keeps of the large one."""

    parts: tuple[Subtask, ...]
    kept: Fields


@immutable
class SplitRefusal:
    """Why the answer can't be used: a sentence."""

    reason: str


def parse(
    answer: str, parent: Task, others: Sequence[Task], *, protected: Sequence[str] = (),
    papers: frozenset[str] = frozenset(),
) -> SplitAnswer | SplitRefusal:  # fmt: skip
    """The plan that an agent answered with. `others` are the tasks of the PRD, `papers` PRD and memory file."""
    found = [task for task in prd.parse(_list(answer).encode()).tasks if task.parent is None]
    if not FEWEST <= len(found) <= MOST:
        return SplitRefusal(f"{len(found)} smaller tasks were proposed, not {FEWEST} to {MOST}.")
    parts = tuple(_part(task, parent, protected, papers) for task in found)
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
    """The tasks as lines of Markdown, fields indented by two blanks."""
    return tuple(line for part in plan.parts for line in _lines(part, plan.kept))


def _lines(part: Subtask, kept: Fields) -> list[str]:
    files = part.files or kept.files
    done_when = formatted("; ".join(part.done_when), first=False)
    fields = [
        ("Files", _code(files)), ("Protected", _code(kept.protected)), ("Done when", done_when),
        ("Agent", kept.agent), ("Model", kept.model), ("Group", kept.group),
        ("Timeout", f"{kept.timeout:g}s" if kept.timeout else ""),
    ]  # fmt: skip
    text = formatted(part.text, first=False)
    return [f"- [ ] {text}", *(f"  - {name}: {value}" for name, value in fields if value)]


def _code(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{pattern}`" for pattern in patterns)


def _list(answer: str) -> str:
    """From the first box of the last list on: fences and all above do not count."""
    text = COMMENT.sub("", clean(answer)).replace("\t", "    ")
    for block in reversed(FENCE.split(text)):
        if first := BOX.search(block):
            return block[first.start() :]
    return ""


def _part(task: Task, parent: Task, protected: Sequence[str], papers: frozenset[str]) -> Subtask:
    text = _without_id(one_line(task.text, LONGEST + 1))
    said = tuple(one_line(name, 200) for name in task.fields.done_when)
    return Subtask(text, _narrower(task.fields.files, parent.fields.files, protected, papers), said)


def _without_id(text: str) -> str:
    while match := WRITTEN_ID.match(text):
        text = text[match.end() :].lstrip(" :.)-")
    return text


def _narrower(
    wanted: Sequence[str], allowed: Sequence[str], protected: Sequence[str], papers: frozenset[str]
) -> tuple[str, ...]:  # fmt: skip
    """The patterns, if each is provably inside the allowed ones and off what is protected; else none."""
    plain = [name.strip("/") for name in wanted]
    safe = all(plain) and not any(set(name) & set("!\\`\n") or ".." in name.split("/") for name in plain)
    if not (safe and all(_inside(name, allowed) for name in plain)):
        return ()
    named = [path for name in plain for path in (_stem(name), f"{_stem(name)}/x")]
    touched = [path for path in named if sensitive.matches(tuple(protected), path) or path in papers]
    return () if touched else tuple(wanted)


def _inside(pattern: str, allowed: Sequence[str]) -> bool:
    """A pattern without wildcards must match; one with them must be one of the allowed, or below such a folder."""
    if not allowed:
        return not pattern.startswith("*")
    if not set(pattern) & set("*?["):
        return sensitive.matches(tuple(allowed), pattern)
    whole = [name.strip("/").removesuffix("/**") for name in allowed]
    folders = [name for name in whole if not set(name) & set("*?[")]
    return pattern in [name.strip("/") for name in allowed] or any(
        pattern.startswith(f"{folder}/") for folder in folders
    )


def _stem(pattern: str) -> str:
    """The path that a pattern names, as far as it has no wildcard."""
    return re.split(r"/?[^/]*[*?\[]", pattern)[0] or pattern


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
