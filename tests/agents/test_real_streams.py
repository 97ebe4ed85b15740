"""What the real CLIs print today, in a pty, as our readers understand it. A scripted model, no network."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from modelserver import ModelServer, Step, drop, error, hang, shell, text, write
from realclients import Client, require

from ralph.agents import get
from ralph.model import Kind, Order, Signal

pytestmark = pytest.mark.real

PROMPT = "Say T1 and work.\n"
SOON = int(time.time()) + 3_600


@pytest.fixture(params=["claude", "codex"])
def client(request: pytest.FixtureRequest) -> Client:
    return require(request.param)


@dataclass
class Ran:
    signals: list[Signal]
    code: int
    folder: Path

    @property
    def kinds(self) -> list[Kind]:
        return [signal.kind for signal in self.signals]

    def one(self, kind: Kind) -> Signal:
        """The last signal of a kind."""
        return next(signal for signal in reversed(self.signals) if signal.kind is kind)


@dataclass
class Rig:
    """Runs a client once, as the session does: prompt as a file on stdin, stdout and stderr on a pty."""

    client: Client
    folder: Path

    def run(self, *script: Step, subscription: bool = False, kill_at: str = "", prompt: str = PROMPT) -> Ran:
        """One run. `kill_at`: end it when the model was asked for a step of that kind."""
        with ModelServer(script) as server:
            env = self.client.environment(self.folder / "home", server.url, subscription=subscription)
            ran = self.once(server, env, kill_at=kill_at, prompt=prompt)
            assert all(asked["prompt"].strip() == prompt.strip() for asked in server.requests())
        return ran

    def once(self, server: ModelServer, env: dict[str, str], *, kill_at: str = "", prompt: str = PROMPT) -> Ran:
        repo, stdin = self.folder / "repo", self.folder / "prompt.md"
        stdin.write_text(prompt)
        subprocess.run(["git", "init", "-q", str(repo)], env=env, check=True)
        agent = get(self.client.name)
        launch = agent.launch(Order((self.client.name,), as_root=os.geteuid() == 0))
        argv = [*server.inside, *launch.argv]
        master, slave = pty.openpty()
        with stdin.open() as given:
            running = subprocess.Popen(
                argv, stdin=given, stdout=slave, stderr=slave, cwd=repo, env={**env, **launch.env}
            )
        os.close(slave)
        if kill_at:
            server.wait_for(kill_at, running)
            running.kill()
        output = _drained(master)
        return Ran([signal for line in output.splitlines() for signal in agent.read(line)], running.wait(), repo)


def _drained(master: int) -> str:
    """Everything until the last writer is gone, which Linux tells as EIO."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:
            part = b""
        if not part:
            os.close(master)
            return b"".join(parts).decode(errors="replace")
        parts.append(part)


@pytest.fixture
def rig(client: Client, tmp_path: Path) -> Rig:
    return Rig(client, tmp_path)


def test_work_is_seen_as_it_is_done(rig: Rig) -> None:
    ran = rig.run(
        write("a.py", "x = 1\n", "I begin."), shell("git add -A && git commit -qm 'add a'"), text("All done.")
    )
    tools = [signal for signal in ran.signals if signal.kind is Kind.TOOL]
    assert [signal.paths for signal in tools] == [(str(ran.folder / "a.py"),), ()]
    assert [signal.command for signal in tools] == ["", "git add -A && git commit -qm 'add a'"]
    assert [signal.ok for signal in ran.signals if signal.kind is Kind.TOOL_DONE] == [True, True]
    assert [signal.text for signal in ran.signals if signal.kind is Kind.TEXT] == ["I begin.", "All done."]
    assert (ran.code, ran.kinds[-1], ran.one(Kind.ENDED).ok) == (0, Kind.ENDED, True)
    assert (ran.folder / "a.py").read_text() == "x = 1\n"


