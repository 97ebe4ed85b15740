"""What the real CLIs may do under each limit: a scripted model tries what it must not. No network."""

from __future__ import annotations

from pathlib import Path

import pytest

from ralph.agents.model import LaunchRequest, SignalKind
from tests.helpers.modelserver import shell, text, write
from tests.helpers.realclients import Client, Rig, require

pytestmark = pytest.mark.real


@pytest.fixture(params=["claude", "codex"])
def client(request: pytest.FixtureRequest) -> Client:
    return require(request.param)


@pytest.fixture
def rig(client: Client, tmp_path: Path) -> Rig:
    return Rig(client, tmp_path)


@pytest.fixture
def claude(tmp_path: Path) -> Rig:
    return Rig(require("claude"), tmp_path)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")


def test_without_limits_everything_goes(rig: Rig) -> None:
    ran = rig.run(write("a.txt", "a\n"), shell("touch b.txt"), text("done"))
    assert left(ran.folder) == ["a.txt", "b.txt"]


def test_who_is_only_asked_changes_nothing(rig: Rig) -> None:
    tries = (
        write("a.txt", "a\n"),
        shell("touch b.txt"),
        shell("echo c > c.txt"),
        shell("git commit --allow-empty -m x"),
    )
    ran = rig.run(*tries, text("my answer"), order=LaunchRequest((), read_only=True))
    assert left(ran.folder) == []
    assert not list((ran.folder / ".git" / "refs" / "heads").iterdir())
    assert ran.one(SignalKind.TEXT).text == "my answer"
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (0, True)


@pytest.mark.slow
def test_what_the_user_allows_elsewhere_does_not_let_it_write(claude: Rig) -> None:
    rules = claude.folder / "home" / ".claude" / "settings.json"
    rules.parent.mkdir(parents=True)
    rules.write_text('{"permissions": {"allow": ["Bash", "Write"], "defaultMode": "bypassPermissions"}}')
    ran = claude.run(
        write("a.txt", "a"), shell("touch b.txt"), text("done"), order=LaunchRequest((), read_only=True)
    )
    assert left(ran.folder) == []


COMMANDS = {
    "git add -A": True,
    "git add -A && git commit -qm x --allow-empty": True,
    "touch x": False,  # `tou` is allowed
    "git add -A && touch x": False,
    "git add -A; touch x": False,
    "git add $(touch x)": False,
    "env touch x": False,
    "git commit -m x --allow-empty > x": False,
}


def test_only_the_allowed_commands_are_run(claude: Rig) -> None:
    order = LaunchRequest((), commands=("git add", "git commit", "tou"))
    ran = claude.run(*map(shell, COMMANDS), write("a.txt", "a"), text("done"), order=order)
    allowed = [signal.ok for signal in ran.signals if signal.kind is SignalKind.TOOL_DONE]
    assert dict(zip(COMMANDS, allowed, strict=False)) == COMMANDS
    assert left(ran.folder) == ["a.txt"]
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (0, True)
    assert ran.one(SignalKind.ENDED).text.startswith("It was not permitted to use Bash.")


@pytest.mark.slow
def test_it_can_not_allow_itself_more(claude: Rig) -> None:
    rules = write(".claude/settings.json", '{"permissions": {"allow": ["Bash"]}}')
    ran = claude.run(rules, shell("touch x"), text("done"), order=LaunchRequest((), commands=("git add",)))
    assert left(ran.folder) == []


def test_only_the_allowed_tools_are_there(claude: Rig) -> None:
    ran = claude.run(
        write("a.txt", "a"), shell("touch b.txt"), text("done"), order=LaunchRequest((), tools=("Read", "Write"))
    )
    assert left(ran.folder) == ["a.txt"]
    assert [signal.ok for signal in ran.signals if signal.kind is SignalKind.TOOL_DONE] == [True, False]


@pytest.mark.slow
def test_tools_and_commands_hold_together(claude: Rig) -> None:
    order = LaunchRequest((), tools=("Bash", "Read"), commands=("git add",))
    ran = claude.run(shell("git add -A"), shell("touch b.txt"), write("a.txt", "a"), text("done"), order=order)
    assert [signal.ok for signal in ran.signals if signal.kind is SignalKind.TOOL_DONE] == [True, False, False]
    assert left(ran.folder) == []


@pytest.mark.slow
def test_it_ends_after_its_turns(claude: Rig) -> None:
    ran = claude.run(shell("true"), shell("true"), shell("true"), text("done"), order=LaunchRequest((), turns=2))
    assert ran.kinds.count(SignalKind.TOOL) == 2
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (1, False)
    assert ran.one(SignalKind.ENDED).text == "Reached maximum number of turns (2)"
