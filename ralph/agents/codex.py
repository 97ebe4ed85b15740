"""Adapter for Codex CLI, measured with 0.171.0. Login, limit and network errors are sentences in error events."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ralph.agents.json_stream import (
    ASKED,
    COMMAND_CAP,
    arguments,
    at,
    command,
    count,
    digest,
    each,
    ends,
    event,
    strip_controls,
    words,
)
from ralph.agents.model import Launch, LaunchRequest, Signal, SignalKind, Usage

NAME = "codex"
PROGRAM = "codex"
EVENTS = True
REPORTS_COST = False
CURE = "Run `codex login`."
INSTALL = "npm install -g @openai/codex"
HOME: tuple[str, ...] = (".codex", "$CODEX_HOME")
SESSIONS: tuple[str, ...] = ("$CODEX_HOME/sessions", ".codex/sessions")

# OpenAI's list prices (developers.openai.com/api/docs/pricing), for requests of up to 272,000 tokens; a plan of
# ChatGPT is not billed so. Nothing is derived from a name.
PRICED = "2026-11-21"
PRICES: Mapping[str, tuple[float, float, float]] = {
    "gpt-5": (1.25, 0.125, 10.0),
    "gpt-5-codex": (1.25, 0.125, 10.0),
    "gpt-5.2": (1.75, 0.175, 14.0),
    "gpt-5.2-codex": (1.75, 0.175, 14.0),
    "gpt-5.3-codex": (1.75, 0.175, 14.0),
    "gpt-5.4": (2.5, 0.25, 15.0),
    "gpt-5.4-mini": (0.75, 0.075, 4.5),
    "gpt-5.5": (5.0, 0.5, 30.0),
    "gpt-5.6-sol": (4.0, 0.4, 20.0),
    "gpt-5.6-terra": (2.0, 0.2, 12.0),
    "gpt-5.6-luna": (0.2, 0.02, 1.2),
    "gpt-6-astra": (10.0, 1.0, 50.0),
    "gpt-6-sol": (2.0, 0.2, 10.0),
    "gpt-6-luna": (0.1, 0.01, 0.5),
    "gpt-6.1-sol": (2.0, 0.1, 10.0),
    "gpt-6.1-terra": (1.0, 0.05, 5.0),
}

# as `codex debug models` reports them: the tokens that Codex fills before it compacts, not the model's maximum
WINDOWS: Mapping[str, int] = {
    "gpt-5.5": 272_000,
    "gpt-5.6-sol": 272_000,
    "gpt-5.6-terra": 272_000,
    "gpt-5.6-luna": 272_000,
    "gpt-6-astra": 272_000,
    "gpt-6-sol": 272_000,
    "gpt-6-luna": 272_000,
    "gpt-6.1-sol": 272_000,
    "gpt-6.1-terra": 500_000,
}

TURNS = "Codex can't limit its turns: ralph counts its steps instead."
TOOLS = "Codex can't be limited to some tools: allow_tools has no effect on it."
COMMANDS = "Codex can't be limited to some commands: allow_commands has no effect on it."


def launch(order: LaunchRequest) -> Launch:
    """Return the launch of `exec` with events; the last `-` makes it read the prompt from standard input.

    Read-only uses Codex's sandbox. The user's rules could exempt a command from it, so they are ignored then.
    """
    free = ("--dangerously-bypass-approvals-and-sandbox",)
    rights = ("--sandbox", "read-only", "--ignore-rules") if order.read_only else free
    model = ("-m", order.model) if order.model else ()
    flags = ("exec", "--json", *rights, "--skip-git-repo-check")
    notices = ((TURNS, order.turns), (TOOLS, order.tools), (COMMANDS, order.commands))
    return Launch(
        argv=(*order.program, *flags, *model, *order.args, "-"),
        said=tuple(sentence for sentence, setting in notices if setting and not order.read_only),
    )


def window(model: str) -> int:
    """Return the model's context window in tokens; 0: unknown."""
    return WINDOWS.get(model, 0)


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:
    """Whether a key variable or auth.json exists. None if a config file may name another provider."""
    home = env.get("CODEX_HOME") or ".codex"
    if env.get("CODEX_API_KEY") or env.get("OPENAI_API_KEY") or files(f"{home}/auth.json"):
        return True
    return None if files(f"{home}/config.toml") else False


