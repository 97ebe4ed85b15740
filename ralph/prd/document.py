"""The parser of PRDs and the few edits that ralph makes in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from ralph.errors import RalphError
from ralph.prd import criteria
from ralph.prd.diff import PrdDiff, difference, find_task, new_ticks
from ralph.prd.fields import field_name, read_fields
from ralph.prd.lookup import WRITTEN_ID, parents_done_with, resolve
from ralph.prd.markdown import edit as markdown
from ralph.prd.markdown.blocks import Document, Item, read_document, uncollected
from ralph.prd.markdown.formatted import formatted
from ralph.prd.model import Criterion, Prd, Task
from ralph.prd.near_misses import near_misses
from ralph.prd.validate import check

__all__ = [
    "PrdDiff",
    "add_subtasks",
    "check",
    "confirm",
    "difference",
    "find_task",
    "mark_split",
    "parents_done_with",
    "park",
    "parse",
    "resolve",
    "tick",
    "unpark",
    "untick",
    "without_new_ticks",
]

_COMMENT = re.compile(r"\s*<!--\s*id:\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*-->")
_READ: dict[bytes, Prd] = {}  # the most recent: equal bytes are parsed once
_KEPT = 6
SPLIT = "Split by ralph: these subtasks do not tick it, it gets an attempt of its own"


# ---------------------------------------------------------------- reading


def parse(data: bytes, name: str = "PRD.md") -> Prd:
    """Parse a PRD from any bytes. Raise RalphError if it is too large or nested too deep."""
    known = _READ.get(data)
    if known is None:
        try:
            known = _read(data)
        except RalphError as error:
            raise RalphError(error.what, error.now, where=error.where or name, code=error.code) from None
    return _remember(known)


def _remember(prd: Prd) -> Prd:
    _READ.pop(prd.data, None)
    while len(_READ) >= _KEPT:
        del _READ[next(iter(_READ))]
    _READ[prd.data] = prd
    return prd


def _read(data: bytes) -> Prd:
    with uncollected():
        return _from(read_document(data))


def _from(document: Document) -> Prd:
    items = [item for item in document.items if item.boxed and not item.quoted]
    under = criteria.under(document)
    own = [item for item in items if id(item) not in under]
    tasks = _tasks(document, own)
    ids = {id(item): task.id for item, task in zip(own, tasks, strict=True)} if len(own) < len(items) else {}
    boxes = criteria.read_criteria([item for item in items if id(item) in under], ids)
    return Prd(document.data, tasks, near_misses(document), boxes)


def _tasks(document: Document, items: Sequence[Item]) -> tuple[Task, ...]:
    """Return the tasks of the boxes. A parent is the nearest box above, through plain bullets."""
    own = {id(item): number for number, item in enumerate(items)}
    parents = [_above(item, own) for item in items]
    texts, ids, written = _names(items, parents)
    with_children = {parent for parent in parents if parent is not None}
    return tuple(
        Task(
            id=ids[n],
            written=written[n],
            number=n + 1,
            line=item.text_first + 1,
            offset=item.offset,
            text=texts[n],
            done=item.done,
            parent=None if (parent := parents[n]) is None else ids[parent],
            leaf=n not in with_children,
            body=_body(document, item, own),
            headings=item.headings,
            fields=read_fields(item.items),
        )
        for n, item in enumerate(items)
    )


def _above(item: Item, own: dict[int, int]) -> int | None:
    above = item.parent
    while above is not None:
        if id(above) in own:
            return own[id(above)]
        above = above.parent
    return None


def _names(items: Sequence[Item], parents: Sequence[int | None]) -> tuple[list[str], list[str], list[bool]]:
    """Return texts, ids, and whether each id is written. Other ids hash the texts of all parents; duplicates get
    `#2`."""
    texts: list[str] = []
    ids: list[str] = []
    paths: list[str] = []
    written: list[bool] = []
    equal: Counter[str] = Counter()
    for item, parent in zip(items, parents, strict=True):
        text, name = _text(item)
        path = text if parent is None else f"{paths[parent]}\n{text}"
        if not name:
            name = sha256(path.encode()).hexdigest()[:8]
            equal[name] += 1
            name += f"#{equal[name]}" if equal[name] > 1 else ""
            written.append(False)
        else:
            written.append(True)
        texts.append(text)
        ids.append(name)
        paths.append(path)
    return texts, ids, written


def _text(item: Item) -> tuple[str, str]:
    """Return the text of a box as one line without its id comment, and the written id."""
    text = " ".join(item.text.split())
    if "<!--" in text and (comment := _COMMENT.search(text)):
        text = f"{text[: comment.start()]}{text[comment.end() :]}".strip()
        return text or comment[1], comment[1]
    leading = WRITTEN_ID.match(text)
    return text, leading[1] if leading else ""


def _body(document: Document, item: Item, own: dict[int, int]) -> str:
    """Return the text below a task, without its subtasks, dedented by the task's indentation."""
    if item.end <= item.text_end:
        return ""
    skip = [(child.first, child.end) for child in _children(item, own)]
    start = document.starts[item.text_first]
    width = len(document.data[start : item.offset - 1].expandtabs(4))
    lines: list[str] = []
    at = item.text_end
    for first, end in [*skip, (item.end, item.end)]:
        lines += [_dedented(line, width) for line in document.lines[at : max(at, first)]]
        at = max(at, end)
    return "\n".join(lines).strip("\n").rstrip()


