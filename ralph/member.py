"""One attempt in a process and a worktree of its own, from its choice to a commit that is ready to be published.

The parent (`crew`) hears every event and is the only one who records. A finished attempt waits at the door: there
it is put on top of what came in meanwhile, and judged as that.
"""

from __future__ import annotations

import base64
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ralph import asking, judging, loop, paper, waking
from ralph.core import prd, recovery
from ralph.core.life import CHECK, HAND_OVER, Attempt, State
from ralph.door import Built
from ralph.errors import NO_ROOM, Exit, RalphError
from ralph.events import Event
from ralph.model import Finding, Prd, Stopped, Task, Verdict, What, Why
from ralph.paper import Settled
from ralph.run import Run, Stop
from ralph.system import proc, record, undo, workspace, worktrees
from ralph.system.children import Line
from ralph.system.examine import Frozen, freeze
from ralph.system.git import Git
from ralph.system.joining import Clash, join, merge_texts
from ralph.system.journal import Entry
from ralph.system.runner import Link, Message
from ralph.system.snapshot import Before, scan
from ralph.system.workspace import Workspace
from ralph.text import clean, mask
from ralph.working import brief, let_work, prepare, told, written

TICK = 0.2  # seconds between two looks at what the parent says
REPORTS = 1.0  # seconds between two reports of what is used up
MOST_SHOWN = 4_000  # characters of a clash that the next prompt quotes
MOST_LISTED = 1_500  # characters of the commits that came in meanwhile


@dataclass(frozen=True, slots=True)
class Errand:
    """What a child is sent out for. `left`: an attempt that a crash left behind."""

    n: int
    place: int  # the number of its worktree
    task: Task
    prd: Prd
    purpose: str = ""
    left: Attempt | None = None


# ---------------------------------------------------------------- between parent and child


def pack(value: object) -> str:
    """A value for the way between two processes of the same program."""
    return base64.b64encode(pickle.dumps(value)).decode()