def read(line: str) -> tuple[Signal, ...]:
    """Return the signals of one line."""
    record = event(line)
    if record is None:
        return tuple(_plain(line))
    match record.get("type"):
        case "thread.started":
            return (Signal(SignalKind.USAGE, session=words(record.get("thread_id"))),)
        case "item.started":
            return tuple(_started(record.get("item")))
        case "item.completed":
            return tuple(_completed(record.get("item")))
        case "item.updated":
            return (Signal(SignalKind.ALIVE),)
        case "error":
            return (_failed(words(record.get("message"))),)
        case "turn.completed":
            return (Signal(SignalKind.USAGE, usage=_usage(record.get("usage"))), Signal(SignalKind.ENDED, ok=True))
        case "turn.failed":
            text = words(at(record, "error", "message"))
            return (_failed(text), Signal(SignalKind.ENDED, text, ok=False))
    return ()


# ---------------------------------------------------------------- events


def _started(item: object) -> Iterator[Signal]:
    match at(item, "type"):
        case "command_execution":
            yield Signal(
                SignalKind.TOOL, _long(at(item, "command")), "shell", command=_unwrapped(at(item, "command"))
            )
        case "mcp_tool_call":
            name = f"{words(at(item, 'server'))}.{words(at(item, 'tool'))}"
            yield Signal(SignalKind.TOOL, arguments(at(item, "arguments")), name)
        case _:
            yield Signal(SignalKind.ALIVE)


def _completed(item: object) -> Iterator[Signal]:
    """Yield the signals of a completed item. Ignore type `error`, a warning: fatal errors are events."""
    match at(item, "type"):
        case "agent_message":
            yield Signal(SignalKind.TEXT, words(at(item, "text")))
        case "command_execution":
            yield Signal(
                SignalKind.TOOL_DONE, ends(at(item, "aggregated_output")), ok=at(item, "status") == "completed"
            )
        case "mcp_tool_call":
            yield Signal(SignalKind.TOOL_DONE, _answer(item), ok=at(item, "status") == "completed")
        case "file_change":
            yield from _file_change(item)
        case "error":
            return
        case _:
            yield Signal(SignalKind.ALIVE)


def _file_change(item: object) -> Iterator[Signal]:
    """Yield call and result together: older versions report only the completion.

    0.169 reports the paths without the change, so two changes of a file can't be distinguished there.
    """
    changes = each(at(item, "changes"))
    paths = tuple(path for change in changes if (path := words(change.get("path"))))
    text = "".join(arguments(change, "path", "kind") for change in changes)
    yield Signal(SignalKind.TOOL, digest(text), "apply_patch", paths)
    yield Signal(SignalKind.TOOL_DONE, ok=at(item, "status") == "completed")


def _long(value: object) -> str:
    """Return a digest that distinguishes a long command from others with the same beginning."""
    return digest(value) if isinstance(value, str) and len(value) > ASKED else ""


def _answer(item: object) -> str:
    """Return the result or the error of an MCP tool."""
    texts = [words(block.get("text"), COMMAND_CAP) for block in each(at(item, "result", "content"))]
    return ends("\n".join(texts)) or words(at(item, "error", "message"))


def _unwrapped(value: object) -> str:
    """`/bin/bash -lc 'make test'` -> `make test`."""
    text = command(value)
    if re.match(r"\S*sh -l?c ", text):
        try:
            parts = shlex.split(text)
        except ValueError:
            return text
        return parts[2] if len(parts) == 3 else text
    return text


