"""How each agent is started: every order, as its command line and what is said about it."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.agents.model import Launch, LaunchRequest
from ralph.agents.registry import AGENTS

PROGRAM = ("/opt/agent", "with space")
ORDERS = {
    "nothing special": LaunchRequest(PROGRAM),
    "as root": LaunchRequest(PROGRAM, as_root=True),
    "a model and words of the user": LaunchRequest(PROGRAM, model="some-model", args=("--fast", "-c", "x=1")),
    "a budget": LaunchRequest(PROGRAM, budget=1.5),
    "30 turns": LaunchRequest(PROGRAM, turns=30),
    "some tools": LaunchRequest(PROGRAM, tools=("Bash", "Edit", "mcp__docs__search"), as_root=True),
    "some commands": LaunchRequest(PROGRAM, commands=("npm test", "git commit")),
    "some tools and commands": LaunchRequest(PROGRAM, tools=("Bash", "Read"), commands=("npm test",)),
    "tools with rules of its own": LaunchRequest(PROGRAM, tools=("Bash(npm test:*)", "Edit")),
    "commands, and no tool to run them": LaunchRequest(PROGRAM, tools=("Read",), commands=("npm test",)),
    "may change nothing": LaunchRequest(PROGRAM, read_only=True, as_root=True),
    "may change nothing, and has limits": LaunchRequest(
        PROGRAM, read_only=True, tools=("Bash",), commands=("ls",), turns=3
    ),
}


@pytest.mark.parametrize("name", AGENTS)
def test_launch(name: str, snapshot: SnapshotAssertion) -> None:
    launches = {order: AGENTS[name].launch(ORDERS[order]) for order in ORDERS}
    assert "\n".join(f"{order}\n{shown(launch)}" for order, launch in launches.items()) == snapshot


def shown(launch: Launch) -> str:
    lines = [
        " ".join(word if " " not in word else f"'{word}'" for word in launch.argv),
        *(f"{name}={value}" for name, value in launch.env.items()),
        *(f"says: {sentence}" for sentence in launch.said),
    ]
    return "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("limit", [{"turns": 3}, {"tools": ("Read",)}, {"commands": ("ls",)}, {"read_only": True}])
def test_no_limit_is_dropped_in_silence(name: str, limit: dict[str, object]) -> None:
    free, limited = (AGENTS[name].launch(LaunchRequest(PROGRAM, **more)) for more in ({}, limit))  # type: ignore[arg-type]
    assert limited.argv != free.argv or limited.said != free.said


@pytest.mark.parametrize("limit", [{"tools": ("Bash",)}, {"commands": ("ls",)}, {"read_only": True}])
def test_no_limit_is_undone_by_a_flag_that_skips_all_permissions(limit: dict[str, object]) -> None:
    order = LaunchRequest(PROGRAM, as_root=True, **limit)  # type: ignore[arg-type]
    assert "--dangerously-skip-permissions" not in AGENTS["claude"].launch(order).argv
    assert "--dangerously-bypass-approvals-and-sandbox" not in AGENTS["codex"].launch(
        LaunchRequest(PROGRAM, read_only=True)
    ).argv  # fmt: skip