def test_every_run_is_a_conversation_of_its_own(client: Client, tmp_path: Path) -> None:
    script = {"T0": [[text("wrong")]], "T1": [[shell("true"), text("first")], [text("second")]]}
    with ModelServer(script) as server:
        env = client.environment(tmp_path / "home", server.url)
        rig = Rig(client, tmp_path)
        said = [rig.once(server, env).one(Kind.TEXT).text for _ in range(2)]
    assert said == ["first", "second"]


def test_tokens_and_money_are_told_at_the_end(rig: Rig) -> None:
    usage = rig.run(shell("true"), text("done")).one(Kind.USAGE).usage
    claude = rig.client.name == "claude"
    assert usage
    assert (usage.final, usage.tokens) == (True, 2 * (1_834 if claude else 1_734))
    assert (usage.cost is not None and 0 < usage.cost < 1) if claude else usage.cost is None


def test_a_tool_that_fails_is_no_failure_of_the_agent(rig: Rig) -> None:
    ran = rig.run(shell('echo "You\'ve hit your usage limit"; exit 3'), text("You've hit your usage limit."))
    assert ran.one(Kind.TOOL_DONE).ok is False
    assert not set(ran.kinds) & {Kind.RATE_LIMIT, Kind.ERROR}
    assert ran.one(Kind.ENDED).ok is True


def test_a_refused_login(rig: Rig) -> None:
    ran = rig.run(error(401))
    assert [kind for kind in ran.kinds if kind in {Kind.RETRY, Kind.AUTH}][:2] == [Kind.RETRY, Kind.AUTH]
    assert "401" in ran.one(Kind.AUTH).text
    assert (ran.code, ran.one(Kind.ENDED).ok) == (1, False)


LIMITED: dict[str, Callable[[], Step]] = {
    "claude": lambda: error(
        429,
        headers={
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-reset": str(SOON),
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
        },
    ),
    "codex": lambda: error(429, {"error": {"type": "usage_limit_reached", "message": "", "resets_at": SOON}}),
}


def test_a_used_up_limit_tells_when_it_ends(rig: Rig) -> None:
    ran = rig.run(LIMITED[rig.client.name](), subscription=True)
    limits = [signal for signal in ran.signals if signal.kind is Kind.RATE_LIMIT]
    assert limits[0].resets_at == (SOON if rig.client.name == "claude" else None)
    assert "hit your" in limits[-1].text
    assert (ran.code, ran.one(Kind.ENDED).ok) == (1, False)


def test_a_busy_model_is_tried_again_and_then_told(rig: Rig) -> None:
    ran = rig.run(error(529))
    assert Kind.RETRY in ran.kinds
    assert Kind.OVERLOADED in ran.kinds
    assert (ran.code, ran.one(Kind.ENDED).ok) == (1, False)


def test_a_retry_that_helps_leaves_no_failure(rig: Rig) -> None:
    ran = rig.run(error(429, headers={"retry-after": "0"}, times=1), text("done"))
    assert [kind for kind in ran.kinds if kind is not Kind.USAGE][-3:] == [Kind.RETRY, Kind.TEXT, Kind.ENDED]
    assert (ran.code, ran.one(Kind.ENDED).ok) == (0, True)


def test_a_stream_that_breaks_off(rig: Rig) -> None:
    ran = rig.run(drop())
    assert Kind.NETWORK in ran.kinds
    assert (ran.code, ran.one(Kind.ENDED).ok) == (1, False)


@pytest.mark.parametrize("after", ["", "headers"])
def test_a_model_that_never_answers_shows_no_end_and_no_progress(rig: Rig, after: str) -> None:
    ran = rig.run(hang(after), kill_at="hang")
    assert (ran.signals, ran.code) == ([], -9)


def test_an_empty_prompt_is_told_without_json(rig: Rig) -> None:
    ran = rig.run(text("never asked"), prompt="")
    assert (ran.kinds, ran.code) == ([Kind.ERROR], 1)
