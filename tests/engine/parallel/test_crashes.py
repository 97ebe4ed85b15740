"""Several agents at once, and kill -9 anywhere: of the parent, of a child, of both, of everything.

Then the same command, and it ends as a run that nobody killed: the same boxes, files and work, finished work not
done again, no try used up, nothing left behind. `crew_killer.py` does the killing.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository, spread
from tests.engine.parallel.test_loop import GATE, Parallel
from tests.engine.test_stories import _alive as alive
from tests.helpers import loaded

PATIENCE = 120  # seconds for one run: generous, the machine is shared
PRD = """# Plan

- [ ] T1 one
- [ ] P both
  - [ ] T2 two
    - Depends: T1
  - [ ] T3 three
- [ ] T4 never
"""
MINE = {"mine.txt": "edited\n", "shared.txt": "edited\n", "new.txt": "new\n", "staged.txt": "staged\n"}
EDIT = """grep -q 'A word' $NEAR/repo/PRD.md || {  # whoever edits may be killed, too
      sed 's/^- .* T1/A word before.\\n\\n&/' $NEAR/repo/PRD.md > $NEAR/edited
      mv $NEAR/edited $NEAR/repo/PRD.md; }"""
STORY: dict[str, Any] = {
    "prd": PRD,
    "files": {"mine.txt": "as it was\n", "shared.txt": "as it was\n", "common.txt": "1\n\n\n\n\n\n\n\n3\n"},
    "agent": """echo $RALPH_TASK_ID >> $NEAR/starts
case $RALPH_TASK_ID in
T1) echo theirs > shared.txt; sed -i 's/1/one/' common.txt; work;;
T2) test -e T1.txt && work;;
T3) EDIT
    sed -i 's/3/three/' common.txt; work;;