def _usage(usage: object) -> Usage:
    """Return the final usage. Input includes cached tokens, output includes reasoning.

    It is a sum over the thread, which is new for each attempt. The fill of the context window is not reported.
    """
    return replace(_sum(usage), final=True)


def _sum(usage: object) -> Usage:
    given, cached, output = (count(at(usage, f"{name}_tokens")) for name in ("input", "cached_input", "output"))
    written = count(at(usage, "cache_write_input_tokens"))
    split = (max(0, given - cached), min(cached, given), output)
    return Usage(given + output, split=split, written=min(written, split[0]))


def read_session(line: str) -> tuple[Signal, ...]:
    """Return the signals of a line of the rollout file, which has the usage after each model call and again after
    its tools. The stream reports it only at the end. The model is in `turn_context`."""
    if not any(name in line[:200] for name in ('"token_', '"turn_context"')):
        return ()
    record = event(line)
    payload = at(record, "payload")
    match at(record, "type"), at(payload, "type"):
        case "turn_context", _:
            return (Signal(SignalKind.USAGE, usage=Usage(model=words(at(payload, "model"), 200))),)
        case "token_usage_record", _:
            return (Signal(SignalKind.USAGE, usage=_sum(at(payload, "thread_token_usage"))),)
        case "event_msg", "token_count":
            return (Signal(SignalKind.USAGE, usage=_sum(at(payload, "info", "total_token_usage"))),)
    return ()


# ---------------------------------------------------------------- errors

# beginnings of error messages; the first match counts
TEXTS = (
    (SignalKind.RETRY, re.compile(r"Reconnecting\.\.\.")),
    (
        SignalKind.RATE_LIMIT,
        re.compile(
            r"You.ve hit your usage limit|(stream disconnected before completion: )?rate limit"
            r"|exceeded retry limit, last status: 429|unexpected status 429",
            re.IGNORECASE,
        ),
    ),
    (
        SignalKind.CREDIT,
        re.compile(
            r"Quota exceeded|To use Codex with your ChatGPT plan|Your workspace is out of credits"
            r"|unexpected status 402"
        ),
    ),
    (
        SignalKind.AUTH,
        re.compile(
            r"unexpected status 40[13]|Missing environment variable|Failed to refresh token"
            r"|Your access token could not be refreshed|Not logged in"
            r"|exceeded retry limit, last status: 401"
        ),
    ),
    (SignalKind.MODEL, re.compile(r"The model .*does not exist|(.{0,20})The .{1,80} model is not supported")),
    (
        SignalKind.OVERLOADED,
        re.compile(
            r"Selected model is at capacity|We.re currently experiencing high demand"
            r"|unexpected status 5\d\d|exceeded retry limit, last status: 5\d\d"
        ),
    ),
    (
        SignalKind.NETWORK,
        re.compile(
            r"stream disconnected|Connection failed|error sending request|idle timeout"
            r"|timeout waiting"
        ),
    ),
)
LINES = (
    (SignalKind.AUTH, re.compile(r"Missing environment variable|Not logged in")),
    (SignalKind.ERROR, re.compile(r"[Ee]rror: |Error loading |No prompt provided")),
)


def _failed(text: str) -> Signal:
    """Return the signal of an error. A retry's text starts with the kind of the reason in its parentheses."""
    kind = _kind(text)
    if kind is SignalKind.RETRY:
        return Signal(kind, words(f"{_kind(text.partition('(')[2]).value}: {text}"))
    return Signal(kind, text)


def _kind(text: str) -> SignalKind:
    return next((kind for kind, pattern in TEXTS if pattern.match(text)), SignalKind.ERROR)


def _plain(line: str) -> Iterator[Signal]:
    """Yield the signals of a plain line on stderr."""
    text = strip_controls(line[:4_000]).strip()
    for kind, pattern in LINES:
        if pattern.match(text):
            yield Signal(kind, words(text))
            return
