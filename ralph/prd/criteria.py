"""Boxes under acceptance criteria and the like: no tasks. Ticked where a check or a reviewer confirmed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ralph.prd.fields import names_criteria, opens_criteria
from ralph.prd.markdown.blocks import Document, Item
from ralph.prd.model import Criterion, Prd

_Key = tuple[str | None, str, int]  # task, text, and which of several equal ones


def under(document: Document) -> set[int]:
    """The items (by identity) that stand under acceptance criteria and the like."""
    known: dict[tuple[str, ...], bool] = {}
    found: set[int] = set()
    for item in document.items:
        place, above = item.headings, item.parent
        if place not in known:
            known[place] = any(names_criteria(title) for title in place)
        inherited = above is not None and (id(above) in found or (not above.boxed and opens_criteria(above)))
        if inherited or known[place] or (item.label and names_criteria(item.label)):
            found.add(id(item))
    return found


def read_criteria(items: Sequence[Item], tasks: Mapping[int, str]) -> tuple[Criterion, ...]:
    """The boxes of criteria; `tasks` are the ids of the items (by identity) that are tasks."""
    return tuple(
        Criterion(
            task=next((tasks[id(above)] for above in _above(item) if id(above) in tasks), None),
            line=item.text_first + 1,
            offset=item.offset,
            text=" ".join(item.text.split()),
            done=item.done,
            asked=not _out_of_scope(item, tasks),
        )
        for item in items
    )


def _above(item: Item) -> Iterator[Item]:
    above = item.parent
    while above is not None:
        yield above
        above = above.parent


def _out_of_scope(item: Item, tasks: Mapping[int, str]) -> bool:
    """What is not to be done is never met."""
    words = [*item.headings, item.label]
    for above in _above(item):
        if id(above) in tasks:
            break
        words += [above.text, above.label]
    return any("out of scope" in " ".join(word.lower().split()) for word in words)


# ---------------------------------------------------------------- what is confirmed


def to_confirm(prd: Prd, task_id: str, start: Prd) -> tuple[Criterion, ...]:
    """The empty boxes of a task's criteria that stood there when it started."""
    then = {criterion.text for criterion in start.criteria}
    return tuple(
        criterion
        for criterion in prd.criteria
        if criterion.task == task_id and criterion.asked and not criterion.done and criterion.text in then
    )


def places(prd: Prd, wanted: Sequence[Criterion], of: Prd) -> tuple[int, ...]:
    """Where the empty boxes of criteria are in another reading of the PRD that they were found in (`of`)."""
    keys = {key for key, criterion in _keys(of).items() if criterion in wanted}
    return tuple(criterion.offset for key, criterion in _keys(prd).items() if key in keys and not criterion.done)


def new_ticks(before: Prd, now: Prd) -> tuple[Criterion, ...]:
    """Those that were there before with an empty box and have a ticked one now."""
    then = _keys(before) if now.criteria else {}
    return tuple(
        criterion for key, criterion in _keys(now).items() if criterion.done and key in then and not then[key].done
    )


def _keys(prd: Prd) -> dict[_Key, Criterion]:
    seen: Counter[tuple[str | None, str]] = Counter()
    found: dict[_Key, Criterion] = {}
    for criterion in prd.criteria:
        seen[criterion.task, criterion.text] += 1
        found[criterion.task, criterion.text, seen[criterion.task, criterion.text]] = criterion
    return found