def unpack(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - from a fork of our own, over a socket pair


class Parent:
    """The child's way to its parent: a diary, a stop, and the door."""

    def __init__(self, link: Link, run: str) -> None:
        self._line, self._run = Line(link), run
        self._reported = 0.0
        self._spent: tuple[int, float | None] | None = None  # not told yet
        self._tip = ""
        self.limit = ""

    def write(self, event: Event) -> Entry:
        """Every event is the parent's to keep."""
        self._line.tell(kind="event", data=pack(event))
        return Entry(0, time.time(), self._run, event)

    def close(self) -> None:
        """Nothing is open here."""

    def wants_the_end(self) -> bool:
        """Whether it asked for the end; also takes in what else it said."""
        self._line.look()
        self._take()
        self._report()
        return self._line.ended

    def _take(self, patience: float = 0.0) -> None:
        while (said := self._line.answer(patience)) is not None:
            word, _, rest = said.partition(" ")
            if word == "limit":
                self.limit = rest
            elif word == "enter":
                self._tip = rest
            patience = 0.0

    def spending(self, tokens: int, cost: float | None) -> None:
        """Tell what the attempt used up so far, once a second."""
        self._spent = (tokens, cost)
        self._report()

    def _report(self) -> None:
        if self._spent is not None and time.monotonic() - self._reported >= REPORTS:
            (tokens, cost), self._spent, self._reported = self._spent, None, time.monotonic()
            self._line.tell(kind="spent", tokens=tokens, cost=cost)

    def failed(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """What the next prompt is to quote."""
        self._line.tell(kind="failed", task=task, data=pack(failure))

    def enter(self) -> str:
        """Wait for the turn at the door; returns the tip, which nobody moves meanwhile. WaitingEndedError."""
        self._line.tell(kind="door")
        while not self._tip:
            if self.wants_the_end():
                raise WaitingEndedError("interrupted before it could be judged", code=Exit.INTERRUPTED)
            self._take(TICK)
        return self._tip


class WaitingEndedError(RalphError):
    """The run ends: what is finished and frozen is judged by the next one."""


class Asked(Stop):
    """Ctrl-C as a child hears it: from its parent."""

    def __init__(self, parent: Parent) -> None:
        super().__init__()
        self._parent = parent

    def __bool__(self) -> bool:
        return self._parent.wants_the_end()


@dataclass
class Away(Run):
    """The run as a child sees it: another place, another diary, the parent's limits."""

    parent: Parent | None = None

    def limit(self, tokens: int = 0, cost: float | None = None) -> str:
        """The parent knows what all of them use up together."""
        del tokens, cost
        return self.parent.limit if self.parent else ""


def away(run: Run, git: Git, parent: Parent, errand: Errand) -> Away:
    """The run in a worktree."""
    own = {field: getattr(run, field) for field in run.__dataclass_fields__}
    mine = {errand.n: run.history.running[errand.n]}
    git.hides = lambda name: hidden(name, run.branch, errand.n)
    return Away(**{
        **own, "git": git, "checkout": run.git, "here": git.where.root / run.here.relative_to(run.root),
        "papers": record.Papers(git), "journal": parent, "tell": lambda _: None, "stop": Asked(parent),
        "history": replace(run.history, running=mine), "seen": errand.prd, "wrote": errand.prd.data,
        "before": None, "scanned": None, "parent": parent, "spending": parent.spending,
    })  # fmt: skip


def hidden(name: str, branch: str, n: int) -> bool:
    """Refs that move while others work."""
    if name.startswith("refs/heads/ralph-wip/"):
        return name != f"refs/heads/ralph-wip/{n}"
    return name == branch or name.startswith("refs/ralph/")


# ---------------------------------------------------------------- the whole attempt


def work(run: Run, pool: worktrees.Pool, errand: Errand, ready: Callable[[Run], None]) -> Callable[[Link], Message]:
    """What a forked child does. Its last message says what came out: a commit, an answer, or nothing more."""

    def live(link: Link) -> Message:
        parent = Parent(link, run.id)
        git = pool.open(errand.place, run.tip, run.settings.brought)
        mine = away(run, git, parent, errand)
        try:
            return _done(mine, errand, parent, ready)
        except (WaitingEndedError, judging.GatesInterruptedError):
            return {"kind": "later"}
        except RalphError as error:
            return {"kind": "refused", "data": pack((error.what, error.now))}
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return {"kind": "full", "data": pack(str(error.strerror))}

    return live


def _done(run: Away, errand: Errand, parent: Parent, ready: Callable[[Run], None]) -> Message:
    if errand.left is not None:
        return take_up(run, errand.left, parent)
    worktrees.check_out(run.git, run.tip, errand.n)
    errand = replace(errand, prd=prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd))
    run.seen, run.wrote = errand.prd, errand.prd.data
    ready(run)
    if errand.purpose not in ("", CHECK):
        return asked(run, errand)
    return attempt(run, errand, parent)


def attempt(run: Away, errand: Errand, parent: Parent) -> Message:
    """One try at one task: see `loop.attempt`."""
    task = errand.task
    space = prepare(run, errand.n, "" if errand.purpose else run.tally(task).work)
    run.look_for_gates()
    if errand.purpose == CHECK:
        end = Stopped(Why.EXITED, 0, ended=True, said="Nobody was asked: all tasks below it are done.")
    else:
        end = let_work(run, space, task, brief(run, task, errand.prd, space.n))
    run.note(told(run, space.n, end))
    return finish(run, space, task, errand.prd, end, parent)


def asked(run: Away, errand: Errand) -> Message:
    """Only words are wanted; the parent does with them what is to be done."""
    task, purpose = errand.task, errand.purpose
    question = asking.hand_over(run, task) if purpose == HAND_OVER else asking.split(run, task)
    space = prepare(run, errand.n, run.tally(task).work if purpose == HAND_OVER else "")
    end = let_work(run, space, task, written(run, space.n, question), read_only=True)
    run.note(told(run, space.n, end))
    asking.set_aside(run, space, errand.prd, task, end, f"asked for: {purpose}")
    return {"kind": "answer", "data": pack(end)}


def take_up(run: Away, current: Attempt, parent: Parent) -> Message:
    """What a crash left: finished work is judged, unfinished work is kept in a ref."""
    proc.end_tree(current.pid, current.started)
    undo.clear_locks(run.git)
    if current.state is State.CHOSEN or (current.state is State.PREPARED and not current.carried):
        waking.undo_choice(run, current)
        return {"kind": "aside"}
    space, start, task = waking.workspace_of(run, current)
    run.seen, run.wrote = start, start.data
    if task is None or current.stopped is None or current.purpose not in ("", CHECK):
        waking.abandon(run, space, current, start, task)
        return {"kind": "aside"}
    run.look_for_gates()
    tips = waking.back_to_work(run, space, start, current.placed)
    return finish(run, space, task, start, waking.stopped_of(current.stopped), parent, tips)


# ---------------------------------------------------------------- examine, join, judge


def finish(
    run: Away, space: Workspace, task: Task, start: Prd, end: Stopped, parent: Parent, tips: list[str] | None = None
) -> Message:  # fmt: skip
    """Examine it where it was made; then, when it is its turn, judge it on top of all that came in."""
    undo.refuse_gone(run.git)
    run.git.seal()
    now = scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, tips=tips,
        named=lambda path: judging.names(run, task, path), message=f"work of attempt {space.n}",
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.tip)
    left = run.papers.read(run.paths.memory) if run.paths.memory else None
    settled = paper.settle(run, start, task, end, frozen)

    def aside(end: Stopped, verdict: Verdict | None) -> Message:
        if verdict is not None:
            run.note(judging.event(space.n, frozen, verdict))
        loop.set_aside(run, space, task, frozen, settled, end, verdict, held)
        if task.id in run.failed:
            parent.failed(task.id, run.failed[task.id])
        return {"kind": "aside"}

    changed = any(change.path != run.paths.prd for change in frozen.left)
    if recovery.ending(end, changed=changed) is not recovery.Ending.REJECTED:
        return aside(end, None)
    early = judging.early(run, space, task, frozen, settled, end)
    if not early.accepted:
        return aside(end, early)
    run.tip = parent.enter()
    joined = on_the_tip(run, space, frozen, left)
    if isinstance(joined, Verdict):
        return aside(end, joined)
    space_there, frozen_there = joined
    there = Settled(prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd), settled.edit, by_hand=False)
    judged = judging.judge(run, space_there, task, frozen_there, there, end)
    if judged.placing is None:
        return aside(end, _in_company(run, judged.verdict, space.before.base))
    run.note(judging.event(space.n, frozen, judged.verdict))
    commit = judging.build_commit(run, task, frozen_there, judged, judged.placing, run.tip)
    return {"kind": "built", "data": pack(Built(commit, held, judged.placing, frozenset(run.nothing)))}


