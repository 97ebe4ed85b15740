"""The values of a PRD: tasks with their fields, criteria, near misses."""

from __future__ import annotations

from dataclasses import field

from ralph.immutable import immutable


@immutable
class Fields:
    """The fields of a task, from nested `Key: value` bullets. Empty: not given."""

    files: tuple[str, ...] = ()  # gitignore-style patterns, relative to the PRD's folder
    protected: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()  # written ids or texts as the person wrote them
    checks: tuple[str, ...] = ()  # commands, run by `sh -c`: the only text of a PRD that is executed
    late_checks: tuple[str, ...] = ()  # of the checks: not run on the base
    proof: str = ""  # the level of proof that the task asks for
    done_when: tuple[str, ...] = ()  # for the agent and the reviewer
    group: str = ""
    agent: str = ""
    model: str = ""
    attempts: int | None = None  # maximum number of attempts
    timeout: float | None = None  # seconds
    parked: str | None = None  # the reason; None: not parked
    split: str = ""  # ralph's note that an agent proposed the subtasks


@immutable
class Task:
    """One checkbox. `id` is the written id, or a hash of the text and its parents' texts."""

    id: str
    written: bool  # the id is written in the PRD
    number: int  # 1-based, in document order, over all boxes that are tasks
    line: int  # 1-based line of the box
    offset: int  # byte offset of the character inside the brackets
    text: str  # the text after the box, first paragraph, without an id comment
    done: bool
    parent: str | None = None  # id of the enclosing task
    leaf: bool = True
    body: str = ""  # everything below it except tasks, dedented; fields included
    headings: tuple[str, ...] = ()  # the headings above it, outermost first
    fields: Fields = field(default_factory=Fields)

    @property
    def is_unit(self) -> bool:
        """Whether it gets attempts: a leaf, or a parent that its subtasks do not tick. Such a parent has Checks of
        its own, or an agent proposed its subtasks."""
        return self.leaf or bool(self.fields.checks or self.fields.split)


@immutable
class NearMiss:
    """A line that only looks like a task. It is reported and left alone."""

    line: int
    text: str
    why: str


@immutable
class Criterion:
    """A box under acceptance criteria or similar: not a task."""

    task: str | None  # id of the task above it
    line: int  # 1-based line of the box
    offset: int  # byte offset of the character inside the brackets
    text: str
    done: bool
    asked: bool = True  # False: it is under "Out of scope"


@immutable
class Prd:
    """A parsed PRD: its bytes, tasks, near misses and criteria."""

    data: bytes
    tasks: tuple[Task, ...]
    near_misses: tuple[NearMiss, ...] = ()
    criteria: tuple[Criterion, ...] = ()


def id_prefix(task: Task, text: str) -> str:
    """Return the task's written id and a space, or "" if there is none or `text` begins with it."""
    return "" if not task.written or text.startswith(task.id) else f"{task.id} "


def task_title(task: Task) -> str:
    """Return the task's text, with its written id once in front."""
    return id_prefix(task, task.text) + task.text
