"""The values of a verdict: gates and their results, evidence, rules, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ralph.agents.model import Stopped
from ralph.git.model import Change, Commit, StashChange
from ralph.immutable import immutable
from ralph.verify.content.added_content import Added
from ralph.verify.outcomes.model import Outcome


@immutable
class Gate:
    """A command that must succeed. Run by `sh -c` in the folder in which ralph was started."""

    command: str
    source: str = "found"  # "--gate", "ralph.toml", "Check of T3", "package.json" ...


@immutable
class GateResult:
    """The result of a gate. `none`: there is nothing to run yet ("no tests"), which is neither green nor red."""

    gate: Gate
    ok: bool
    code: int | None = None
    seconds: float = 0.0
    tail: str = ""
    timed_out: bool = False
    none: bool = False
    outcome: Outcome | None = None  # what the test run reported; None: no count
    flaky: bool = False  # it was red, or reported less, and then green on the same tree


class FindingKind(StrEnum):
    """The kinds of findings. The values are used in the journal, the prompts and on the screen."""

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
    GATE_ADDED = "adds to what configures the gates"
    SUPPRESSED = "takes something out of the checks"
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
    FEWER = "fewer tests passed"
    EXPECTS = "changes what tests expect"
    FLAKY = "a gate is flaky"
    THIN = "thin work"
    CONTENT = "holds what must not be committed"
    CHECK_BEFORE = "a check proves nothing"
    UNREVIEWED = "was not reviewed"
    WEAK = "is not proven strongly enough"
    STASH = "holds the content of a stash"


@immutable
class Finding:
    """A fact found by a rule. `rejects`: the attempt can't be accepted; otherwise it is only reported."""

    what: FindingKind
    text: str  # one sentence, with names and numbers
    detail: str = ""  # more lines: the end of a gate's output, a diff, paths
    rejects: bool = True


@immutable
class PrdEdit:
    """The differences of the PRD after an attempt, by author (never guessed)."""

    by_agent: bool = False  # shown by its event stream or, for agents without events, by its commits
    ticked: tuple[str, ...] = ()  # ids of boxes that became ticked
    rewrote: bool = False  # anything except ticks differs
    diff: str = ""


@immutable
class Evidence:
    """All facts that decide about an attempt. Paths are relative to the repository's root, with `/`."""

    base: str  # the commit on which it started
    work: str  # the frozen commit
    stopped: Stopped
    changes: tuple[Change, ...] = ()  # without PRD and memory file
    commits: tuple[Commit, ...] = ()
    prd: PrdEdit = field(default_factory=PrdEdit)
    memory_changed: bool = False
    memory_dropped: tuple[str, ...] = ()  # dropped changes of the memory file, one sentence each
    rewritten: str = ""  # how history was rewritten, a sentence; "": it was not
    ignored: Mapping[str, str] = field(
        default_factory=dict
    )  # new files that git ignores -> the rule, `.gitignore:1: lib/`
    programs: tuple[str, ...] = ()  # untracked files that the gates run, changed by the attempt
    protected_ignored: tuple[str, ...] = ()  # protected files that git ignores, changed by the attempt
    hidden: tuple[str, ...] = ()  # paths that only the attempt's own rules or flags hide from git
    obstacles: tuple[str, ...] = ()  # why git can't record the work, sentences
    config: tuple[str, ...] = ()  # changed hooks and config, sentences
    refs: tuple[str, ...] = ()  # changes of other branches and tags, sentences
    untracked: tuple[str, ...] = ()  # changed paths that were untracked before and are not in Files
    kept: str = ""  # the ref that holds these files as they were, if the attempt is accepted
    texts: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)  # path -> (base, work) of config files
    gates: tuple[GateResult, ...] = ()
    base_tests: tuple[GateResult, ...] = ()  # the gates with the base versions of changed tests
    without_ignored: tuple[GateResult, ...] = ()  # the gates without the `ignored` files
    gate_wrote: tuple[str, ...] = ()
    gates_format: bool = False  # a gate rewrites files on purpose
    earlier: tuple[tuple[Change, ...], ...] = ()  # the changes of this run's commits
    added: tuple[Added, ...] = ()  # secrets, dumps, large files and links in the work
    contents: Mapping[str, tuple[bytes, bytes]] = field(
        default_factory=dict
    )  # path -> (base, work), large ones not
    bent: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # source file -> assertions of its own tests that expect another value now
    stash: StashChange = field(default_factory=StashChange)


@immutable
class Rules:
    """The rules of the verdict, fixed before the attempt starts. Patterns as in gitignore, relative to the
    repository's root."""

    scope: tuple[str, ...] = ()  # empty: everything
    protected: tuple[str, ...] = ()
    prd: str = ""  # the PRD's path in the repository
    memory: str = ""  # the memory file's path in the repository
    text: str = ""  # the task's text and body: a test file named there may change
    tracked: frozenset[str] = frozenset()  # files of the base that the gates execute
    read_by_gates: frozenset[str] = frozenset()  # data of the base that these name
    baseline: frozenset[str] = frozenset()  # commands that were red before the run (--baseline)
    checks: frozenset[str] = frozenset()  # the task's own checks: never excused by the baseline
    tests_touched: frozenset[str] = frozenset()  # tests that the attempt added, changed or removed
    named_tests: frozenset[str] = frozenset()  # those of them that the task names: they may lose tests
    required: str = ""  # the level of proof that the task or the run asks for
    missing: tuple[str, ...] = ()  # paths in the task's text that exist neither before nor after
    proving_checks: frozenset[str] = frozenset()  # of the checks: red on the base
    floors: Mapping[str, Outcome] = field(
        default_factory=dict
    )  # command -> the outcome that it must not fall below
    known_failures: Mapping[str, frozenset[str]] = field(default_factory=dict)  # command -> tests red at the start
    may_change_tests: bool = False  # a person confirmed it: `ralph accept`
    standing: frozenset[str] | None = None  # commands of gates that had something to run before; None: unknown
    strict: bool = False
    subtasks_did_it: bool = False  # an agent proposed its subtasks; they did work, and no file that it names lacks
    only_checked: bool = False  # no agent worked: all subtasks are done, and only its own checks prove it


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