def on_the_tip(
    run: Away, space: Workspace, frozen: Frozen, left: bytes | None
) -> tuple[Workspace, Frozen] | Verdict:  # fmt: skip
    """The worktree holds the work on top of the tip, with PRD and memory file as they are there. Or a clash."""
    git, base, tip = run.git, space.before.base, run.tip
    if tip == base:
        return space, frozen
    joined = join(git, base, frozen.tree, tip, run.paths.both)
    if joined.clashes:
        return Verdict((clash(run, joined.clashes, base),))
    then, now = run.git.blob_at(base, run.paths.memory), run.git.blob_at(tip, run.paths.memory)
    git.tree(*worktrees.WORKERS, "read-tree", "--reset", "-u", joined.tree)
    if run.paths.memory:
        run.papers.put(run.paths.memory, _both_memories(run, git.blob(then), git.blob(now), left))
    before = Before(tip, tip, git.tree_of(tip))
    changes = git.changes(tip, joined.tree)
    return replace(space, before=before), replace(frozen, tree=joined.tree, changes=changes)


def _both_memories(run: Away, then: bytes, now: bytes, left: bytes | None) -> bytes | None:
    """What the agent may add to the memory file, beside what others added meanwhile."""
    if left is None or left == then:
        return now or None
    mine = paper.merged(run, then or None, left)[0]
    return merge_texts(run.git, mine or b"", then, now, union=True)[0] or None


def _in_company(run: Away, verdict: Verdict, base: str) -> Verdict:
    """A gate that is red on top of what came in: the next try has to know what that is."""
    if run.tip == base:
        return verdict
    said = f"It was tested on top of what came in meanwhile:\n{_meanwhile(run, base)}\n\n"
    told = (
        replace(one, detail=said + one.detail) if one.what is What.GATE and one.rejects else one
        for one in verdict.findings
    )
    return Verdict(tuple(told))


def _meanwhile(run: Away, base: str) -> str:
    """The commits that came in since an attempt began, with the files of each."""
    words = ("log", "--format=%h %s", "--name-only", f"{base}..{run.tip}")
    return mask(clean(run.git.repo(*words).decode(errors="replace").strip()), run.secrets)[:MOST_LISTED]


def clash(run: Away, clashes: tuple[Clash, ...], base: str) -> Finding:
    """Both sides, for the next try."""
    shown = "\n\n".join(f"{one.path}:\n{_hunks(one.text)}" for one in clashes if one.text)
    detail = mask(clean(f"What came in meanwhile:\n{_meanwhile(run, base)}\n\n{shown}"), run.secrets)[:MOST_SHOWN]
    return Finding(What.CLASH, f"{clashes[0].why}{_more(len(clashes) - 1)}.", detail)


def _more(others: int) -> str:
    return f", and {others} other {'file' if others == 1 else 'files'}" if others else ""


def _hunks(text: str) -> str:
    """The parts of a merged text where both sides stand."""
    lines, shown, inside = text.splitlines(), [], False
    for line in lines:
        inside |= line.startswith("<<<<<<< ")
        if inside:
            shown.append(line)
        inside &= not line.startswith(">>>>>>> ")
    return "\n".join(shown)
