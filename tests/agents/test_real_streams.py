"""What the real CLIs print today, in a pty, as our readers understand it. A scripted model, no network."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ralph.agents.model import LaunchRequest, SignalKind
from ralph.agents.reset_times import resets
from tests.helpers.modelserver import ModelServer, drop, error, full, hang, limited, shell, text, write
from tests.helpers.realclients import Client, Rig, require

pytestmark = pytest.mark.real


@pytest.fixture(params=["claude", "codex"])
def client(request: pytest.FixtureRequest) -> Client:
    return require(request.param)


@pytest.fixture
def rig(client: Client, tmp_path: Path) -> Rig:
    return Rig(client, tmp_path)


def test_work_is_seen_as_it_is_done(rig: Rig) -> None:
    ran = rig.run(
        write("a.py", "x = 1\n", "I begin."), shell("git add -A && git commit -qm 'add a'"), text("All done.")
    )
    tools = [signal for signal in ran.signals if signal.kind is SignalKind.TOOL]
    assert [signal.paths for signal in tools] == [(str(ran.folder / "a.py"),), ()]
    assert [signal.command for signal in tools] == ["", "git add -A && git commit -qm 'add a'"]
    assert [signal.ok for signal in ran.signals if signal.kind is SignalKind.TOOL_DONE] == [True, True]
    assert [signal.text for signal in ran.signals if signal.kind is SignalKind.TEXT] == ["I begin.", "All done."]
    assert (ran.code, ran.kinds[-1], ran.one(SignalKind.ENDED).ok) == (0, SignalKind.ENDED, True)
    assert (ran.folder / "a.py").read_text() == "x = 1\n"


@pytest.mark.slow
def test_every_run_is_a_conversation_of_its_own(client: Client, tmp_path: Path) -> None:
    script = {"T0": [[text("wrong")]], "T1": [[shell("true"), text("first")], [text("second")]]}
    with ModelServer(script) as server:
        env = client.environment(tmp_path / "home", server.url)
        rig = Rig(client, tmp_path)
        said = [rig.once(server, env).one(SignalKind.TEXT).text for _ in range(2)]
    assert said == ["first", "second"]


def test_tokens_and_money_are_told_at_the_end(rig: Rig) -> None:
    usage = rig.run(shell("true"), text("done")).one(SignalKind.USAGE).usage
    claude = rig.client.name == "claude"
    assert usage
    assert (usage.final, usage.tokens) == (True, 2 * (1_834 if claude else 1_734))
    assert (usage.cost is not None and 0 < usage.cost < 1) if claude else usage.cost is None


def test_claude_tells_how_full_its_context_is(rig: Rig) -> None:
    if rig.client.name == "codex":
        pytest.skip("Codex does not tell what its context holds")
    ran = rig.run(full(shell("true")), text("done"), order=LaunchRequest((), model="claude-sonnet-4-5"))
    told = [signal.usage for signal in ran.signals if signal.usage]
    assert [usage.window for usage in told] == [200_000, 0, 0, 200_000]
    assert [usage.context for usage in told] == [0, 165_000, 1_800, 0]
    assert told[-1].split == (165_000 - 500 + 1_300, 1_000, 68)


@pytest.mark.slow
def test_the_result_of_a_tool_is_told(rig: Rig) -> None:
    ran = rig.run(shell("echo one; echo two"), text("done"))
    assert ran.one(SignalKind.TOOL_DONE).text.strip() == "one\ntwo"


@pytest.mark.slow
def test_a_tool_that_fails_is_no_failure_of_the_agent(rig: Rig) -> None:
    ran = rig.run(shell('echo "You\'ve hit your usage limit"; exit 3'), text("You've hit your usage limit."))
    assert ran.one(SignalKind.TOOL_DONE).ok is False
    assert not set(ran.kinds) & {SignalKind.RATE_LIMIT, SignalKind.ERROR}
    assert ran.one(SignalKind.ENDED).ok is True


def test_a_refused_login(rig: Rig) -> None:
    ran = rig.run(error(401))
    assert [kind for kind in ran.kinds if kind in {SignalKind.RETRY, SignalKind.AUTH}][:2] == [
        SignalKind.RETRY,
        SignalKind.AUTH,
    ]
    assert "401" in ran.one(SignalKind.AUTH).text
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (1, False)


def test_a_used_up_limit_tells_when_it_ends(rig: Rig) -> None:
    before = time.time()
    ran = rig.run(limited(3_600), subscription=True)
    limits = [signal for signal in ran.signals if signal.kind is SignalKind.RATE_LIMIT]
    at = limits[0].resets_at
    if rig.client.name == "claude":
        assert at is not None
        assert before + 3_600 <= at <= time.time() + 3_601
    else:
        assert at is None  # it stands in the text
        at = resets(limits[-1].text, datetime.now(UTC))
        assert at is not None
        assert abs(at - before - 3_600) <= 120
    assert "hit your" in limits[-1].text
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (1, False)


@pytest.mark.slow
def test_a_busy_model_is_tried_again_and_then_told(rig: Rig) -> None:
    ran = rig.run(error(529))
    assert ran.one(SignalKind.RETRY).text.startswith("overloaded: ")
    assert SignalKind.OVERLOADED in ran.kinds
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (1, False)


@pytest.mark.slow
def test_a_retry_that_helps_leaves_no_failure(rig: Rig) -> None:
    ran = rig.run(error(429, headers={"retry-after": "0"}, times=1), text("done"))
    assert [kind for kind in ran.kinds if kind is not SignalKind.USAGE][-3:] == [
        SignalKind.RETRY,
        SignalKind.TEXT,
        SignalKind.ENDED,
    ]
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize("after", ["begin", "request"])
def test_a_stream_that_breaks_off(rig: Rig, after: str) -> None:
    ran = rig.run(drop(after))
    assert SignalKind.NETWORK in ran.kinds
    assert SignalKind.OVERLOADED not in ran.kinds
    assert (ran.code, ran.one(SignalKind.ENDED).ok) == (1, False)


@pytest.mark.slow
@pytest.mark.parametrize("after", ["", "headers"])
def test_a_model_that_never_answers_shows_no_end_and_no_progress(rig: Rig, after: str) -> None:
    ran = rig.run(hang(after), kill_at="hang")
    assert (set(ran.kinds) <= {SignalKind.USAGE}, ran.code) == (
        True,
        -9,
    )  # Claude tells its model, hence its window


@pytest.mark.slow
def test_an_empty_prompt_is_told_without_json(rig: Rig) -> None:
    ran = rig.run(text("never asked"), prompt="")
    assert (ran.kinds, ran.code) == ([SignalKind.ERROR], 1)
