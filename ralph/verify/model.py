"""The values of a verdict: gates and their results, evidence, rules, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ralph.agents.model import Stopped
from ralph.git.model import Change, Commit, StashChange
from ralph.immutable import immutable


@immutable
class Gate:
    """A command that must succeed. Run by `sh -c` in the folder where ralph was started."""

    command: str
    source: str = "found"  # "--gate", "ralph.toml", "Check of T3", "package.json" ...


@immutable
class GateResult:
    """What a gate said. `none` means: there is nothing to run yet ("no tests"), which is neither green nor red."""

    gate: Gate
    ok: bool
    code: int | None = None
    seconds: float = 0.0
    tail: str = ""
    timed_out: bool = False
    none: bool = False


class FindingKind(StrEnum):
    """The kinds of findings. Their words stand in the journal, the prompts and on the screen."""

    NOTHING = "nothing changed"
    ONLY_PAPER = "only the PRD or the memory file changed"
    TICKED = "ticked without work"
    TICKS = "ticked boxes itself"
    PRD = "rewrote the PRD"
    MEMORY = "rewrote the memory file"
    GATE = "a gate failed"
    SCOPE = "out of scope"
    PROTECTED = "protected path changed"
    TESTS = "passes only with the changed tests"
    GATE_FILES = "the gate itself was changed"
    HIDDEN = "hidden from git"
    HISTORY = "history was rewritten"
    UNRECORDABLE = "git can't record it"
    EMPTY = "empty output"
    BAD_END = "did not end well"
    CONFIG = "git's hooks or config changed"
    REFS = "other branches or tags changed"
    UNTRACKED = "files that git does not track were changed"
    GATE_WROTE = "the gates wrote files"
    GONE = "its task is gone from the PRD"
    CLASH = "clashes with work that came in meanwhile"
    REVIEW = "the reviewer refused it"
    STASH = "holds the content of a stash"


@immutable
class Finding:
    """One thing that was found. `rejects`: the attempt can't be accepted; else it is only told."""

    what: FindingKind
    text: str  # one sentence, with names and numbers
    detail: str = ""  # more lines: the tail of a gate, a diff, paths
    rejects: bool = True


@immutable
class PrdEdit:
    """How the PRD differs after an attempt, sorted by whose it is (never guessed: see the design)."""

    by_agent: bool = False  # its stream, or for agents without events its commits, show it
    ticked: tuple[str, ...] = ()  # ids of boxes that became ticked
    rewrote: bool = False  # anything else than ticks differs
    diff: str = ""


@immutable
class Evidence:
    """Everything that an attempt is judged by. Paths are relative to the repository's root, with `/`."""

    base: str  # the commit that it started from
    work: str  # the frozen commit
    stopped: Stopped
    changes: tuple[Change, ...] = ()  # PRD and memory file left out
    commits: tuple[Commit, ...] = ()
    prd: PrdEdit = field(default_factory=PrdEdit)
    memory_changed: bool = False
    memory_dropped: tuple[str, ...] = ()  # what of its edit of the memory file is dropped, one sentence each
    rewritten: str = ""  # how history was rewritten, a sentence; empty: it was not
    hidden: tuple[str, ...] = ()  # paths that only the attempt's own rules or flags hide from git
    obstacles: tuple[str, ...] = ()  # why git can't record the work, sentences
    config: tuple[str, ...] = ()  # hooks and config that changed, sentences
    refs: tuple[str, ...] = ()  # other branches and tags that changed, sentences
    untracked: tuple[str, ...] = ()  # paths that were untracked before and changed, and are not named by Files
    texts: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)  # path -> (base, work) of config files
    gates: tuple[GateResult, ...] = ()
    base_tests: tuple[GateResult, ...] = ()  # the gates with the base versions of changed tests
    gate_wrote: tuple[str, ...] = ()
    stash: StashChange = field(default_factory=StashChange)


@immutable
class Rules:
    """What the verdict holds the evidence against, fixed before the attempt starts. Patterns as in gitignore,
    relative to the repository's root."""

    scope: tuple[str, ...] = ()  # empty: everything
    protected: tuple[str, ...] = ()
    prd: str = ""  # the PRD's path in the repository
    memory: str = ""  # the memory file's path in the repository
    text: str = ""  # the task's text and body: a test file named there may change
    tracked: frozenset[str] = frozenset()  # words of the gates' commands that name tracked files
    baseline: frozenset[str] = frozenset()  # commands that were red before the run (--baseline)
    checks: frozenset[str] = frozenset()  # the task's own checks: never excused by the baseline
    standing: frozenset[str] | None = None  # commands of gates that had something to run before; None: not known
    strict: bool = False
    only_checked: bool = False  # no agent worked: all below is done, and its own checks alone shall prove it


@immutable
class Verdict:
    """Accepted when no finding rejects."""

    findings: tuple[Finding, ...] = ()

    @property
    def accepted(self) -> bool:
        return not any(finding.rejects for finding in self.findings)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.rejects)
