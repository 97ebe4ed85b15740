"""What holds of every run with several agents, whatever their tasks, their pace, people's edits and kills:

- what can be done is done, once, and only what can't is parked; no kill uses up a try
- each commit holds the commit before it and the work of its task: one after the other in this order gives the same
- each commit is green when it is checked out and tested alone
- tasks with files in common or of different groups never run at once, nor more than were asked for; no task starts
  before what it depends on is done
- every edit by hand is there; no process, worktree, branch, lock or file is left behind
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.conftest import Repository, spread
from tests.engine.parallel.test_crashes import Killed, new_repository
from tests.helpers import loaded
from tests.helpers.crew_stories import COSTS, RETRIES, WAYS, Story, story

SEEDS = int(
    os.environ.get("LAWS", "100")
)  # `LAWS=1000 pytest -m slow tests/engine/parallel/test_properties.py` plays more
AGENT = """cd $NEAR/plan; echo $RALPH_TASK_ID >> starts; n=$(grep -cx $RALPH_TASK_ID starts); cd - > /dev/null
line() { [ -e $NEAR/plan/$RALPH_TASK_ID.$1 ] && sed -n "$n{p;q};\\$p" $NEAR/plan/$RALPH_TASK_ID.$1; }
edit() {  # whoever edits may be killed, too
  cp $NEAR/repo/PRD.md $NEAR/plan/PRD.md; (cd $NEAR/plan; . ./$RALPH_TASK_ID.edit)
  mv $NEAR/plan/PRD.md $NEAR/repo/PRD.md; touch $NEAR/plan/$RALPH_TASK_ID.edited
}
[ -e $NEAR/plan/$RALPH_TASK_ID.edit ] && (
  flock 9; grep -qs "mark[0-9]*$RALPH_TASK_ID$" $NEAR/repo/PRD.md || [ -e $NEAR/plan/$RALPH_TASK_ID.edited ] || edit
) 9> $NEAR/plan/pen
sleep $(line pauses || echo 0)
work() { [ -e $NEAR/plan/$RALPH_TASK_ID ] && . $NEAR/plan/$RALPH_TASK_ID || echo work of $RALPH_TASK_ID > $RALPH_TASK_ID.txt; }
case $(line ways) in
broken) echo broken > $RALPH_TASK_ID.txt ;;
half) echo half > half.txt; exit 1 ;;
nothing) ;;
dead) echo oops; exit 1 ;;
daemons) work; (setsid sleep 317 &) ;;
*) work ;;
esac
"""  # noqa: E501


@pytest.fixture(autouse=True, scope="module")
def forked() -> Iterator[None]:
    with loaded.serving():
        yield


class Lawful(Killed):
    """A story, played to an end that nobody kills."""

    def __init__(self, told: Story, folder: Path) -> None:
        self.told, plan = told, folder / "plan"
        files = {"list.txt": told.after(())["list.txt"], "gate.sh": told.gate()}
        super().__init__(new_repository(folder), {"prd": told.prd(), "files": files, "agent": AGENT})
        plan.mkdir()
        for job in told.jobs:
            (plan / job.name).write_text(job.script())
            (plan / f"{job.name}.ways").write_text("\n".join(WAYS[job.way]) + "\n")
            (plan / f"{job.name}.pauses").write_text("\n".join(map(str, job.pauses)) + "\n")
        for name, (script, _) in told.edits.items():
            (plan / f"{name}.edit").write_text(script + "\n")

    def launch(self, at_once: int, *killer: object) -> int:
        own = ["--agent-command", f"sh {self.agent}", "--no-split", "--max-retries", str(RETRIES)]
        own += ["--gate", "sh gate.sh", *(["--parallel", "--max-parallel", str(at_once)] if at_once else [])]
        return self.deadly(*(killer or ("none", 0, "journal", 0)), *own)

    def perform(self) -> int:
        """Its exit code, when it ends by itself; the kills come one after the other."""
        at_once = self.told.at_once
        for kill in self.told.kills:
            self.mark.unlink(missing_ok=True)
            code = self.launch(at_once, kill.victim, kill.owner, kill.place, kill.number)
            if code != -9:
                return code
            self.check_cut_off()
            at_once = kill.at_once
        return self.launch(at_once)

    # ------------------------------------------------------------ the laws

    def check(self, code: int) -> None:
        assert "Traceback" not in self.said
        done = self.accepted()
        self.check_done(done, code)
        self.check_order()
        self.check_costs()
        self.check_edits()
        self.check_invariants()
        self.check_each_step(done)

    def accepted(self) -> list[str]:
        said = self.repo.git("log", "--reverse", "--format=%(trailers:key=Ralph-Task,valueonly)%x00", "main..HEAD")
        names = [name for one in said.split("\0") for name in one.split()]
        return [name for name in names if re.fullmatch(r"T\d+", name)]

    def check_done(self, done: list[str], code: int) -> None:
        """Everything that can be done, once, and it says so."""
        assert Counter(done) == Counter(self.told.must_be_done | self.new()), f"{done}\n{self.said}"
        boxes = dict(re.findall(r"- \[x\] (T\d+)()", self.repo.read("PRD.md")))
        assert boxes.keys() == set(done)
        assert code == (0 if self.told.must_be_done == {job.name for job in self.told.jobs} else 1), self.said

    def new(self) -> set[str]:
        """Tasks that somebody typed meanwhile."""
        return set(re.findall(r"\] (T9\d) mark", self.repo.read("PRD.md")))

    def check_each_step(self, done: list[str]) -> None:
        """Each commit, checked out alone: what was there before and the work of its task, and it is green."""
        place = self.near / "alone"
        self.repo.git("worktree", "add", "-q", "--detach", str(place), "main")
        so_far = 0
        for sha in self.repo.git("rev-list", "--reverse", "main..HEAD").split():
            Repository(place).git("checkout", "-q", "--detach", sha)
            so_far += "\nRalph-Task: " in self.repo.git("log", "-1", "--format=%B", sha)
            assert contents(place) == self.told.after(done[:so_far]), self.repo.git("show", sha)
            assert subprocess.run(["sh", "gate.sh"], cwd=place).returncode == 0, self.repo.git("show", sha)
        assert so_far == len(done)
        self.repo.git("worktree", "remove", str(place))

    def lives(self) -> list[tuple[str, int, float]]:
        """Attempts from their choice to their end: (task, first line, last line of the journal)."""
        begun: dict[int, tuple[str, int]] = {}
        found: list[tuple[str, int, float]] = []
        for line in self.journal():
            if line["event"] == "chosen":
                begun[line["n"]] = (line["task"], line["seq"])
            if line["event"] in ("recorded", "set aside"):
                found.append((*begun.pop(line["n"]), line["seq"]))
        assert begun == {}
        return found

    def check_order(self) -> None:
        """Who must not run together did not, and nobody went before his turn."""
        jobs = {job.name: job for job in self.told.jobs}
        lives = self.lives()
        for one, other in combinations(lives, 2):
            both = one[1] < other[2] and other[1] < one[2]
            if both and one[0] in jobs and other[0] in jobs:
                assert not jobs[one[0]].apart(jobs[other[0]]), (one, other)
        recorded = {line["task"]: line["seq"] for line in self.journal() if line["event"] == "recorded"}
        for name, first, _ in lives:
            needed = jobs[name].depends if name in jobs else ""
            assert not needed or recorded[needed] < first, (needed, name)
        most = max(sum(a <= at <= b for _, a, b in lives) for _, at, _ in lives)
        assert most <= max(self.told.at_once, *(kill.at_once for kill in self.told.kills), 1)

    def check_costs(self) -> None:
        """Tries are used up by what was judged, never by a kill; and few agents are started in vain."""
        ways = {job.name: job.way for job in self.told.jobs}
        asides = [line for line in self.journal() if line["event"] == "set aside"]
        clashes = [line for line in asides if "clash" in line["same"]]
        counted = Counter(line["task"] for line in asides if line["counted"] and line not in clashes)
        assert counted == Counter(
            {name: COSTS[way] for name, way in ways.items() if way in COSTS and name in counted}
        )
        starts = Counter((self.near / "plan" / "starts").read_text().split())
        for name, number in starts.items():
            own = COSTS.get(ways.get(name, ""), 0) + 2 + len(self.told.kills)
            assert number <= own + sum(line["task"] == name for line in clashes), (name, number)

    def check_edits(self) -> None:
        text = self.repo.read("PRD.md")
        for name, (_, mark) in self.told.edits.items():
            assert not (self.near / "plan" / f"{name}.edited").exists() or mark in text, f"{mark} is gone:\n{text}"


def contents(folder: Path) -> dict[str, str]:
    """All but git's and ralph's own files."""
    files = (one for one in folder.rglob("*") if one.is_file() and one.name != ".git" and one.suffix != ".md")
    return {str(one.relative_to(folder)): one.read_text() for one in files}


@pytest.mark.parametrize("seed", spread(range(1, SEEDS + 1), daily=50, ci=10))
def test_laws(tmp_path: Path, seed: int) -> None:
    play = Lawful(story(seed), tmp_path / "story")
    play.check(play.perform())


def test_a_story_is_the_same_whenever_it_is_told() -> None:
    assert [story(seed) for seed in range(50)] == [story(seed) for seed in range(50)]


def test_the_stories_are_worth_it() -> None:
    """Enough of everything."""
    told = [story(seed) for seed in range(1, 101)]
    jobs = [job for one in told for job in one.jobs]
    assert {job.way for job in jobs} == set(WAYS)
    assert sum(len(one.must_be_done) for one in told) > 350
    assert sum(bool(job.depends) for job in jobs) > 100
    assert sum(job.apart(replace(job, name="")) for job in jobs) > 200
    assert sum(bool(one.edits) for one in told) > 50
    victims = Counter(kill.victim for one in told for kill in one.kills)
    assert min(victims[victim] for victim in ("parent", "child", "both", "all")) >= 10
