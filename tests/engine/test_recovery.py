"""Every story of fixtures/healing.toml: agents that fail in many ways, and what ralph makes of it.

Real git, real ptys, real programs: the agents are shell scripts, put together from the words of the fixture.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Repository, spread
from tests.engine.test_stories import Play

ROOT = Path(__file__).parents[2]
TABLE: dict[str, Any] = tomllib.loads((ROOT / "fixtures" / "healing.toml").read_text())
WORDS, BEHAVIOUR = TABLE["words"], TABLE["behaviour"]
PRD = "- [ ] T1 make one\n"
PATIENCE = 60  # seconds for one run: the machine is shared
SETTINGS = {"backoff": "0.1s", "silence": "30s"}
UNASKED = {"split": ["shrugs"], "handover": ["notes"], "review": ["accepts"]}  # where a story does not say it
ASKS = {"split": "split.md", "handover": "ask_handover.md", "review": "review.md"}  # told by their first lines
# Stories that can't pass yet, and what they wait for. To be empty.
AGENT = """
start=$(wc -l < {count}); start=$((start))
case "$(head -n 1 {prompt})" in
{cases}*) role=$RALPH_TASK_ID; [ -e {do}/$role ] || role=work;;
esac
case " $* " in *" --model opus "*) [ $role = work ] && role=opus;; esac
cp {prompt} {do}/$start-$role.md
turn=$(($(cat {do}/$role.turn 2>/dev/null || echo 0) + 1)); echo $turn > {do}/$role.turn
while [ ! -e {do}/$role/$turn ]; do turn=$((turn - 1)); done
. {do}/$role/$turn
"""


def stories() -> Iterator[dict[str, Any]]:
    """Those of the fixture; one with `each` stands for several, one for each word of it."""
    for story in TABLE["story"]:
        for word in story.get("each", [""]):
            name = f"{story['name']}: {word}" if word else story["name"]
            asked = {role: named(behaviours, word) for role, behaviours in story.get("asked", {}).items()}
            yield {
                **story,
                "name": name,
                "agent": named(story.get("agent", ["good"]), word),
                "asked": asked,
            }


def named(behaviours: Sequence[str], word: str) -> list[str]:
    return [word if one == "EACH" else one for one in behaviours]


STORIES = list(stories())


class Healing(Play):
    """A repository, agents that behave as a story tells, and a person who does something meanwhile."""

    def __init__(self, repo: Repository, story: Mapping[str, Any]) -> None:
        self.story, self.near = story, repo.path.parent
        self.do = self.near / "do"
        files = {"ralph.toml": toml({**SETTINGS, **story.get("settings", {})}), **story.get("files", {})}
        self.by_hand: int = story.get("by_hand", 0)
        super().__init__(repo, {"prd": PRD, **story, "files": files, "agent": self.script("plain")})
        self.write_behaviours()
        claude = self.near / "bin" / "claude"
        claude.parent.mkdir()
        head = f"#!/bin/sh\necho . >> {self.count}\ncat > {self.near}/prompt\n"
        claude.write_text(head + self.script("claude"))
        claude.chmod(0o755)

    def script(self, kind: str) -> str:
        cases = "".join(f"{pattern}) role={role};;\n" for role, pattern in headings().items())
        places = {"count": self.near / "agents-started", "prompt": self.near / "prompt", "do": self.do}
        return f"{WORDS['both']}\n{WORDS[kind]}\n{AGENT.format(cases=cases, **places)}"

    def write_behaviours(self) -> None:
        """One file for each turn of each role; the last one is done again and again."""
        told = {**UNASKED, **self.story.get("asked", {}), **self.story.get("by_task", {})}
        roles = {"work": self.story["agent"], "opus": self.story.get("opus", ["good"]), **told}
        for role, behaviours in roles.items():
            (self.do / role).mkdir(parents=True)
            for turn, name in enumerate(behaviours, 1):
                (self.do / role / str(turn)).write_text(BEHAVIOUR[name].replace(" ../", f" {self.near}/"))

    def run(self) -> tuple[int, str]:
        """The exit code of the last run, and what all of them said."""
        said = self.near / "said"
        with said.open("wb") as out:
            code = self.once(out, self.story.get("meanwhile", []))
            for _ in range(self.story.get("runs", 1) - 1):
                self.person(self.story.get("then", "true"), 0)
                code = self.once(out, [])
        return code, said.read_text(errors="replace")

    def once(self, out: BinaryIO, steps: Sequence[Mapping[str, str]]) -> int:
        process = subprocess.Popen(self.words(), cwd=self.repo.path, env=self.env(), stdout=out, stderr=out)
        try:
            for step in steps:
                self.wait_for(step["at"], process)
                self.person(step["do"], process.pid)
            return process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()

    def words(self) -> list[str]:
        plain = ["--agent-command", f"sh {self.agent}"]
        who = ["--agent", "claude"] if self.story.get("who") == "claude" else plain
        return [sys.executable, "-m", "ralph", *who, *self.apart, *self.story.get("flags", [])]

    def env(self) -> dict[str, str]:
        path = f"{self.near}/bin:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "ANTHROPIC_API_KEY": "none-is-needed"}

    def person(self, does: str, pid: int) -> None:
        """What somebody types while ralph runs."""
        words = f'ralph() {{ {sys.executable} -m ralph "$@"; }}\n{does}'
        env = {**self.env(), "RALPH": str(pid)}
        done = subprocess.run(["sh", "-c", words], cwd=self.repo.path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{does}: {done.stdout}{done.stderr}"

    def wait_for(self, event: str, process: subprocess.Popen[bytes]) -> None:
        """`waiting`, or `agent started 2` for the second time; or a file that an agent made."""
        name, times = (match[1], int(match[2])) if (match := re.fullmatch(r"(.*) (\d+)", event)) else (event, 1)

        def happened() -> bool:
            if event.startswith("../"):
                return (self.repo.path / event).exists()
            return [one["event"] for one in self.journal()].count(name) >= times

        assert wait_until(lambda: happened() or process.poll() is not None), f"{event}: never"
        assert happened(), f"{event}: it ended before"

    # ------------------------------------------------------------ what came of it

    def endings(self) -> list[str]:
        """How each attempt ended, in order: `exited`, `exited 1`, `silent`, `rate limit`, `split: exited` ..."""
        purposes = {one["n"]: one["purpose"] for one in self.journal() if one["event"] == "chosen"}
        stops = [one for one in self.journal() if one["event"] == "agent stopped"]
        return [f"{purpose}: {end(one)}" if (purpose := purposes[one["n"]]) else end(one) for one in stops]

    def moves(self) -> list[str]:
        """What ralph did about it, in order."""
        return [word for one in self.journal() if (word := moved(one))]

    def starts(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0

    def prompts(self) -> list[str]:
        """What the agents were told beside the task: the whole of a question, of a prompt what stands before it."""
        files = sorted(self.do.glob("*-*.md"), key=lambda path: int(path.name.partition("-")[0]))
        told = [one.read_text() if one.stem.partition("-")[2] in ASKS else before(one.read_text()) for one in files]
        return [self.plain(one) for one in told]

    def plain(self, text: str) -> str:
        """Without what differs from run to run."""
        text = re.sub(r"\b[0-9a-f]{7,40}\b", "<sha>", text.replace(str(self.near), "<near>"))
        return re.sub(r"\b\d+(\.\d+)?( ?s\b| seconds\b)", r"<n>\2", text)

    def ticked(self) -> list[str]:
        return [one for event in self.journal() if event["event"] == "recorded" for one in recorded(event)]


def toml(settings: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {value(one)}\n" for key, one in settings.items())


def value(one: Any) -> str:
    """JSON is TOML but for tables."""
    if not isinstance(one, dict):
        return json.dumps(one)
    return "{ " + ", ".join(f"{json.dumps(key)} = {value(inside)}" for key, inside in one.items()) + " }"


def headings() -> dict[str, str]:
    """What the prompts that only ask for words begin with, as patterns of the shell."""
    found = {}
    for role, name in ASKS.items():
        path = ROOT / "templates" / name
        if path.exists():
            first = path.read_text().lstrip().splitlines()[0]
            found[role] = "*".join(f'"{part}"' for part in re.split(r"\$\{?\w+\}?", first) if part) + "*"
    return found


def before(prompt: str) -> str:
    """A prompt without the task itself."""
    return prompt.partition("# Your task\n")[0]


def wait_until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end(stopped: Mapping[str, Any]) -> str:
    if stopped["why"] != "exited":
        return str(stopped["why"])
    return stopped["failure"] or (f"exited {stopped['code']}" if stopped["code"] else "exited")


def moved(event: Mapping[str, Any]) -> str:
    """What an event is called in `moves`; nothing for most."""
    match event["event"]:
        case "set aside":
            return event["move"] or "cut off"
        case "agent changed":
            return f"now {event['agent']}"
        case "split":
            return f"split into {len(event['into'])}"
        case "reviewed":
            return {True: "review: yes", False: "review: no", None: "review: unreadable"}[event["ok"]]
        case "waiting" | "waited" | "parked" | "paused" | "resumed" | "skipped" as name:
            return str(name)
    return ""


def recorded(event: Mapping[str, Any]) -> list[str]:
    return [event["task"], *event["also"]]


@pytest.mark.parametrize("story", spread(STORIES, daily=5, ci=5, ids=itemgetter("name")))
def test_story(repo: Repository, story: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    play = Healing(repo, story)
    check_story(play, story)
    if story.get("prompts"):
        assert "\n=====\n".join(filter(None, play.prompts())) == snapshot


def check_story(play: Healing, story: Mapping[str, Any]) -> None:
    code, said = play.run()
    assert "Traceback" not in said
    assert play.boxes() == story["boxes"], said
    assert code == story["exit"], said
    play.check_invariants()
    check_course(play, story)
    check_words(play, story, said)


def check_course(play: Healing, story: Mapping[str, Any]) -> None:
    """How it came about, where the story tells it."""
    subjects = [one for one in play.repo.subjects(f"{play.start}..HEAD") if not one.startswith("chore")]
    found = {"attempts": play.endings(), "moves": play.moves(), "starts": play.starts(), "commits": subjects}
    expected = {name: story[name] for name in found if name in story}
    assert {name: found[name] for name in expected} == expected
    assert len(play.ticked()) == play.boxes().count("x") - play.by_hand
    if story.get("clean", True):
        assert play.repo.git("status", "--porcelain") == ""


def check_words(play: Healing, story: Mapping[str, Any], said: str) -> None:
    """What people and agents are told."""
    prd = play.repo.read("PRD.md")
    told = play.prompts()
    for text in story.get("said", []):
        assert text.lower() in " ".join(said.split()).lower()
    for text in story.get("prompt", []):
        assert text.lower() in " ".join(" ".join(told).split()).lower()
    for text in story.get("last", []):
        assert text.lower() in told[-1].lower()
    for text in story.get("holds", []):
        assert text in prd
    for text in story.get("lacks", []):
        assert text not in prd
    for name, text in story.get("left", {}).items():
        assert text in (play.repo.path / name).read_text()
    if "notified" in story:
        lines = (play.near / "notified").read_text().splitlines()
        letters = [json.loads(line) for line in lines if line.strip()]
        events = [one["event"] for letter in letters for one in (*letter.get("earlier", ()), letter)]
        assert sorted(events) == sorted(story["notified"])  # several at once may come as one, or change places


def test_every_behaviour_is_used_and_every_story_uses_one() -> None:
    """A word that no story uses is dead; one that is missing would fail late."""
    used: set[str] = {name for names in UNASKED.values() for name in names}
    for story in STORIES:
        lists = [story["agent"], story.get("opus", []), *story.get("asked", {}).values()]
        used |= {name for names in [*lists, *story.get("by_task", {}).values()] for name in names}
    assert used == set(BEHAVIOUR)
