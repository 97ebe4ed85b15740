"""The faults that make a PRD unusable: each a sentence with its lines and a cure."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict

from ralph.errors import RalphError
from ralph.prd.lookup import Lookup
from ralph.prd.model import Prd, Task

_ABSOLUTE = re.compile(r"/|\\|~|[A-Za-z]:[\\/]")


def check(prd: Prd, name: str) -> None:
    """Raise RalphError for an unusable PRD; `name` is its path, relative to the repository's root.

    Faults: empty, no task, duplicate written ids, a missing or circular dependency, a path pattern that leaves the
    repository.
    """
    _has_tasks(prd, name)
    _ids_once(prd, name)
    lookup = Lookup(prd)
    needs = _needs(prd, lookup, name)
    _no_cycle(prd, lookup, needs, name)
    for task in prd.tasks:
        _paths_inside(task, name)


def _has_tasks(prd: Prd, name: str) -> None:
    if prd.tasks:
        return
    if not prd.data.removeprefix(b"\xef\xbb\xbf").strip():
        raise RalphError("the PRD is empty", "Write a task into it, such as `- [ ] Say hello`.", where=name)
    if prd.criteria:
        raise RalphError(
            f"the PRD has {len(prd.criteria)} boxes but no task: all stand under Acceptance criteria or the like",
            "Put the tasks under another heading: boxes there are criteria, not work.",
            where=name,
        )
    near = [f"; line {miss.line} looks like one, but {miss.why}" for miss in prd.near_misses[:1]]
    raise RalphError(f"the PRD has no task{''.join(near)}", "Write tasks as `- [ ] Say hello`.", where=name)


def _ids_once(prd: Prd, name: str) -> None:
    lines: dict[str, list[int]] = defaultdict(list)
    for task in prd.tasks:
        lines[task.id].append(task.line)  # a hash occurs again only with its number
    twice = [f"{task_id} (lines {', '.join(map(str, at))})" for task_id, at in lines.items() if len(at) > 1]
    if twice:
        more = f", and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise RalphError(
            f"ids that stand there more than once: {', '.join(twice[:5])}{more}",
            "Give each task an id of its own, or none.",
            where=name,
        )


def _needs(prd: Prd, lookup: Lookup, name: str) -> dict[str, list[Task]]:
    """Return task id -> the tasks under its Depends. A done task may name tasks that no longer exist."""
    result: dict[str, list[Task]] = {}
    for task in prd.tasks:
        for wanted in task.fields.depends:
            tasks = lookup.called(wanted)
            if len(tasks) == 1:
                result.setdefault(task.id, []).append(tasks[0])
            elif not task.done:
                problem = "there is no such task" if not tasks else f"{len(tasks)} tasks begin like that"
                raise RalphError(
                    f"{_called(task)} depends on “{wanted}”, but {problem}",
                    "Name a task by its id, or by a beginning of its text that no other has.",
                    where=f"{name}:{task.line}",
                )
    return result


def _no_cycle(prd: Prd, lookup: Lookup, needs: dict[str, list[Task]], name: str) -> None:
    """Raise RalphError for a cycle. A task needs its dependencies, its parents' dependencies, and its subtasks."""
    from graphlib import CycleError, TopologicalSorter

    if not needs:
        return
    graph: dict[str, set[str]] = {}
    for task in prd.tasks:
        own = {other.id for holder in (task, *lookup.above(task)) for other in needs.get(holder.id, ())}
        graph[task.id] = own | {child.id for child in lookup.children.get(task.id, ())}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = [lookup.by_id[task_id] for task_id in reversed(error.args[1])]
        raise RalphError(
            f"tasks that wait for one another: {' -> '.join(_called(task) for task in circle)}",
            "Take one of the Depends lines away.",
            where=f"{name}:{circle[0].line}",
        ) from None


def _called(task: Task) -> str:
    return task.id if task.written else f"“{task.text[:50]}”"


def _paths_inside(task: Task, name: str) -> None:
    folder = "" if posixpath.isabs(name) else posixpath.dirname(name)
    for key, patterns in (("Files", task.fields.files), ("Protected", task.fields.protected)):
        for pattern in patterns:
            path = pattern.removeprefix("!")
            outside = posixpath.normpath(posixpath.join(folder, path)).split("/")[0] == ".."
            if _ABSOLUTE.match(path) or outside or "\0" in path:
                raise RalphError(
                    f"{key} of {_called(task)} names “{pattern}”, which is not inside the repository",
                    "Write paths relative to the PRD's folder, without a leading `/` or `~`, and stay inside.",
                    where=f"{name}:{task.line}",
                )
