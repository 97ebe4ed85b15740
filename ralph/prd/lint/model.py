"""What lint says, and what it is told about the repository that the PRD stands in."""

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
    """One thing that is wrong (`error`: a run would refuse it) or risky (`warning`), and what to do about it."""

    line: int  # 1-based
    rule: str  # a short name that stays the same: `vague`, `typo` ...
    what: str  # a sentence without its point
    cure: str
    severity: str = WARNING
    task: str = ""  # id; "": it is about the document


def _is_unknown(_: str) -> bool:
    return False


@immutable
class LintFacts:
    """What is known of the repository; paths are relative to its root. None: not known, nothing is said of it."""

    name: str = "PRD.md"  # the PRD's path
    paths: tuple[str, ...] | None = None  # all files that git does not ignore
    here: str = ""  # the folder that checks run in
    gates: tuple[str, ...] | None = None  # the commands that would be run
    protected: tuple[str, ...] = ()  # patterns that no task may change
    strict: bool = False
    parallel: bool = False  # tasks may run side by side
    missing: frozenset[str] = frozenset()  # first words of checks that are no program here
    agents: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # an Agent that can't be used: what, cure
    unknown: frozenset[str] = frozenset()  # an Agent that is none
    is_gate_config: Callable[[str], bool] = _is_unknown  # whether a path configures gates

    def patterns(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns of the PRD, which are relative to its folder, as patterns of the repository."""
        folder = posixpath.dirname(self.name)
        return tuple(placed(folder, name) for name in said)

    def relative(self, path: str) -> str:
        """A path of the repository, as the PRD would write it."""
        folder = posixpath.dirname(self.name)
        return posixpath.relpath(path.strip("/"), folder or ".") + ("/" if path.endswith("/") else "")


def about(task: Task, rule: str, what: str, cure: str, severity: str = WARNING) -> LintRemark:
    """A remark about a task as a whole, at its line."""
    return LintRemark(task.line, rule, what, cure, severity, task.id)


def open_leaves(prd: Prd) -> tuple[Task, ...]:
    """What a run would work on: not ticked, nothing below it, not parked."""
    return tuple(task for task in prd.tasks if task.leaf and not task.done and task.fields.parked is None)


def called(task: Task) -> str:
    """A task in a sentence."""
    return task.id if task.written else f"“{task.text[:50]}{'…' if len(task.text) > 50 else ''}”"
