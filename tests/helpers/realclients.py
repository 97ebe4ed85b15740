"""The real Claude Code and Codex, for tests: where they are, and a sealed place to run them in.

    client = realclients.require("claude")  # skips with a sentence; in CI a missing client fails
    with ModelServer(script) as server:
        env = client.environment(tmp_path / "home", server.url)
        subprocess.run([*server.inside, client.name, ...], env=env, cwd=repository)

The environment holds nothing of the caller's: a throw-away HOME, a dummy key, the scripted server's address, the
clients' quiet switches and one retry. The client stands on its PATH under its own name, so the whole of ralph can
be run the same way: `[*server.inside, sys.executable, "-m", "ralph", "--claude"]` with PYTHONPATH added.
`Rig` runs the client alone, as ralph starts it.
"""

from __future__ import annotations

import os
import pty
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ralph.agents.model import LaunchRequest, Signal, SignalKind
from ralph.agents.registry import get
from tests.helpers.modelserver import ModelServer, Step

CACHE = Path(__file__).parents[2] / ".cache" / "agents" / "node_modules"
BINARIES = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "claude-previous": "claude-previous/claude",
    "codex": "@openai/codex-*/vendor/*/bin/codex",
}

GITCONFIG = """\
[user]
    name = Real Client
    email = real@example.invalid
[init]
    defaultBranch = main
"""

# `analytics` is off because Codex waits 5 s at its end for a network that is not there
CODEX_CONFIG = """\
model = "gpt-5"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1

[analytics]
enabled = false
"""


@dataclass(frozen=True)
class Client:
    """An installed agent CLI."""

    name: str
    binary: Path

    def environment(self, home: Path, url: str, *, subscription: bool = False) -> dict[str, str]:
        """Makes `home` and gives the whole environment to run the client, git and ralph in. Clients that share a
        home run with all of their environments.

        `subscription`: Claude logs in with a dummy OAuth token instead of a key, which alone makes it heed the
        headers of a subscription's limits.
        """
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        (home / "bin").mkdir(exist_ok=True)
        (home / "bin" / self.name).symlink_to(self.binary)
        (home / ".gitconfig").write_text(GITCONFIG)
        sealed = {
            "HOME": str(home),
            "PATH": f"{home / 'bin'}:{os.defpath}:/usr/local/bin",
            "TMPDIR": str(home / "tmp"),  # Codex wants it not to be a parent of HOME
            "LANG": "C.UTF-8",
            "TERM": "xterm",
        }
        own = _claude(url, subscription=subscription) if self.name == "claude" else _codex(home, url)
        return sealed | own


def require(name: str) -> Client:
    """The client, from RALPH_E2E_<NAME> or `.ci/agents`; else the test is skipped, and in CI it fails.

    `claude-previous` is the version of Claude Code before the newest.
    """
    variable, program = f"RALPH_E2E_{name.upper().replace('-', '_')}", name.partition("-")[0]
    named = os.environ.get(variable)
    found = Path(named) if named else next(CACHE.glob(BINARIES[name]), None)
    if found and found.is_file():
        return Client(program, found.resolve())
    missing = f"{name} is not installed: run .ci/agents (needs npm), or set {variable}=/path/to/{program}"
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        pytest.fail(missing)
    pytest.skip(missing)


def _claude(url: str, *, subscription: bool) -> dict[str, str]:
    key = "CLAUDE_CODE_OAUTH_TOKEN" if subscription else "ANTHROPIC_API_KEY"
    return {
        key: "dummy",
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _codex(home: Path, url: str) -> dict[str, str]:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(CODEX_CONFIG.format(url=url))
    return {"SCRIPTED_KEY": "dummy"}


# ---------------------------------------------------------------- one run of a client alone

PROMPT = "Say T1 and work.\n"
FREE = LaunchRequest(())


@dataclass
class Ran:
    signals: list[Signal]
    code: int
    folder: Path

    @property
    def kinds(self) -> list[SignalKind]:
        return [signal.kind for signal in self.signals]

    def one(self, kind: SignalKind) -> Signal:
        """The last signal of a kind."""
        return next(signal for signal in reversed(self.signals) if signal.kind is kind)


@dataclass
class Rig:
    """Runs a client once, as the session does: prompt as a file on stdin, stdout and stderr on a pty."""

    client: Client
    folder: Path

    def run(
        self,
        *script: Step,
        subscription: bool = False,
        kill_at: str = "",
        prompt: str = PROMPT,
        order: LaunchRequest = FREE,
    ) -> Ran:
        """One run. `kill_at`: end it when the model was asked for a step of that kind."""
        with ModelServer(script) as server:
            env = self.client.environment(self.folder / "home", server.url, subscription=subscription)
            ran = self.once(server, env, kill_at=kill_at, prompt=prompt, order=order)
            assert all(asked["prompt"].strip() == prompt.strip() for asked in server.requests())
        return ran

    def once(
        self,
        server: ModelServer,
        env: dict[str, str],
        *,
        kill_at: str = "",
        prompt: str = PROMPT,
        order: LaunchRequest = FREE,
    ) -> Ran:
        repo, stdin = self.folder / "repo", self.folder / "prompt.md"
        stdin.write_text(prompt)
        subprocess.run(["git", "init", "-q", str(repo)], env=env, check=True)
        agent = get(self.client.name)
        launch = agent.launch(replace(order, program=(self.client.name,), as_root=os.geteuid() == 0))
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
