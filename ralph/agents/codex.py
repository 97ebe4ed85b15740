"""Codex CLI, measured with 0.169.0. Its login, limit and network errors are sentences inside error events."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping

from ralph.agents.stream import at, clean, command, count, each, event, words
from ralph.model import Kind, Launch, Order, Signal, Usage

NAME = "codex"
PROGRAM = "codex"
EVENTS = True
REPORTS_COST = False
CURE = "Run `codex login`."
INSTALL = "npm install -g @openai/codex"


def launch(order: Order) -> Launch:
    """`exec` with events; the last `-` makes it read the prompt from its standard input."""
    model = ("-m", order.model) if order.model else ()
    flags = ("exec", "--json", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check")
    return Launch(argv=(*order.program, *flags, *model, *order.args, "-"))


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:
    """A key variable or auth.json; a config file may name a provider with a variable of any name."""
    home = env.get("CODEX_HOME") or ".codex"
    if env.get("CODEX_API_KEY") or env.get("OPENAI_API_KEY") or files(f"{home}/auth.json"):
        return True
    return None if files(f"{home}/config.toml") else False


def read(line: str) -> tuple[Signal, ...]:
    """The signals of one line."""
    found = event(line)
    if found is None:
        return tuple(_plain(line))
    match found.get("type"):
        case "item.started":
            return tuple(_started(found.get("item")))
        case "item.completed":
            return tuple(_completed(found.get("item")))
        case "item.updated":
            return (Signal(Kind.ALIVE),)
        case "error":
            return (_failed(words(found.get("message"))),)
        case "turn.completed":
            return (Signal(Kind.USAGE, usage=_usage(found.get("usage"))), Signal(Kind.ENDED, ok=True))
        case "turn.failed":
            text = words(at(found, "error", "message"))
            return (_failed(text), Signal(Kind.ENDED, text, ok=False))
    return ()


# ---------------------------------------------------------------- events


def _started(item: object) -> Iterator[Signal]:
    match at(item, "type"):
        case "command_execution":
            yield Signal(Kind.TOOL, tool="shell", command=_unwrapped(at(item, "command")))
        case "mcp_tool_call":
            yield Signal(Kind.TOOL, tool=f"{words(at(item, 'server'))}.{words(at(item, 'tool'))}")
        case _:
            yield Signal(Kind.ALIVE)


def _completed(item: object) -> Iterator[Signal]:
    """An item of type `error` is a mere warning: what is fatal comes as an event of its own."""
    match at(item, "type"):
        case "agent_message":
            yield Signal(Kind.TEXT, words(at(item, "text")))
        case "command_execution" | "mcp_tool_call":
            yield Signal(Kind.TOOL_DONE, ok=at(item, "status") == "completed")
        case "file_change":
            yield from _file_change(item)
        case "error":
            return
        case _:
            yield Signal(Kind.ALIVE)


def _file_change(item: object) -> Iterator[Signal]:
    """Begun and done in one: older versions tell only that it is complete."""
    paths = tuple(path for one in each(at(item, "changes")) if (path := words(one.get("path"))))
    yield Signal(Kind.TOOL, text=", ".join(paths)[:2_000], tool="apply_patch", paths=paths)
    yield Signal(Kind.TOOL_DONE, ok=at(item, "status") == "completed")


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
    """Its input includes the cached tokens, its output the reasoning. Cumulative per thread: ralph's are fresh."""
    return Usage(tokens=count(at(usage, "input_tokens")) + count(at(usage, "output_tokens")), final=True)


# ---------------------------------------------------------------- errors

# how the message of an error event begins; the first that fits
TEXTS = (
    (Kind.RETRY, re.compile(r"Reconnecting\.\.\.")),
    (Kind.RATE_LIMIT, re.compile(r"You.ve hit your usage limit|(stream disconnected before completion: )?rate limit"
                                 r"|exceeded retry limit, last status: 429|unexpected status 429", re.IGNORECASE)),
    (Kind.CREDIT, re.compile(r"Quota exceeded|To use Codex with your ChatGPT plan|Your workspace is out of credits"
                             r"|unexpected status 402")),
    (Kind.AUTH, re.compile(r"unexpected status 40[13]|Missing environment variable|Failed to refresh token"
                           r"|Your access token could not be refreshed|Not logged in"
                           r"|exceeded retry limit, last status: 401")),
    (Kind.MODEL, re.compile(r"The model .*does not exist|(.{0,20})The .{1,80} model is not supported")),
    (Kind.OVERLOADED, re.compile(r"Selected model is at capacity|We.re currently experiencing high demand"
                                 r"|unexpected status 5\d\d|exceeded retry limit, last status: 5\d\d")),
    (Kind.NETWORK, re.compile(r"stream disconnected|Connection failed|error sending request|idle timeout"
                              r"|timeout waiting")),
)  # fmt: skip
LINES = (
    (Kind.AUTH, re.compile(r"Missing environment variable|Not logged in")),
    (Kind.ERROR, re.compile(r"[Ee]rror: |Error loading |No prompt provided")),
)


def _failed(text: str) -> Signal:
    return Signal(next((kind for kind, pattern in TEXTS if pattern.match(text)), Kind.ERROR), text)


def _plain(line: str) -> Iterator[Signal]:
    """What it prints where it prints no events: whole lines of stderr."""
    text = clean(line[:4_000]).strip()
    for kind, pattern in LINES:
        if pattern.match(text):
            yield Signal(kind, words(text))
            return
