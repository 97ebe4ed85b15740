"""Every story of fixtures/parallel.toml: several agents at once, real git, real worktrees, real ptys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository, spread
from tests.engine.test_stories import Play

FIXTURE = Path(__file__).parents[3] / "fixtures" / "parallel.toml"
STORIES: list[dict[str, Any]] = tomllib.loads(FIXTURE.read_text())["story"]
CLAUDE = tomllib.loads((FIXTURE.parent / "healing.toml").read_text())["words"]["claude"]
PATIENCE = 90  # seconds for one run: the machine is shared
GATE = "! grep -rqs broken --include=*.txt ."
WORDS = """
work() { echo "${1:-work of $RALPH_TASK_ID}" > "$RALPH_TASK_ID.txt"; }
together() { touch $NEAR/here-$RALPH_TASK_ID
  until [ $(ls $NEAR | grep -c '^here-') -ge $1 ]; do sleep 0.02; done; }
after() { until git log --format=%B ralph/PRD | grep -qx "Ralph-Task: $1"; do sleep 0.02; done; }
try_is() { [ $RALPH_ATTEMPT = $1 ]; }
cp "$RALPH_PROMPT_FILE" $NEAR/prompt-$RALPH_TASK_ID
"""


class Parallel(Play):
    """A repository, agents that act by their task, and ralph with several of them."""

    def __init__(self, repo: Repository, story: Mapping[str, Any]) -> None:
        self.story, self.near = story, repo.path.parent
        super().__init__(repo, {**story, "agent": f"NEAR={self.near}\n{WORDS}\n{story['agent']}\n"})

    def words(self, *flags: str) -> list[str]:
        gate = self.story.get("gate", GATE)
        chosen = () if "--isolate" in flags else ("--parallel", "--max-parallel", "4")
        own = [sys.executable, "-m", "ralph", "--agent-command", f"sh {self.agent}", "--no-split", "--gate", gate]
        return [*own, *chosen, *self.story.get("flags", []), *flags]

    def begin(self, *flags: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "NEAR": str(self.near)}
        with (self.near / "said").open("ab") as out:
            return subprocess.Popen(self.words(*flags), cwd=self.repo.path, env=env, stdout=out, stderr=out)

    def person(self, does: str) -> None:
        done = subprocess.run(["sh", "-c", does], cwd=self.repo.path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, *flags: str) -> tuple[int, str]:
        process = self.begin(*flags)
        try:
            for event, does in self.story.get("meanwhile", []):
                self.wait_for(event, process)
                self.person(does)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        return code, self.said

    def with_claude(
        self, monkeypatch: pytest.MonkeyPatch, script: str, *flags: str
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """The run with a program called claude, which speaks its language."""
        program = self.near / "bin" / "claude"
        program.parent.mkdir()
        program.write_text(script.format(near=self.near, words=CLAUDE))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        words = [sys.executable, "-m", "ralph", "--claude", "--gate", GATE, *flags]
        return subprocess.run(words, cwd=self.repo.path, capture_output=True, text=True, timeout=PATIENCE)

    @property
    def said(self) -> str:
        return (self.near / "said").read_text(errors="replace")

    def wait_for(self, event: str, process: subprocess.Popen[bytes]) -> None:
        """`agent started 4`: the fourth of them stands in the journal."""
        name, _, times = event.rpartition(" ")
        deadline = time.monotonic() + PATIENCE
        while sum(line["event"] == name for line in self.journal()) < int(times):
            assert process.poll() is None, f"it ended before {event}:\n{self.said}"
            assert time.monotonic() < deadline, f"no {event}:\n{self.said}"
            time.sleep(0.02)

    def journal(self) -> list[dict[str, Any]]:
        try:
            return super().journal()
        except ValueError:  # in the middle of a line
            return []

    def accepted(self) -> list[str]:
        """Ids of the accepted tasks, oldest first; a parent with its last child is left out."""
        said = self.repo.git("log", "--reverse", "--format=%(trailers:key=Ralph-Task,valueonly)%x00", "main..HEAD")
        return [one.split()[0] for one in said.split("\0") if one.split()]

    def spans(self) -> list[tuple[str, int, int]]:
        """When agents worked: (task, first line, last line of the journal)."""
        begun: dict[int, tuple[str, int]] = {}
        tasks = {line["n"]: line["task"] for line in self.journal() if line["event"] == "chosen"}
        found = []
        for line in self.journal():
            if line["event"] == "agent started":
                begun[line["n"]] = (tasks[line["n"]], line["seq"])
            if line["event"] == "agent stopped" and line["n"] in begun:
                found.append((*begun.pop(line["n"]), line["seq"]))
        return found

    def check_invariants(self) -> None:
        """Nothing is left behind: no worktree, no branch, no lock, no process."""
        super().check_invariants()
        assert len(self.repo.git("worktree", "list").splitlines()) == 1
        assert not (self.repo.path / ".git/worktrees").exists()
        assert not list((self.repo.path / ".git/ralph").rglob("*.lock"))
        assert not list((Path(os.environ["HOME"]) / ".cache").rglob("tmp/*"))
        if self.story.get("clean", True):
            assert self.repo.git("status", "--porcelain") == ""

    def check_each_commit(self, gate: str) -> None:
        """Each commit on the branch is green when it is checked out and tested alone."""
        for sha in self.repo.git("rev-list", "main..HEAD").splitlines():
            place = self.near / "alone"
            self.repo.git("worktree", "add", "-q", "--detach", str(place), sha)
            done = subprocess.run(["sh", "-c", gate], cwd=place, check=False)
            self.repo.git("worktree", "remove", "--force", str(place))
            shutil.rmtree(place, ignore_errors=True)
            assert done.returncode == 0, self.repo.git("log", "-1", sha)


def fits(order: str, found: list[str]) -> bool:
    """`T1 {T2 T3} T4`: those in braces in any order."""
    left = list(found)
    for part in re.findall(r"\{[^}]*\}|\S+", order):
        wanted = part.strip("{}").split()
        here, left = left[: len(wanted)], left[len(wanted) :]
        if sorted(here) != sorted(wanted):
            return False
    return not left


def most_at_once(spans: list[tuple[str, int, int]]) -> int:
    return max((sum(one[1] <= at <= one[2] for one in spans) for _, at, _ in spans), default=0)


@pytest.mark.parametrize("story", spread(STORIES, daily=6, ci=3, ids=itemgetter("name")))
def test_story(repo: Repository, story: dict[str, Any]) -> None:
    play = Parallel(repo, story)
    play.person(story.get("before", "true"))
    code, told = play.run()
    if "then" in story:  # somebody stepped in: it stops, and goes on when that is put right
        assert code == 3, told
        assert all(text in told for text in story["stops"]), told
        play.story = {**story, "meanwhile": []}
        play.person(story["then"])
        code, told = play.run()
    assert "Traceback" not in told
    assert (play.boxes(), code) == (story["boxes"], story["exit"]), told
    play.check_invariants()
    if story.get("green", "before" not in story):
        play.check_each_commit(story.get("gate", GATE))
    spans = play.spans()
    if "order" in story:
        assert fits(story["order"], play.accepted()), play.accepted()
    if "most" in story:
        assert most_at_once(spans) == story["most"], spans
    assert play.attempts() == story.get("attempts", play.attempts()), told
    for one, other in story.get("apart", []):
        both = [span for span in spans if span[0] in (one, other)]
        assert most_at_once(both) == 1, both
    kinds = {finding[0] for line in play.journal() for finding in line.get("findings", [])}
    assert set(story.get("found", [])) <= kinds, kinds
    for text in story.get("said", []):
        assert text in told
    for task, texts in story.get("prompt", {}).items():
        prompt = (play.near / f"prompt-{task}").read_text()
        assert [text for text in texts if text not in prompt] == [], prompt
    for path, content in story.get("holds", {}).items():
        assert repo.read(path) == content
    for path, content in story.get("near", {}).items():
        assert (play.near / path).read_text() == content


LIMITED = """#!/bin/sh
NEAR={near}; start=$RALPH_TASK_ID
{words}
work() {{ echo "work of $RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; }}
touch $NEAR/here-$RALPH_TASK_ID
until [ $(ls $NEAR | grep -c '^here-') -ge 4 ]; do sleep 0.02; done
if [ $RALPH_TASK_ID = T2 ] && [ ! -e $NEAR/limited ]; then
  touch $NEAR/limited; refused $(($(date +%s) + 2))
fi
until [ -e $NEAR/limited ]; do sleep 0.02; done
work; finish done
"""


def test_a_rate_limit_of_one_slows_all_of_them(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others finish what they do, nobody is sent out before the limit is over, and then fewer at once."""
    tasks = "".join(f"- [ ] T{n} make {n}\n" for n in range(1, 7))
    story = {"prd": tasks, "agent": "true", "files": {"ralph.toml": 'backoff = "0.1s"\n'}}
    play = Parallel(repo, story)
    done = play.with_claude(monkeypatch, LIMITED, "--parallel", "--max-parallel", "4")
    assert (play.boxes(), done.returncode) == ("xxxxxx", 0), done.stdout + done.stderr
    names = [line["event"] for line in play.journal()]
    waiting, waited = names.index("waiting"), names.index("waited")
    assert "agent started" not in names[waiting:waited]
    assert "at most 2 at once" in done.stdout
    later = [line["seq"] for line in play.journal()][waited]
    assert most_at_once([span for span in play.spans() if span[1] > later]) <= 2
    assert [line["counted"] for line in play.journal() if line["event"] == "set aside"] == [False]
    play.check_invariants()


MEDDLES = """#!/bin/sh
NEAR={near}; start=$RALPH_TASK_ID
{words}
does="sed -i 's/- \\\\[ \\\\]/- [x]/' $NEAR/repo/PRD.md"
use "$does" ''; eval "$does"
echo "work of $RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; finish done
"""


def test_one_that_ticks_in_the_checkout_is_found_out(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches out of its worktree, for the PRD that people write on: what it ticked there is no proof."""
    story = {"prd": "- [ ] T1 a\n- [ ] T2 b\n  - Depends: T1\n- [ ] T3 c\n  - Parked: later\n", "agent": "true"}
    play = Parallel(repo, story)
    done = play.with_claude(monkeypatch, MEDDLES, "--isolate")
    assert "ticked boxes in this checkout's PRD.md: they are empty again" in done.stdout, done.stdout + done.stderr
    assert (play.boxes(), done.returncode) == ("xxp", 1)
    assert play.accepted() == ["T1", "T2"]
    assert (repo.path / "T2.txt").exists()


def test_gates_that_are_red_only_in_a_worktree_are_refused_with_the_cure(repo: Repository) -> None:
    files = {".gitignore": "node_modules/\n"}
    play = Parallel(repo, {"files": files, "agent": "work", "gate": "test -d node_modules"})
    repo.write({"node_modules/lib": "code\n"})
    code, told = play.run()
    assert (code, play.boxes()) == (2, "..")
    assert "They ran in a fresh worktree, which has only what git tracks." in told
    assert '[worktree] link = ["node_modules"]' in told
    assert repo.refs() == ["refs/heads/main"]
    assert not (repo.path / ".git/worktrees").exists()


def test_a_set_up_that_fails_says_why_and_no_secrets(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "glass-mountain-41")
    setup = "echo \033[31m401 for $REGISTRY_TOKEN; exit 7"
    play = Parallel(repo, {"agent": "work", "gate": "true", "flags": ["--setup", setup]})
    code, told = play.run()
    assert (code, play.boxes()) == (2, "..")
    assert "--setup failed in a new worktree" in told
    assert "401 for " in told
    for place in (told, *(path.read_text() for path in (repo.path / ".git/ralph").rglob("setup-*.log"))):
        assert "glass-mountain-41" not in place
    assert "\033" not in told