def _children(item: Item, own: dict[int, int]) -> list[Item]:
    children: list[Item] = []
    for child in item.items:
        children += [child] if id(child) in own else _children(child, own)
    return children


def _dedented(line: str, width: int) -> str:
    text = line.lstrip(" \t")
    indent = line[: len(line) - len(text)].expandtabs(4)
    return indent[width:] + text if text else ""


# ---------------------------------------------------------------- editing


def tick(prd: Prd, task_id: str) -> Prd:
    """Return the PRD with this box ticked: one byte differs. Raise RalphError unless one task has the id."""
    return _with_box(prd, task_id, done=True)


def untick(prd: Prd, task_id: str) -> Prd:
    """Return the PRD with this box empty: one byte differs. Raise RalphError unless one task has the id."""
    return _with_box(prd, task_id, done=False)


def with_boxes(prd: Prd, ids: Iterable[str], *, done: bool) -> Prd:
    """Return the PRD with these boxes ticked or empty. Ids that are missing or not unique are skipped."""
    count = Counter(task.id for task in prd.tasks)
    wanted = {name for name in ids if count[name] == 1}
    places = {at for at, task in enumerate(prd.tasks) if task.id in wanted and task.done is not done}
    return _set(prd, places, done=done) if places else prd


def _with_box(prd: Prd, task_id: str, *, done: bool) -> Prd:
    at = _place(prd, task_id)
    return prd if prd.tasks[at].done is done else _set(prd, {at}, done=done)


def _set(prd: Prd, places: set[int], *, done: bool) -> Prd:
    tasks = list(prd.tasks)
    for at in places:
        tasks[at] = replace(tasks[at], done=done)
    data = markdown.set_boxes(prd.data, [tasks[at].offset for at in places], done=done)
    after = Prd(data, tuple(tasks), prd.near_misses, prd.criteria)
    # Not of a version with requirements that the text lacks: a later parse of this text would show them.
    return _remember(after) if _READ.get(prd.data) is prd else after


def _place(prd: Prd, task_id: str) -> int:
    places = [n for n, task in enumerate(prd.tasks) if task.id == task_id]
    if len(places) != 1:
        lines = " and ".join(str(prd.tasks[n].line) for n in places)
        fault = (
            f"the id {task_id} stands there twice (lines {lines})" if places else f"no task {task_id} in the PRD"
        )
        raise RalphError(fault, "Give each task an id of its own." if places else "`ralph status` lists the tasks.")
    return places[0]


def without_new_ticks(before: Prd, now: Prd) -> Prd:
    """Return the later version with each newly ticked box emptied; all else byte for byte."""
    new = {task.number - 1 for task in new_ticks(before, now)}
    result = _set(now, new, done=False) if new else now
    met = [criterion.offset for criterion in criteria.new_ticks(before, now)]
    return parse(markdown.set_boxes(result.data, met, done=False)) if met else result


