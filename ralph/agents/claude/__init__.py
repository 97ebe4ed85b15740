"""Adapter for Claude Code, measured with 2.1.332 and 2.1.197.

Exit code and `subtype` are unreliable (an API error ends as subtype "success", an interrupted wait as exit code 0),
so the `result` event's `is_error` decides. CLAUDE_CODE_MAX_RETRIES is left to the user: Claude's own ten retries
(about 180 s) keep the context of an attempt that ralph would have to start and pay again. Only a login that was
refused three times is reported early.

The permission mode `dontAsk` refuses everything that no rule allows. It replaces `--dangerously-skip-permissions`
if tools or commands are limited. Measured: all parts of a compound command must be allowed; `$(...)`, `env` and
redirections are refused; `git add` does not allow `git addx`; commands that only read (`ls`) run anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ralph.agents.claude import models as claude_models
from ralph.agents.claude.errors import read_plain_line
from ralph.agents.claude.events import READERS
from ralph.agents.json_stream import event, words
from ralph.agents.model import Launch, LaunchRequest, Signal

NAME = "claude"
PROGRAM = "claude"
EVENTS = True
REPORTS_COST = True
CURE = "Start `claude` and type `/login`."
INSTALL = "npm install -g @anthropic-ai/claude-code"
HOME: tuple[str, ...] = (".claude", ".claude.json", ".config/claude", "$CLAUDE_CONFIG_DIR")
PRICES, PRICED = claude_models.PRICES, claude_models.PRICED  # for attempts that end before Claude reports its cost
window = claude_models.window
SESSIONS: tuple[str, ...] = ()  # the stream has everything

QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}
KEYS = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
)  # fmt: skip

READS = ("Read", "Glob", "Grep")
WORKS = (
    *READS,
    "Edit",
    "Write",
    "NotebookEdit",
    "Task",
    "Skill",
    "WebFetch",
    "WebSearch",
)  # all tools that need permission, except Bash
BEYOND = "Claude Code also runs commands that only read (ls, git status), and what your own settings of it allow."
AS_ROOT = "Claude Code runs as root: IS_SANDBOX=1 is set for it."


def launch(order: LaunchRequest) -> Launch:
    """Return the launch of print mode with events. Claude skips permissions for root only with IS_SANDBOX=1.

    It reports its cost only at its end, so it must enforce budget and turns itself.
    """
    free = not (order.read_only or order.tools or order.commands)
    sandbox = free and order.as_root
    model = ("--model", order.model) if order.model else ()
    budget = ("--max-budget-usd", f"{order.budget:.4f}") if order.budget is not None else ()
    turns = ("--max-turns", str(order.turns)) if order.turns is not None else ()
    rights = ("--dangerously-skip-permissions",) if free else _rights(order)
    flags = ("-p", "--output-format", "stream-json", "--verbose")
    return Launch(
        argv=(*order.program, *flags, *rights, *model, *budget, *turns, *order.args),
        env=QUIET | ({"IS_SANDBOX": "1"} if sandbox else {}),
        said=((AS_ROOT,) if sandbox else ())
        + ((BEYOND,) if any(right.startswith("Bash(") for right in rights) else ()),
    )


def _rights(order: LaunchRequest) -> tuple[str, ...]:
    """Return the flags that allow only the listed tools: `--tools` removes others, `--allowedTools` permits."""
    if order.read_only:
        reads = ("--strict-mcp-config", "--tools", ",".join(READS), "--allowedTools", *READS)
        return ("--permission-mode", "dontAsk", *reads)
    tools = order.tools or (*WORKS, "Bash")
    allowed = [tool for tool in tools if tool != "Bash" or not order.commands]
    if "Bash" in tools:
        allowed += [f"Bash({command}:*)" for command in order.commands]
    own = sorted({tool.partition("(")[0] for tool in order.tools if not tool.startswith("mcp__")})
    only = ("--tools", ",".join(own)) if order.tools else ()
    return ("--permission-mode", "dontAsk", *only, "--allowedTools", *allowed)


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:
    """Whether a key variable or the credentials file exists. None on a Mac: its keychain can't be read."""
    home = env.get("CLAUDE_CONFIG_DIR") or ".claude"
    if any(env.get(key) for key in KEYS) or files(f"{home}/.credentials.json"):
        return True
    return None if files("Library/Keychains") else False


def read(line: str) -> tuple[Signal, ...]:
    """Return the signals of one line."""
    record = event(line)
    if record is None:
        return tuple(read_plain_line(line))
    reader = READERS.get(words(record.get("type")))
    return tuple(reader(record)) if reader else ()


def read_session(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """Return no signals: ralph reads no session file of Claude."""
    return ()