T4) echo broken > T4.txt;;
esac""".replace("EDIT", EDIT),
    "flags": ["--max-retries", "0"],
    "clean": False,
}
HAND = f"{'; '.join(f'echo {text.strip()} > {name}' for name, text in MINE.items())}; git add staged.txt"


@pytest.fixture(autouse=True, scope="module")
def forked() -> Iterator[None]:
    with loaded.serving():
        yield


@dataclass(frozen=True)
class Outcome:
    """What must not depend on whether somebody was killed on the way."""

    boxes: str
    code: int
    files: dict[str, list[bytes]]  # of the checkout; of the memory file its log, for tasks end in any order
    tree: list[str]  # what is committed, without PRD and memory file
    subjects: list[str]  # sorted, too
    status: str

    def unlike(self, other: Outcome) -> str:
        """What differs, in a few lines."""
        mine, its = asdict(self), asdict(other)
        files = mine.pop("files"), its.pop("files")
        found = [f"{key}: {mine[key]!r}, not {its[key]!r}" for key in mine if mine[key] != its[key]]
        names = sorted(name for name in {*files[0], *files[1]} if files[0].get(name) != files[1].get(name))
        return "\n".join([*found, *(f"{name}: {files[0].get(name)}, not {files[1].get(name)}" for name in names)])


class Killed(Parallel):
    """The story, and who is killed in it."""

    def __init__(self, repo: Repository, story: Mapping[str, Any] = STORY) -> None:
        super().__init__(repo, story)
        self.mark = self.near / "killed"
        self.edited = story is STORY  # a person has changes of their own in the checkout
        if self.edited:
            self.person(HAND)

    def kill(self, victim: str, owner: int, place: str, number: int, *, several: bool = True) -> int:
        """Run it until it ends, killed or not; its exit code."""
        own = [one for one in self.words()[3:] if several or one not in ("--parallel", "--max-parallel", "4")]
        return self.deadly(victim, owner, place, number, *own)

    def deadly(self, *words: object) -> int:
        """The killer with these words; its exit code."""
        env = {**os.environ, "NEAR": str(self.near), "KILLER_MARK": str(self.mark)}
        said = self.near / "said"
        return loaded.start("crew_killer", words, cwd=self.repo.path, out=said, patience=PATIENCE, env=env)

    def check_invariants(self) -> None:
        """Nobody works in a worktree either."""
        super().check_invariants()
        assert alive(Path(os.environ["HOME"])) == []

    def outcome(self, code: int) -> Outcome:
        repo = self.repo
        files = {name: [data] for name, data in self.files().items()}
        files["CLAUDE.md"] = sorted(re.findall(rb"- [-0-9]{10} (.*)", files.get("CLAUDE.md", [b""])[0]))
        tree = [one for one in repo.git("ls-tree", "-r", "HEAD").splitlines() if not one.endswith(".md")]
        subjects = sorted(one for one in repo.subjects("main..HEAD") if not one.startswith("docs(prd)"))
        return Outcome(self.boxes(), code, files, tree, subjects, repo.git("status", "--porcelain"))

    def check_commit(self, sha: str) -> None:
        """As many more ticks as tasks with a proof: a diff may show boxes that only moved."""
        git = self.repo.git
        proven = git("log", "-1", "--format=%(trailers:key=Ralph-Task,valueonly)", sha).split()
        assert self._ticks(sha) - self._ticks(f"{sha}^") == len(proven), git("log", "-1", "--format=%B", sha)
        if proven:
            tree = git("log", "-1", "--format=%(trailers:key=Ralph-Tree,valueonly)", sha).strip()
            assert tree == git("rev-parse", f"{sha}^{{tree}}"), sha

    def _ticks(self, sha: str) -> int:
        return self.repo.git("show", f"{sha}:PRD.md").count("- [x]")

    def check_cut_off(self) -> None:
        """Right after a kill: what people have is there, and no box is ticked here without its work."""
        files = self.files()
        for name, content in MINE.items() if self.edited else ():
            assert files[name] == content.encode(), name
        if self.edited:
            assert self.repo.git("show", ":staged.txt") == "staged"
        branch = self.repo.git("ls-tree", "-r", "--name-only", "HEAD").split()
        for task in re.findall(r"- \[x\] (T\d)", self.repo.read("PRD.md")):
            assert f"{task}.txt" in files, f"{task} is ticked in the checkout, its work is not there"
            assert f"{task}.txt" in branch, f"{task} is ticked in the checkout and not accepted"

    def check_tries(self) -> None:
        """Whose agent came to its end is not asked again, and only what was judged red uses up a try."""
        over: set[str] = set()
        tasks: dict[int, str] = {}
        for line in self.journal():
            if line["event"] == "chosen":
                assert line["task"] not in over, f"{line['task']} is done again"
                tasks[line["n"]] = line["task"]
            elif line["event"] == "agent stopped" and line["why"] == "exited":
                over.add(tasks[line["n"]])
            elif line["event"] == "set aside":
                assert line["counted"] == (line["task"] == "T4" and line["same"] != ""), line
        starts = Counter((self.near / "starts").read_text().split())
        assert max(starts.values()) <= 2, starts


_WHOLE: list[Outcome] = []


def unkilled(tmp_path: Path) -> Outcome:
    """What a run that nobody kills comes to; found out once."""
    if not _WHOLE:
        play = fresh(tmp_path, "whole")
        code, told = play.run()
        _WHOLE.append(play.outcome(code))
        assert (play.boxes(), code) == ("xxxxp", 1), told
        assert "A word before." in play.repo.read("PRD.md")
    return _WHOLE[0]


def fresh(tmp_path: Path, name: str) -> Killed:
    return Killed(new_repository(tmp_path / name))


def new_repository(folder: Path) -> Repository:
    path = folder / "repo"
    path.mkdir(parents=True)
    repo = Repository(path)
    repo.git("init", "-q")
    repo.commit({"README.md": "# A project\n"}, "start")
    return repo


MOMENTS = {  # who is killed, whose calls are counted, and right before which of them
    "published, and half brought into the checkout": ("parent", 0, "checkout-index", 1),
    "joined, and the gates were green": ("child", 2, "built", 1),
    "frozen, and nobody heard of it": ("both", 2, "door", 1),
    "the power fails": ("all", 0, "agent stopped", 3),
}
MORE = {
    "built, not published": ("parent", 0, "publishing", 2),
    "published, and brought into the checkout": ("parent", 0, "recorded", 2),
    "while a worktree is checked out": ("child", 2, "read-tree", 1),
    "the power fails while two pieces of work become one": ("all", -1, "merge-file", 1),
    "the child stands ready, and the journal does not know it": ("parent", 0, "sent", 2),
}


@pytest.mark.parametrize("moment", spread([*MOMENTS, *MORE], daily=9, ci=2))
def test_killed_at_this_moment_the_same_command_ends_the_same(tmp_path: Path, moment: str) -> None:
    victim, owner, place, number = (MOMENTS | MORE)[moment]
    assert killed_and_continued(tmp_path, victim, owner, place, number), "it came to that"


CHUNKS = 8
SWEEPS = {  # who, whose calls, of which sort, and every how manieth of them
    "the parent, before each of its lines": ("parent", (0,), "journal", 1),
    "the parent, before its git calls": ("parent", (0,), "git", 3),
    "a child, before each of its words": ("child", (1, 2, 3, 4), "word", 1),
    "a child, before its git calls": ("child", (1, 2, 3, 4), "git", 4),
    "both, before the child's words": ("both", (1, 2, 3, 4), "word", 2),
    "all, before the parent's lines": ("all", (0,), "journal", 3),
    "all, before a child's git calls": ("all", (1, 2), "git", 6),
}


CRASHES = [  # all are many minutes: CI runs another part of each sweep, the rest is run by hand
    pytest.param(sweep, chunk, marks=pytest.mark.slow if chunk == place % CHUNKS else pytest.mark.long)
    for place, sweep in enumerate(SWEEPS)
    for chunk in range(CHUNKS)
]


@pytest.mark.parametrize(("sweep", "chunk"), CRASHES)
def test_killed_anywhere_the_same_command_ends_the_same(tmp_path: Path, sweep: str, chunk: int) -> None:
    victim, owners, place, step = SWEEPS[sweep]
    for owner in owners:
        number = 1 + chunk * step
        while killed_and_continued(tmp_path, victim, owner, place, number):
            number += CHUNKS * step


ONE_BY_ONE = [
    pytest.param("parent", 0, "publishing", 2, marks=pytest.mark.slow),
    pytest.param("parent", 0, "noted", 1, id="nothing is left to take up"),
    pytest.param("both", 2, "door", 1, marks=pytest.mark.slow),
    pytest.param("all", 0, "agent stopped", 2, marks=pytest.mark.slow),
    pytest.param("parent", 0, "chosen", 3, marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("victim", "owner", "place", "number"), ONE_BY_ONE)
def test_killed_the_rest_is_done_one_after_the_other(
    tmp_path: Path, victim: str, owner: int, place: str, number: int
) -> None:
    """Without `--parallel` the next time. Now what is edited in the checkout would be in the way, so nothing is."""
    play = Killed(new_repository(tmp_path), {**STORY, "clean": True})
    assert play.kill(victim, owner, place, number) == -9, play.said
    play.check_cut_off()
    done = play.ralph("--gate", GATE, "--max-retries", "0")
    assert (play.boxes(), done.returncode) == ("xxxxp", 1), f"{play.said}\n{done.stdout}{done.stderr}"
    assert play.repo.git("status", "--porcelain") == ""
    assert play.repo.read("common.txt").split() == ["one", "three"]
    play.check_tries()
    play.check_invariants()
    play.check_each_commit(GATE)


def test_begun_one_after_the_other_killed_and_continued_by_several(tmp_path: Path) -> None:
    """What was edited while a task was done that failed is published, and nobody wrote that down."""
    agent = STORY["agent"].replace("T4)", f"T4) {EDIT};").replace(f"T3) {EDIT}\n", "T3)")
    play = Killed(new_repository(tmp_path), {**STORY, "clean": True, "agent": agent})
    assert play.kill("parent", 0, "moved", 1, several=False) == -9, play.said
    code, told = play.run()
    assert (play.boxes(), code) == ("xxxxp", 1), told
    assert "A word before." in play.repo.git("show", "HEAD:PRD.md")
    play.check_tries()
    play.check_invariants()
    play.check_each_commit(GATE)


@pytest.mark.slow
@pytest.mark.parametrize("number", [12, 24, 30, 36])
def test_killed_twice(tmp_path: Path, number: int) -> None:
    expected = unkilled(tmp_path)
    play = fresh(tmp_path, "killed")
    for place in (number, 5):
        play.mark.unlink(missing_ok=True)
        assert play.kill("parent", 0, "journal", place) == -9
        play.check_cut_off()
    code, told = play.run()
    unlike = play.outcome(code).unlike(expected)
    assert not unlike, f"{unlike}\n{told}"
    play.check_tries()
    play.check_invariants()


# ---------------------------------------------------------------- Ctrl-C

DEAF = """echo half > half.txt
[ -e $NEAR/again ] && rm half.txt && work && exit
trap '' INT TERM HUP
(setsid sleep 311 &)
env -i setsid sh -c 'trap "" TERM HUP; sleep 311' &
touch $NEAR/here-$RALPH_TASK_ID
sleep 311
"""
MORE_SIGNALS = ([signal.SIGTERM], [signal.SIGINT] * 3)
LONGEST = 10  # seconds: 3 are promised, and this machine has other things to do


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT], *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_SIGNALS)]
)
def test_a_signal_ends_agents_that_hear_none_and_their_daemons(tmp_path: Path, signals: list[int]) -> None:
    prd = "".join(f"- [ ] T{n} make {n}\n" for n in range(1, 5))
    play = Killed(new_repository(tmp_path), {"prd": prd, "agent": DEAF})
    process = play.begin()
    try:
        play.wait_for("agent started 4", process)
        while len(list(play.near.glob("here-*"))) < 4:
            time.sleep(0.01)
        began = time.monotonic()
        for number in signals:
            process.send_signal(number)
        code = process.wait(PATIENCE)
        took = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    print(f"over after {took:.2f} s")
    assert (code, play.boxes()) == (130, "...."), play.said
    assert took < LONGEST
    assert "Traceback" not in play.said
    play.check_invariants()
    assert [line["counted"] for line in play.journal() if line["event"] == "set aside"] == [False] * 4
    (play.near / "again").touch()
    code, told = play.run()
    assert (code, play.boxes()) == (0, "xxxx"), told
    play.check_invariants()
    play.check_each_commit(GATE)


def _send(number: int, *pids: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def test_a_child_that_dies_while_the_run_ends_is_left_for_the_next(tmp_path: Path) -> None:
    """Nobody looked at what it left, so nothing is decided about it."""
    play = Killed(new_repository(tmp_path), {"prd": "- [ ] T1 a\n- [ ] T2 b\n", "agent": DEAF})
    process = play.begin()
    try:
        play.wait_for("agent started 2", process)
        children = [line["pid"] for line in play.journal() if line["event"] == "sent"]
        for number, pids in (
            (signal.SIGSTOP, children),
            (signal.SIGINT, [process.pid]),
            (signal.SIGKILL, children),
        ):
            for pid in pids:
                os.kill(pid, number)
        code = process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert (code, play.boxes()) == (130, ".."), play.said
    assert [line for line in play.journal() if line["event"] == "set aside"] == []
    (play.near / "again").touch()
    code, told = play.run()
    assert (code, play.boxes()) == (0, "xx"), told
    assert "The last run was cut off in attempt 1 (T1 a)" in told
    play.check_invariants()


# ---------------------------------------------------------------- one kill


def killed_and_continued(tmp_path: Path, victim: str, owner: int, place: str, number: int, *flags: str) -> bool:
    """One kill, then the same command. False where it did not come to that call any more."""
    expected = unkilled(tmp_path)
    play = fresh(tmp_path, f"{victim}-{owner}-{place.replace(' ', '-')}-{number}")
    code = play.kill(victim, owner, place, number)
    if victim != "child" and play.mark.exists():
        assert code == -9, play.said
        play.check_cut_off()
        code, _ = play.run(*flags)
    assert "Traceback" not in play.said, play.said
    unlike = play.outcome(code).unlike(expected)
    assert not unlike, f"{unlike}\n{play.said}"
    play.check_tries()
    play.check_invariants()
    play.check_each_commit(GATE)
    return play.mark.exists()