def confirm(prd: Prd, met: Sequence[Criterion], of: Prd) -> Prd:
    """Return the PRD with these criteria ticked, which were read in the version `of`: one byte each."""
    offsets = criteria.places(prd, met, of)
    return parse(markdown.set_boxes(prd.data, offsets, done=True)) if offsets else prd


def park(prd: Prd, task_id: str, reason: str) -> Prd:
    """Return the PRD with a nested line `- Parked: reason` under this task, replacing an older one; its box stays.

    Cut the reason to one line of 200 characters, in the form that formatters keep. Raise RalphError if the line
    can't be added safely.
    """
    prd = unpark(prd, task_id)
    at = _place(prd, task_id)
    text = formatted(markdown.one_line(reason), first=False) or "needs a human"
    with uncollected():
        parked = markdown.add_line(read_document(prd.data), prd.tasks[at].offset, f"Parked: {text}")
        return _same_but(prd, parked, at)


def add_subtasks(prd: Prd, task_id: str, lines: Sequence[str]) -> Prd:
    """Return the PRD with more boxes at the end of this task. Lines are `- [ ] text`, their fields indented by two
    spaces.

    All else stays byte for byte. Raise RalphError if that is impossible.
    """
    at = _place(prd, task_id)
    with uncollected():
        document = markdown.add_items(read_document(prd.data), prd.tasks[at].offset, lines)
    after = _remember(_from(document))
    _prove_subtasks(prd, after, at, sum(line.startswith("- [ ] ") for line in lines))
    return after


def mark_split(prd: Prd, task_id: str) -> Prd:
    """Return the PRD with a nested line that says that an agent proposed the subtasks of this task."""
    at = _place(prd, task_id)
    if prd.tasks[at].fields.split:
        return prd
    with uncollected():
        return _same_but(prd, markdown.add_line(read_document(prd.data), prd.tasks[at].offset, SPLIT), at)


def _prove_subtasks(before: Prd, after: Prd, at: int, count: int) -> None:
    """Raise RalphError unless the only change is `count` new, open children of this task."""
    parent = before.tasks[at]
    new = [
        task for task in after.tasks if task.parent == parent.id and task.id not in {old.id for old in before.tasks}
    ]
    rest = [task for task in after.tasks if task not in new]
    same = [(task.id, task.text, task.done, task.parent, task.fields) for task in before.tasks] == [
        (task.id, task.text, task.done, task.parent, task.fields) for task in rest
    ]
    if not same or len(new) != count or any(task.done or task.fields.parked or task.fields.checks for task in new):
        raise RalphError(
            f"no tasks can be added under line {parent.line} without changing something else of the document",
            "Add them by hand.",
        )


def unpark(prd: Prd, task_id: str) -> Prd:
    """Return the PRD without the `- Parked:` lines of this task. Raise RalphError if such an item holds more than
    its line."""
    at = _place(prd, task_id)
    while prd.tasks[at].fields.parked is not None:
        with uncollected():
            document = read_document(prd.data)
            item = markdown.item_at(document, prd.tasks[at].offset)
            line = next(child for child in item.items if field_name(child) == "parked")
            prd = _same_but(prd, markdown.remove_item(document, line), at)
    return prd


def _same_but(before: Prd, document: Document, at: int) -> Prd:
    """Return the document as a PRD. Raise RalphError unless only the body of the task at this index differs."""
    after = _remember(_from(document))

    def comparable(prd: Prd) -> list[Task]:
        tasks = [replace(task, line=0, offset=0) for task in prd.tasks]
        tasks[at] = replace(tasks[at], body="", fields=replace(tasks[at].fields, parked=None, split=""))
        return tasks

    if comparable(before) != comparable(after):
        line = before.tasks[at].line
        raise RalphError(
            f"the fields under line {line} can't be changed without changing another task",
            "Write or remove the line `- Parked:` or `- Split by ralph:` by hand.",
        )
    return after
