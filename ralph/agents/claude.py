"""Claude Code, measured with 2.1.197.

Its exit code and `subtype` lie (an API error ends as subtype "success", an interrupted wait as exit code 0): the
`result` event's `is_error` decides. CLAUDE_CODE_MAX_RETRIES is left to the user: Claude's own ten retries (about
180 s) keep the context of an attempt that ralph would have to start and pay again. What must not wait so long is
told early: a login that was refused three times is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ralph.agents.limits import epoch
from ralph.agents.stream import at, clean, command, count, each, event, number, words
from ralph.model import Kind, Launch, Order, Signal, Usage

NAME = "claude"
PROGRAM = "claude"
EVENTS = True
REPORTS_COST = True
CURE = "Start `claude` and type `/login`."
INSTALL = "npm install -g @anthropic-ai/claude-code"

QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}
KEYS = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
)  # fmt: skip


def launch(order: Order) -> Launch:
    """Print mode with events. It refuses to skip permissions for root unless IS_SANDBOX=1 is set.

    It tells its cost only at its end, so a budget is its own to keep.
    """
    model = ("--model", order.model) if order.model else ()
    budget = ("--max-budget-usd", f"{order.budget:.4f}") if order.budget is not None else ()
    flags = ("-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
    return Launch(
        argv=(*order.program, *flags, *model, *budget, *order.args),
        env=QUIET | ({"IS_SANDBOX": "1"} if order.as_root else {}),
        said=("Claude Code runs as root: IS_SANDBOX=1 is set for it.",) if order.as_root else (),
    )


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:
    """A key variable or the credentials file; a Mac keeps the login in its keychain, where nobody can look."""
    home = env.get("CLAUDE_CONFIG_DIR") or ".claude"
    if any(env.get(key) for key in KEYS) or files(f"{home}/.credentials.json"):
        return True
    return None if files("Library/Keychains") else False


def read(line: str) -> tuple[Signal, ...]:
    """The signals of one line."""
    found = event(line)
    if found is None:
        return tuple(_plain(line))
    reader = READERS.get(words(found.get("type")))
    return tuple(reader(found)) if reader else ()


# ---------------------------------------------------------------- events


def _assistant(found: dict[str, Any]) -> Iterator[Signal]:
    """One content block of a message, or an error in the shape of one."""
    blocks = each(at(found, "message", "content"))
    if found.get("error"):
        text = " ".join(words(block.get("text")) for block in blocks)
        yield _failed(_kind(words(found["error"]), text), text)
        return
    for block in blocks:
        yield _block(block)
    yield from _message_usage(found)


def _block(block: dict[str, Any]) -> Signal:
    match block.get("type"):
        case "text":
            return Signal(Kind.TEXT, words(block.get("text")))
        case "tool_use":
            return _tool(words(block.get("name")), block.get("input"))
    return Signal(Kind.ALIVE)


def _tool(name: str, given: object) -> Signal:
    path = words(at(given, "file_path") or at(given, "notebook_path"))
    writes = name in {"Write", "Edit", "MultiEdit", "NotebookEdit"} and path
    return Signal(
        Kind.TOOL, tool=name, paths=(path,) if writes else (), command=command(at(given, "command")), text=path
    )


def _message_usage(found: dict[str, Any]) -> Iterator[Signal]:
    """Repeated with each block of a message, hence the key; its output tokens are a placeholder until `result`."""
    usage, key = at(found, "message", "usage"), words(at(found, "message", "id"))
    if tokens := _tokens(usage):
        yield Signal(Kind.USAGE, usage=Usage(tokens=tokens, key=key))


def _user(found: dict[str, Any]) -> Iterator[Signal]:
    for block in each(at(found, "message", "content")):
        if block.get("type") == "tool_result":
            yield Signal(Kind.TOOL_DONE, ok=block.get("is_error") is not True)


def _system(found: dict[str, Any]) -> Iterator[Signal]:
    match found.get("subtype"):
        case "api_retry":
            yield _retry(found)
        case "thinking_tokens" | "task_started" | "task_progress" | "task_notification":
            yield Signal(Kind.ALIVE)


def _retry(found: dict[str, Any]) -> Signal:
    """An expired token is refreshed and tried once more; a login that is refused three times is none."""
    error, attempt = words(found.get("error")), count(found.get("attempt"))
    if error == "authentication_failed" and attempt >= 3:
        return Signal(Kind.AUTH, f"The login was refused {attempt} times.")
    return Signal(Kind.RETRY, f"{error}, try {attempt} of {count(found.get('max_retries'))}")


def _rate_limit(found: dict[str, Any]) -> Iterator[Signal]:
    """Told before each refusal of a subscription. A warning is none, and paid overage goes on."""
    info = found.get("rate_limit_info")
    if at(info, "status") == "rejected" and at(info, "isUsingOverage") is not True:
        name = words(at(info, "rateLimitType")).replace("_", " ")
        yield Signal(Kind.RATE_LIMIT, f"{name} limit reached", resets_at=number(at(info, "resetsAt")))


def _result(found: dict[str, Any]) -> Iterator[Signal]:
    """The terminal event."""
    yield Signal(Kind.USAGE, usage=_total(found))
    text = words(found.get("result")) or "; ".join(words(one) for one in _list(found.get("errors")))
    if found.get("is_error") and (kind := STATUS.get(count(found.get("api_error_status")))):
        yield _failed(kind, text)
    denied = ", ".join(sorted({words(one.get("tool_name")) for one in each(found.get("permission_denials"))}))
    if denied:
        text = f"It was not permitted to use {denied}. {text}"
    ok = found.get("subtype") == "success" and found.get("is_error") is False and not denied
    yield Signal(Kind.ENDED, words(text), ok=ok)


def _total(found: dict[str, Any]) -> Usage:
    """`modelUsage` counts sub-agents too, and is right where `usage` is all 0 (a budget was reached)."""
    models = at(found, "modelUsage")
    tokens = sum(_model_tokens(one) for one in models.values()) if isinstance(models, dict) else 0
    return Usage(tokens or _tokens(found.get("usage")), cost=number(found.get("total_cost_usd")), final=True)


def _tokens(usage: object) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return sum(count(at(usage, name)) for name in names)


def _model_tokens(usage: object) -> int:
    names = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")
    return sum(count(at(usage, name)) for name in names)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


READERS: dict[str, Callable[[dict[str, Any]], Iterator[Signal]]] = {
    "assistant": _assistant,
    "user": _user,
    "system": _system,
    "rate_limit_event": _rate_limit,
    "result": _result,
}

# ---------------------------------------------------------------- errors

ERRORS = {
    "authentication_failed": Kind.AUTH,
    "oauth_org_not_allowed": Kind.AUTH,
    "billing_error": Kind.CREDIT,
    "rate_limit": Kind.RATE_LIMIT,
    "overloaded": Kind.OVERLOADED,
    "model_not_found": Kind.MODEL,
}
STATUS = {401: Kind.AUTH, 403: Kind.AUTH, 404: Kind.MODEL, 429: Kind.RATE_LIMIT, 529: Kind.OVERLOADED}

# where the error's own word says too little, its text decides: how the text of an error event begins
TEXTS = (
    (Kind.NETWORK, re.compile(r"API Error: (Unable to connect|Failed to parse JSON|API returned an empty)")),
    (Kind.CREDIT, re.compile(r"API Error: 400 You have reached your specified API usage limits")),
    (Kind.RATE_LIMIT, re.compile(r"Claude AI usage limit reached|You.ve hit your .*limit|5-hour limit reached")),
)
LINES = (
    (Kind.AUTH, re.compile(r"Not logged in|Invalid API key|Please run /login")),
    (Kind.RATE_LIMIT, re.compile(r"Claude AI usage limit reached\|")),
    (Kind.ERROR, re.compile(r"[Ee]rror: |--dangerously-skip-permissions cannot be used")),
)


def _kind(error: str, text: str) -> Kind:
    if error in ERRORS:
        return ERRORS[error]
    by_text = next((kind for kind, pattern in TEXTS if pattern.match(text)), None)
    return by_text or (Kind.OVERLOADED if error == "server_error" else Kind.ERROR)


def _failed(kind: Kind, text: str) -> Signal:
    return Signal(kind, words(text), resets_at=epoch(text) if kind is Kind.RATE_LIMIT else None)


def _plain(line: str) -> Iterator[Signal]:
    """What it prints before it prints events. Its tools and its prose are always inside events."""
    text = clean(line[:4_000]).strip()
    for kind, pattern in LINES:
        if pattern.match(text):
            yield _failed(kind, text)
            return
