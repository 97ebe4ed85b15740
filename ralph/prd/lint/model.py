"""The values of the linter: its remarks, and the facts about the repository that it needs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import field

from ralph.immutable import immutable
from ralph.paths import placed
from ralph.prd.model import Prd, Task

ERROR, WARNING = "error", "warning"


@immutable
class LintRemark:
    """A fault (`error`: a run would refuse it) or a risk (`warning`), with its cure."""

    line: int  # 1-based
    rule: str  # stable rule name: `vague`, `typo` ...
    what: str  # a sentence without its full stop
    cure: str
    severity: str = WARNING
    task: str = ""  # id; "": it concerns the whole document


def _is_unknown(_: str) -> bool:
    return False


@immutable
class LintFacts:
    """Facts about the repository; paths are relative to its root. None: unknown, and no remark depends on it."""

    name: str = "PRD.md"  # the PRD's path
    paths: tuple[str, ...] | None = None  # all files that git does not ignore
    here: str = ""  # the folder in which checks run
    gates: tuple[str, ...] | None = None  # the commands of the gates
    protected: tuple[str, ...] = ()  # patterns that no task may change
    strict: bool = False
    parallel: bool = False  # tasks may run in parallel
    missing: frozenset[str] = frozenset()  # first words of checks that are not a program on this machine
    agents: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # unusable Agent -> (problem, cure)
    unknown: frozenset[str] = frozenset()  # names under Agent that are not an agent
    is_gate_config: Callable[[str], bool] = _is_unknown  # whether a path configures gates

    def patterns(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Convert patterns relative to the PRD's folder to patterns relative to the repository."""
        folder = posixpath.dirname(self.name)
        return tuple(placed(folder, name) for name in paths)

    def relative(self, path: str) -> str:
        """Convert a path of the repository to the form used in the PRD."""
        folder = posixpath.dirname(self.name)
        return posixpath.relpath(path.strip("/"), folder or ".") + ("/" if path.endswith("/") else "")


def about(task: Task, rule: str, what: str, cure: str, severity: str = WARNING) -> LintRemark:
    """Return a remark about a whole task, at its line."""
    return LintRemark(task.line, rule, what, cure, severity, task.id)


def open_leaves(prd: Prd) -> tuple[Task, ...]:
    """Return the tasks that a run would work on: open, without subtasks, not parked."""
    return tuple(task for task in prd.tasks if task.leaf and not task.done and task.fields.parked is None)


def called(task: Task) -> str:
    """Return the name of a task for a sentence."""
    return task.id if task.written else f"“{task.text[:50]}{'…' if len(task.text) > 50 else ''}”"
