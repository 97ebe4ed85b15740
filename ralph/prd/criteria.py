"""Acceptance criteria: checkboxes that are not tasks. A passing check or a reviewer confirms them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ralph.prd.fields import names_criteria, opens_criteria
from ralph.prd.markdown.blocks import Document, Item
from ralph.prd.model import Criterion, Prd

_Key = tuple[str | None, str, int]  # task, text, and the number among equal ones


def under(document: Document) -> set[int]:
    """Return the identities of the items under acceptance criteria and similar headings."""
    known: dict[tuple[str, ...], bool] = {}
    ids: set[int] = set()
    for item in document.items:
        place, above = item.headings, item.parent
        if place not in known:
            known[place] = any(names_criteria(title) for title in place)
        inherited = above is not None and (id(above) in ids or (not above.boxed and opens_criteria(above)))
        if inherited or known[place] or (item.label and names_criteria(item.label)):
            ids.add(id(item))
    return ids


def read_criteria(items: Sequence[Item], tasks: Mapping[int, str]) -> tuple[Criterion, ...]:
    """Return the boxes that are criteria; `tasks` maps the identities of task items to task ids."""
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
    """Return whether the item stands under "Out of scope": such a criterion is never met."""
    titles = [*item.headings, item.label]
    for above in _above(item):
        if id(above) in tasks:
            break
        titles += [above.text, above.label]
    return any("out of scope" in " ".join(word.lower().split()) for word in titles)


# ---------------------------------------------------------------- what is confirmed


def to_confirm(prd: Prd, task_id: str, start: Prd) -> tuple[Criterion, ...]:
    """Return the empty criteria of a task that already existed at its start."""
    then = {criterion.text for criterion in start.criteria}
    return tuple(
        criterion
        for criterion in prd.criteria
        if criterion.task == task_id and criterion.asked and not criterion.done and criterion.text in then
    )


def places(prd: Prd, wanted: Sequence[Criterion], of: Prd) -> tuple[int, ...]:
    """Return the byte offsets, in `prd`, of the empty criteria that were read in `of`."""
    keys = {key for key, criterion in _keys(of).items() if criterion in wanted}
    return tuple(criterion.offset for key, criterion in _keys(prd).items() if key in keys and not criterion.done)


def new_ticks(before: Prd, now: Prd) -> tuple[Criterion, ...]:
    """Return the criteria that were empty before and are ticked now."""
    then = _keys(before) if now.criteria else {}
    return tuple(
        criterion for key, criterion in _keys(now).items() if criterion.done and key in then and not then[key].done
    )


def _keys(prd: Prd) -> dict[_Key, Criterion]:
    seen: Counter[tuple[str | None, str]] = Counter()
    criteria: dict[_Key, Criterion] = {}
    for criterion in prd.criteria:
        seen[criterion.task, criterion.text] += 1
        criteria[criterion.task, criterion.text, seen[criterion.task, criterion.text]] = criterion
    return criteria
