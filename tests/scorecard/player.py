"""Plays a story with the real ralph, a real repository and real processes, and says what came of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Repository
from tests.engine.test_stories import Play
from tests.helpers.killer import dying
from tests.helpers.loaded import ended
from tests.scorecard.stories import RETRIES, SILENCE, Story

HERE = Path(__file__).parent
SETTINGS = 'backoff = "0.1s"\n'
GATE = "! grep -qs broken state.txt\n"
LONGEST = 60  # seconds for one start of ralph: generous, the machine is shared
RESTARTS = 8


@dataclass
class Outcome:
    """What came of one story. Everything but `starts`, `kills` and `seconds` should be empty."""

    seed: int
    starts: int = 0  # of agents
    kills: int = 0  # of ralph
    seconds: float = 0.0
    false_done: list[str] = field(default_factory=list)
    recoverable: int = 0
    lost: list[str] = field(default_factory=list)  # recoverable tasks that are not done
    edits: list[str] = field(default_factory=list)  # edits by hand that are gone
    limits: list[str] = field(default_factory=list)  # limits that did not hold
    leftovers: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # anything else: a traceback, a wrong exit code
    told: str = ""

    @property
    def good(self) -> bool:
        return not (self.false_done or self.lost or self.edits or self.limits or self.leftovers or self.broken)


def play(story: Story, folder: Path) -> Outcome:
    """One story from its start to an end that nobody kills."""
    began = time.monotonic()
    stage = Stage(story, folder)
    code = stage.perform()
    out = Outcome(story.seed, stage.play.attempts(), stage.kills, told=stage.told())
    stage.judge(out, code)
    out.seconds = time.monotonic() - began
    return out


class Theatre(Play):
    """A play whose PRD people edit, too: a diff may show boxes that only moved, so ticks are counted."""

    def check_commit(self, sha: str) -> None:
        """As many more ticks as tasks with a proof."""
        proven = self.repo.git("log", "-1", "--format=%(trailers:key=Ralph-Task,valueonly)", sha).split()
        assert self._ticks(sha) - self._ticks(f"{sha}^") == len(proven), self.repo.git(
            "log", "-1", "--format=%B", sha
        )
        if proven:
            tree = self.repo.git("log", "-1", "--format=%(trailers:key=Ralph-Tree,valueonly)", sha).strip()
            assert tree == self.repo.git("rev-parse", f"{sha}^{{tree}}"), sha

    def _ticks(self, sha: str) -> int:
        return self.repo.git("show", f"{sha}:PRD.md").count("- [x]")


class Stage:
    """The repository of a story, the agent's plan, and ralph started on them as often as it is killed."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story, self.folder, self.kills = story, folder, 0
        path = folder / "repo"
        path.mkdir(parents=True)
        repo = Repository(path)
        repo.git("init", "-q")
        self.play = Theatre(repo, {"prd": story.prd, "agent": "", "files": {
            "gate.sh": GATE, "state.txt": "ok\n", "ralph.toml": SETTINGS,
        }})  # fmt: skip
        self._write_plan()

    def _write_plan(self) -> None:
        plan = self.folder / "plan"
        plan.mkdir()
        self.play.count = plan / "starts"
        for one in self.story.plans:
            (plan / one.task).write_text("\n".join(one.behaviours) + "\n")
        for (task, start), (script, _) in self.story.edits.items():
            (plan / f"{task}.edit.{start}").write_text(script + "\n")
        program = self.folder / "bin" / "claude"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexec sh {HERE / 'agent.sh'} {plan} claude\n")
        program.chmod(0o755)

    # ------------------------------------------------------------ ralph

    def perform(self) -> int:
        """Start ralph, again after each kill, until it ends by itself; its exit code."""
        kills = list(self.story.kills)
        for number in range(RESTARTS + len(kills)):
            code = self._start(kills.pop(0) if kills else ("none", 0), number)
            if code != -9:
                return code
            self.kills += 1
            if self.story.between and self.kills == 1:
                subprocess.run(["sh", "-c", self.story.between[0]], cwd=self.play.repo.path, check=True)
        return -9

    def _start(self, kill: tuple[str, int], number: int) -> int:
        """Forked, not executed: ralph's modules are loaded once for all stories."""
        pid = os.fork()
        if pid == 0:
            self._be_ralph(kill, number)
        code = ended(pid, LONGEST)
        return 999 if code is None else code

    def _be_ralph(self, kill: tuple[str, int], number: int) -> None:
        """In the forked process. Never returns."""
        from ralph.__main__ import main
        from ralph.git.client import Git
        from ralph.state.journal import Journal

        code: object = 70
        try:
            os.chdir(self.play.repo.path)
            out = os.open(self.folder / f"told.{number}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.environ["PATH"] = f"{self.folder / 'bin'}:{os.environ['PATH']}"
            Journal.write = dying(Journal.write, kill[1] if kill[0] == "journal" else 0)  # type: ignore[method-assign]
            Git._start = dying(Git._start, kill[1] if kill[0] == "git" else 0)  # type: ignore[method-assign]
            sys.argv = ["ralph", *self._flags()]
            code = main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 70)

    def _flags(self) -> list[str]:
        agent = f"sh {HERE / 'agent.sh'} {shlex.quote(str(self.folder / 'plan'))} command"
        chosen = ["--agent-command", agent] if self.story.agent == "command" else ["--agent", "claude"]
        limit = ["--max-iterations", str(self.story.limit)] if self.story.limit else []
        slow = ["--silence", f"{SILENCE:g}s", "--task-timeout", f"{3 * SILENCE:g}s"] if self.story.slow else []
        return [*chosen, *limit, *slow, "--gate", "sh gate.sh", "--max-retries", str(RETRIES)]

    def told(self) -> str:
        return "\n".join(one.read_text(errors="replace") for one in sorted(self.folder.glob("told.*")))

    # ------------------------------------------------------------ what came of it

    def judge(self, out: Outcome, code: int) -> None:
        done = self._ticked()
        out.recoverable = len(self.story.must_be_done)
        out.lost = sorted(self.story.must_be_done - done)
        out.false_done = [task for task in sorted(done) if not self._worked(task)]
        text = self.play.repo.read("PRD.md")
        out.edits = [mark for mark in self._made() if mark not in text]
        self._judge_limits(out)
        self._judge_end(out, code, done)
        try:
            self.play.check_invariants()
        except AssertionError as error:
            line = traceback.extract_tb(error.__traceback__)[-1].line
            out.leftovers.append(" ".join(f"{line} {error}".split()))

    def _ticked(self) -> set[str]:
        """Tasks whose box is ticked in what is committed."""
        text = self.play.repo.git("show", "HEAD:PRD.md")
        return set(re.findall(r"- \[x\] (\w+)", text))

    def _worked(self, task: str) -> bool:
        """The tick is earned: the work is committed, and nothing is that no task may do."""
        git = self.play.repo.git
        if task in self.story.parents:
            return {plan.task for plan in self.story.plans} <= self._ticked()
        work = git("show", f"HEAD:{task}.txt", check=False)
        other = git("ls-tree", "-r", "--name-only", "HEAD", "src")
        same = git("diff", "--name-only", self.play.start, "HEAD", "--", "gate.sh", "state.txt")
        return (work, other, same) == (f"work of {task}", "", "")

    def _made(self) -> list[str]:
        """The marks of the edits that somebody really came to make."""
        starts = self.play.count.read_text().split() if self.play.count.exists() else []
        made = [mark for (task, start), (_, mark) in self.story.edits.items() if starts.count(task) >= start]
        return made + ([self.story.between[1]] if self.story.between and self.kills else [])

    def _judge_limits(self, out: Outcome) -> None:
        if self.story.limit and out.starts > self.story.limit:
            out.limits.append(f"{out.starts} agents started, {self.story.limit} allowed")
        for plan in self.story.plans:
            starts = self.play.count.read_text().split().count(plan.task) if self.play.count.exists() else 0
            free = sum(one in ("limited", "overloaded") for one in plan.behaviours)
            if starts > 3 * (RETRIES + 1) + free + self.story.all_kills:
                out.limits.append(f"{starts} agents started for {plan.task}")

    def _judge_end(self, out: Outcome, code: int, done: set[str]) -> None:
        if "Traceback" in out.told:
            out.broken.append("a traceback")
        everything = {plan.task for plan in self.story.plans} <= done
        if code not in (0, 1, 3) or (code == 0) != (everything and "- [ ]" not in self.play.repo.read("PRD.md")):
            out.broken.append(f"exit code {code}, ticked: {' '.join(sorted(done))}")
