"""How each agent is started, whether it seems logged in, and what its reader must never do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents import claude, codex, command
from ralph.agents.json_stream import COMMAND_CAP
from ralph.agents.model import Signal, SignalKind
from ralph.agents.registry import AGENTS, Agent, get
from ralph.errors import RalphError

EVENTFUL = [agent for agent in AGENTS.values() if agent.EVENTS]


# ---------------------------------------------------------------- login


@pytest.mark.parametrize(
    ("agent", "env", "files", "guess"),
    [
        (claude, {"ANTHROPIC_API_KEY": "k"}, set(), True),
        (claude, {"CLAUDE_CODE_OAUTH_TOKEN": "t"}, set(), True),
        (claude, {"CLAUDE_CODE_USE_BEDROCK": "1"}, set(), True),
        (claude, {"ANTHROPIC_API_KEY": ""}, set(), False),
        (claude, {}, {".claude/.credentials.json"}, True),
        (claude, {"CLAUDE_CONFIG_DIR": "/else"}, {".claude/.credentials.json"}, False),
        (claude, {"CLAUDE_CONFIG_DIR": "/else"}, {"/else/.credentials.json"}, True),
        (claude, {}, {"Library/Keychains"}, None),
        (codex, {"OPENAI_API_KEY": "k"}, set(), True),
        (codex, {}, {".codex/auth.json"}, True),
        (codex, {"CODEX_HOME": "/else"}, {"/else/auth.json"}, True),
        (codex, {}, {".codex/config.toml"}, None),
        (codex, {}, set(), False),
        (command, {}, set(), None),
    ],
)
def test_a_login_is_guessed_from_keys_and_files(
    agent: Agent, env: dict[str, str], files: set[str], guess: bool | None
) -> None:
    assert agent.login(env, files.__contains__) is guess


# ---------------------------------------------------------------- read


def test_a_command_is_never_read() -> None:
    assert command.read('{"type": "result", "is_error": false, "subtype": "success"}') == ()


@pytest.mark.parametrize(
    "before",
    [
        "",
        "^C",
        "\x1b[2K\r",
        "\x1b]0;a {title}\x07",
        "\x1b[31mWARN\x1b[0m ",
        "\x1bP{\x1b\\",
        "\x1b[?25h\x1b7\x1b[r\x0f",
    ],
)
def test_a_terminal_puts_things_before_and_after_an_event(before: str) -> None:
    line = before + '{"type": "turn.completed", "usage": {"input_tokens": 2, "output_tokens": 1}}\x1b[0m\x07\r'
    assert [signal.kind for signal in codex.read(line)] == [SignalKind.USAGE, SignalKind.ENDED]


@pytest.mark.parametrize(
    ("agent", "line", "kind"),
    [
        (claude, "Not logged in · Please run /login", SignalKind.AUTH),
        (claude, "\x1b[31mInvalid API key · Please run /login\x1b[0m\r", SignalKind.AUTH),
        (claude, "Error: something", SignalKind.ERROR),
        (codex, "Missing environment variable: `OPENAI_API_KEY`.", SignalKind.AUTH),
        (codex, "Error loading config.toml: invalid", SignalKind.ERROR),
    ],
)
def test_a_line_that_is_no_event_counts_only_from_its_beginning(agent: Agent, line: str, kind: SignalKind) -> None:
    assert [signal.kind for signal in agent.read(line)] == [kind]
    assert agent.read(f"> {line}") == ()


def test_an_old_claude_tells_its_limit_as_a_line() -> None:
    (signal,) = claude.read("Claude AI usage limit reached|1750708800")
    assert (signal.kind, signal.resets_at) == (SignalKind.RATE_LIMIT, 1750708800)


NO_ANSWER = [
    "API Error: No internet route — check your connection or VPN (ENETUNREACH)",
    "API Error: Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED)",
    "API Error: Couldn't connect through your proxy (ERR_PROXY_TUNNEL) — the proxy refused the tunnel",
    "API Error: Connection closed before the response finished",
    "API Error: No response from API (waited 300s, then 500s on the retry)",
    "API Error: Connection lost mid-response. The response above may be incomplete.",
    "Request timed out",
]
BUSY = [
    "API Error: 500 error. This is a server-side issue, usually temporary — try again in a moment.",
    "API Error: API error (status 502). This is a server-side issue, usually temporary.",
    "API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary.",
    "API Error: The API is temporarily unavailable",
    "a sentence that is new",
    "",
]


@pytest.mark.parametrize("text", [*NO_ANSWER, *BUSY])
def test_an_error_of_the_server_with_no_answer_is_one_of_the_network(text: str) -> None:
    told = {"type": "assistant", "error": "server_error", "message": {"content": [{"type": "text", "text": text}]}}
    kind = SignalKind.NETWORK if text in NO_ANSWER else SignalKind.OVERLOADED
    assert [signal.kind for signal in claude.read(json.dumps(told))] == [kind]


def test_a_limit_that_paid_overage_steps_over_is_none() -> None:
    info = {"status": "rejected", "resetsAt": 1795177606, "isUsingOverage": True}
    assert claude.read(json.dumps({"type": "rate_limit_event", "rate_limit_info": info})) == ()


def test_a_new_error_word_with_a_known_status_is_known() -> None:
    told = {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 403, "result": "No."}
    assert [signal.kind for signal in claude.read(json.dumps(told))] == [
        SignalKind.USAGE,
        SignalKind.AUTH,
        SignalKind.ENDED,
    ]


def test_success_needs_every_sign_of_it() -> None:
    good = {"type": "result", "subtype": "success", "is_error": False}
    assert ended(good) is True
    for change in ({"subtype": "error_x"}, {"is_error": True}, {"is_error": None}):
        assert ended(good | change) is False


def test_a_refused_tool_is_told_and_no_failure() -> None:
    told = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "permission_denials": [{"tool_name": "Bash"}],
    }
    ended = claude.read(json.dumps(told))[-1]
    assert (ended.ok, ended.text) == (True, "It was not permitted to use Bash. ")


def ended(event: dict[str, Any]) -> bool | None:
    return claude.read(json.dumps(event))[-1].ok


def test_the_end_of_a_long_command_is_kept() -> None:
    long = "cat > x <<'EOF'\n" + "y" * 3 * COMMAND_CAP + "\nEOF\nrm PRD.md"
    item = {"type": "command_execution", "command": long}
    (signal,) = codex.read(json.dumps({"type": "item.started", "item": item}))
    assert len(signal.command) < COMMAND_CAP + 5
    assert signal.command.endswith("rm PRD.md")


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("/bin/bash -lc 'make test'", "make test"),
        ("/usr/bin/zsh -lc ls", "ls"),
        ("bash -lc 'cut o", "bash -lc 'cut o"),
        ("bash -lc one two", "bash -lc one two"),
        ("git push", "git push"),
    ],
)
def test_a_command_is_shown_without_the_shell_around_it(told: str, shown: str) -> None:
    item = {"type": "command_execution", "command": told}
    assert [signal.command for signal in codex.read(json.dumps({"type": "item.started", "item": item}))] == [shown]


def test_a_long_text_is_capped() -> None:
    item = {"type": "agent_message", "text": "x" * 10_000}
    (signal,) = codex.read(json.dumps({"type": "item.completed", "item": item}))
    assert len(signal.text) == 2_000


def test_of_a_long_result_the_beginning_and_the_end_are_kept() -> None:
    long = "first\n" + "y" * 10_000 + "\n3 failed"
    item = {"type": "command_execution", "aggregated_output": long, "status": "completed"}
    block = {"type": "tool_result", "content": [{"type": "text", "text": long}, {"type": "image"}]}
    (of_codex,) = codex.read(json.dumps({"type": "item.completed", "item": item}))
    (of_claude,) = claude.read(json.dumps({"type": "user", "message": {"content": [block]}}))
    for done in (of_codex, of_claude):
        assert (done.kind, len(done.text) <= 2_000) == (SignalKind.TOOL_DONE, True)
        assert done.text.startswith("first")
        assert done.text.endswith("3 failed")


WORDS = st.sampled_from([
    "type", "subtype", "message", "content", "text", "tool_use", "tool_result", "assistant", "user",
    "system", "result", "api_retry", "rate_limit_event", "rate_limit_info", "status", "rejected",
    "resetsAt", "usage", "id", "input", "name", "file_path", "command", "error", "errors", "is_error",
    "attempt", "permission_denials", "tool_name", "modelUsage", "total_cost_usd", "input_tokens",
    "inputTokens", "api_error_status", "item", "changes", "command_execution", "file_change",
    "agent_message", "mcp_tool_call", "path", "Write", "rate_limit", "authentication_failed",
    "/bin/bash -lc 'x", "Claude AI usage limit reached|", "init", "model", "claude-opus-4-8[1m]",
    "parent_tool_use_id", "contextWindow", "aggregated_output", "error_status", "Reconnecting... (",
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
JSON = st.recursive(LEAVES, lambda of: st.lists(of, max_size=3) | st.dictionaries(WORDS, of, max_size=5))
TYPES = st.sampled_from(["assistant", "user", "system", "result", "rate_limit_event", "error", "item.started",
                         "item.completed", "item.updated", "turn.completed", "turn.failed"])  # fmt: skip


@pytest.mark.parametrize("agent", EVENTFUL, ids=lambda agent: agent.NAME)
@given(
    event=st.dictionaries(WORDS, JSON, max_size=6), kind=TYPES, cut=st.integers(0, 400), junk=st.text(max_size=4)
)
def test_no_text_makes_a_reader_raise(agent: Agent, event: dict[str, Any], kind: str, cut: int, junk: str) -> None:
    line = json.dumps(event | {"type": kind})
    for text in (line, junk + line + junk, line[:cut], line[cut:], junk):
        assert all(isinstance(signal, Signal) for signal in agent.read(text))


@pytest.mark.parametrize("agent", EVENTFUL, ids=lambda agent: agent.NAME)
def test_no_number_and_no_depth_makes_a_reader_raise(agent: Agent) -> None:
    for number in ("NaN", "-Infinity", "1e999", "9" * 400, "9" * 5_000, "-1", '"7"', "true"):
        usage = f'{{"input_tokens": {number}, "inputTokens": {number}}}'
        for line in (
            f'{{"type": "result", "usage": {usage}, "total_cost_usd": {number}, "modelUsage": {{"m": {usage}}}}}',
            f'{{"type": "turn.completed", "usage": {usage}}}',
        ):
            assert all(signal.usage is None or signal.usage.tokens >= 0 for signal in agent.read(line))
    assert agent.read('{"a": ' * 100_000) == ()


# ---------------------------------------------------------------- the register


def test_agents_are_looked_for_in_the_order_of_the_command_line() -> None:
    assert list(AGENTS) == ["claude", "codex", "command"]


def test_every_agent_says_how_to_get_it_and_how_to_log_in() -> None:
    assert all(agent.CURE and agent.INSTALL and (agent.PROGRAM or agent is command) for agent in AGENTS.values())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "cladue",
            'No agent is called "cladue".\n  Did you mean claude?'
            " ralph knows --claude, --codex and --agent-command.",
        ),
        ("zzz", 'No agent is called "zzz".\n  ralph knows --claude, --codex and --agent-command.'),
    ],
)
def test_a_name_without_an_adapter_gets_a_next_step(name: str, sentence: str) -> None:
    with pytest.raises(RalphError) as refused:
        get(name)
    assert str(refused.value) == sentence
