"""What can be set: one schema that is the flags, the keys of ralph.toml, their defaults and their documentation.

A flag beats ralph.toml (or `[tool.ralph]` of pyproject.toml), which beats the default. Everything wrong in either
is a sentence that names the place and the cure.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ralph.config_values import Option, ValueKind, checked
from ralph.errors import RalphError
from ralph.immutable import immutable

CHOICES = {"format": ("markdown", ""), "gates_in": ("clean", "workspace"), "sandbox": ("auto", "on", "off")}
MAX_COST = 20.0  # USD, as reported or estimated
MAX_TOKENS = 20_000_000  # where cost can't even be estimated


def _set(
    default: Any, sort: ValueKind, group: str, text: str, value: str = "", *, least: int = 1, flag: bool = True
) -> Any:
    return field(default=default, metadata={"row": (sort, group, text, value, least, flag)})


@immutable
class Settings:
    """Everything that a run is told. Durations are seconds, costs USD; None and "" mean: not said."""

    prd: str = _set("PRD.md", ValueKind.TEXT, "What", "the PRD: a Markdown file (default PRD.md)", "PATH")
    only: str = _set(
        "", ValueKind.TEXT, "What", "only this task: its id, its number, or how its text begins", "TASK"
    )
    max_tasks: int | None = _set(None, ValueKind.COUNT, "What", "stop after N accepted tasks", "N")
    branch: str = _set(
        "", ValueKind.TEXT, "What", "work on this branch (default ralph/PRD when on the default one)", "NAME"
    )
    no_branch: bool = _set(False, ValueKind.SWITCH, "What", "work on the branch that is checked out")
    dry_run: bool = _set(False, ValueKind.SWITCH, "What", "show order, scopes, prompts and gates; change nothing")

    agent: str = _set("", ValueKind.TEXT, "Agent", "the agent to use (default: first one on PATH)", "NAME")
    agent_command: str = _set(
        "", ValueKind.TEXT, "Agent", "any program: the prompt arrives on its standard input", "CMD"
    )
    model: str = _set("", ValueKind.TEXT, "Agent", "passed to the agent", "NAME")
    agent_arg: tuple[str, ...] = _set((), ValueKind.TEXTS, "Agent", "passed to the agent; repeatable", "ARG")
    max_turns: int | None = _set(
        None, ValueKind.COUNT, "Agent", "model calls of one attempt, where it can tell", "N"
    )
    sandbox: str = _set("off", ValueKind.TEXT, "Agent", "auto, on or off (default off)", "MODE")

    gate: tuple[str, ...] | None = _set(
        None, ValueKind.TEXTS, "Proof", "a command that must succeed; repeatable (default: found)", "CMD"
    )
    baseline: bool = _set(
        False, ValueKind.SWITCH, "Proof", "start although gates are red: what was green stays green"
    )
    strict: bool = _set(
        False, ValueKind.SWITCH, "Proof", "refuse tasks without Files; reject changed hooks and config"
    )
    require_proof: str = _set("", ValueKind.TEXT, "Proof", "park tasks that are proven less strongly", "LEVEL")
    prove_time: float = _set(
        120.0, ValueKind.DURATION, "Proof", "end a Check on the base, before the agent (default 2m)", "DUR"
    )
    max_file_size: int = _set(
        10_000_000, ValueKind.SIZE, "Proof", "reject work with a larger file (default 10MB)", "SIZE"
    )
    review_with: str = _set("", ValueKind.TEXT, "Proof", "a second agent that reviews each change", "AGENT")

    max_retries: int = _set(
        2, ValueKind.COUNT, "Limits", "corrective retries after the first attempt (default 2)", "N", least=0
    )
    split: bool = _set(
        True, ValueKind.SWITCH, "Limits", "have a task broken up when its retries failed (default on)"
    )
    silence: float = _set(
        600.0, ValueKind.DURATION, "Limits", "end an attempt without progress (default 10m)", "DUR"
    )
    task_timeout: float = _set(3600.0, ValueKind.DURATION, "Limits", "end an attempt (default 60m)", "DUR")
    gate_timeout: float = _set(900.0, ValueKind.DURATION, "Limits", "end a gate (default 15m)", "DUR")
    max_iterations: int = _set(50, ValueKind.COUNT, "Limits", "attempts in this run (default 50)", "N")
    max_time: float = _set(28800.0, ValueKind.DURATION, "Limits", "time of this run (default 8h)", "DUR")
    max_wait: float = _set(
        21600.0, ValueKind.DURATION, "Limits", "longest wait for an agent's limit (default 6h)", "DUR"
    )
    max_cost: float | None = _set(
        None, ValueKind.MONEY, "Limits", "money of this run (default 20), as reported or estimated", "USD"
    )
    max_tokens: int | None = _set(
        None, ValueKind.COUNT, "Limits", "tokens of this run (default 20000000 where no price is known)", "N"
    )
    max_task_cost: float | None = _set(
        None, ValueKind.MONEY, "Limits", "money of one task, all its attempts", "USD"
    )
    max_task_tokens: int | None = _set(None, ValueKind.COUNT, "Limits", "tokens of one task, all its attempts", "N")
    review_every: str = _set(
        "", ValueKind.PACE, "Limits", "pause for a human (default 20 tasks or 8h when unattended)", "N|DUR"
    )

    parallel: bool = _set(False, ValueKind.SWITCH, "Several at once", "several agents, each in its own worktree")
    max_parallel: int = _set(3, ValueKind.COUNT, "Several at once", "how many at once (default 3)", "N")
    isolate: bool = _set(False, ValueKind.SWITCH, "Several at once", "one worktree for each attempt")
    setup: str = _set(
        "",
        ValueKind.TEXT,
        "Several at once",
        "run once in each new worktree, and again when lock files change",
        "CMD",
    )

    json: bool = _set(False, ValueKind.SWITCH, "Telling", "one event per line on stdout, everything else on stderr")
    quiet: bool = _set(False, ValueKind.SWITCH, "Telling", "only warnings and the summary")
    verbose: bool = _set(False, ValueKind.SWITCH, "Telling", "more of what the agent and the gates do")
    plain: bool = _set(
        False, ValueKind.SWITCH, "Telling", "lines only, also on a terminal: no live view below them"
    )
    format: str = _set("markdown", ValueKind.TEXT, "Telling", "the format of the PRD: markdown", "NAME")

    memory: bool = _set(True, ValueKind.SWITCH, "File", "keep the memory file", flag=False)
    subject: str = _set("feat: {task}", ValueKind.TEXT, "File", "the subject of a task's commit", flag=False)
    protected: tuple[str, ...] = _set((), ValueKind.TEXTS, "File", "paths that no task may change", flag=False)
    fallback: tuple[str, ...] = _set(
        (), ValueKind.TEXTS, "File", 'who tries before a task is parked: "codex", "claude:opus"', flag=False
    )
    notify: str = _set(
        "", ValueKind.TEXT, "File", "a command that gets each event that needs you, as JSON", flag=False
    )
    notify_urls: tuple[str, ...] = _set(
        (),
        ValueKind.SECRETS,
        "File",
        "who is told, as addresses of apprise; RALPH_NOTIFY_URLS adds to it",
        flag=False,
    )
    daily_notes: bool | None = _set(
        None,
        ValueKind.SWITCH,
        "File",
        "list the run in memory/YYYY-MM-DD.md while it goes on (default: `ralph start`)",
        flag=False,
    )
    backoff: float = _set(
        30.0, ValueKind.DURATION, "File", "the first wait after a failure that passes", flag=False
    )
    circles: int = _set(3, ValueKind.COUNT, "File", "so often the same in a row is a circle", least=2, flag=False)
    similarity: float = _set(0.85, ValueKind.SHARE, "File", "what counts as the same", flag=False)
    context_fill: float = _set(
        0.8, ValueKind.SHARE, "File", "hand over when the model's window is so full", flag=False
    )
    answers: tuple[tuple[str, str], ...] = _set(
        (), ValueKind.TABLE, "File", "what to type when the end of a terminal contains a text", flag=False
    )
    prices: tuple[tuple[str, tuple[float, ...]], ...] = _set(
        (), ValueKind.PRICES, "File", "USD per million tokens of a model: [input, cached, output]", flag=False
    )
    allow_tools: tuple[str, ...] = _set((), ValueKind.TEXTS, "File", "the only tools an agent may use", flag=False)
    allow_commands: tuple[str, ...] = _set(
        (), ValueKind.TEXTS, "File", "the only shell commands an agent may run, how they begin", flag=False
    )
    sandbox_paths: tuple[str, ...] = _set(
        (), ValueKind.TEXTS, "File", "what may be written inside the sandbox, too", flag=False
    )
    memory_size: int = _set(
        100_000, ValueKind.COUNT, "File", "bytes of the memory file; older log entries move to an archive",
        least=2_000, flag=False,
    )  # fmt: skip

    worktree_link: tuple[str, ...] = _set(
        (), ValueKind.TEXTS, "File", "[worktree] link: ignored paths that each worktree gets as a link", flag=False
    )
    worktree_copy: tuple[str, ...] = _set(
        (), ValueKind.TEXTS, "File", "[worktree] copy: ignored paths that each worktree gets as a copy", flag=False
    )

    gates_in: str = _set(
        "workspace", ValueKind.TEXT, "File", "where gates run: in the workspace, or each time in a clean worktree",
        flag=False,
    )  # fmt: skip

    resume: str = ""  # `ralph resume`: "set-aside" or "keep"
    session: str = ""  # under this name the daily note lists it ...
    again: str = ""  # ... with this command, which starts it again; "": it is not listed
    given: frozenset[str] = frozenset()  # names that a flag or the file set; all others are defaults

    @property
    def at_once(self) -> int:
        """The most agents at once, each in a worktree; 0: one agent, in the checkout."""
        return self.max_parallel if self.parallel else 1 if self.isolate else 0

    @property
    def brought(self) -> tuple[str, ...]:
        """Ignored paths of the checkout that worktrees get."""
        return (*self.worktree_link, *self.worktree_copy)

    def agent_words(self) -> tuple[str, ...]:
        """--agent-command, split like a shell would and never given to one."""
        try:
            return tuple(shlex.split(self.agent_command))
        except ValueError as error:
            what = f"--agent-command can't be split into words: {error}"
            raise RalphError(what, "Close the quotes, or put the command into a script.") from error


OPTIONS: dict[str, Option] = {
    other_field.name: Option(other_field.name, row[0], row[1], row[2], row[3], row[4], row[5])
    for other_field in fields(Settings)
    if (row := other_field.metadata.get("row"))
}
EITHER_OR = (("agent", "agent_command"), ("branch", "no_branch"), ("quiet", "verbose"))


def load(root: Path, flags: Mapping[str, object]) -> Settings:
    """The settings of a run whose configuration stands in `root`. A flag that is None or () was not given.

    Flags may hold text or ready values. Raises RalphError with a sentence for whatever is wrong.
    """
    said = {name: value for name, value in flags.items() if value is not None and value != ()}
    by_flag = {name: _checked(name, value, None) for name, value in said.items()}
    by_file = _from_file(root)
    for pair in EITHER_OR:
        _one_of(pair, by_flag, None)
        if any(name in by_flag for name in pair):
            by_file = {name: value for name, value in by_file.items() if name not in pair}
    both = {**by_file, **by_flag}
    settings = Settings(**both, given=frozenset(both))
    settings.agent_words()  # refuses what can't be split
    return settings


# ---------------------------------------------------------------- the file


def _from_file(root: Path) -> dict[str, Any]:
    path, table = _table(root)
    found = {_name(key, path): value for key, value in table.items()}
    values = {name: _checked(name, value, path) for name, value in found.items()}
    for pair in EITHER_OR:
        _one_of(pair, values, path)
    if "prd" in values:
        values["prd"] = str(root / values["prd"])
    return values


def _table(root: Path) -> tuple[Path, dict[str, Any]]:
    """ralph.toml, else `[tool.ralph]` of pyproject.toml, else nothing."""
    own, project = root / "ralph.toml", root / "pyproject.toml"
    if own.is_file():
        return own, _flat(_toml(own))
    if project.is_file() and b"[tool.ralph" in project.read_bytes():
        table = _toml(project).get("tool", {}).get("ralph", {})
        return project, _flat(table) if isinstance(table, dict) else {}
    return own, {}


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    """`[worktree] link` is the key `worktree-link`."""
    inner = table.get("worktree")
    if not isinstance(inner, dict):
        return table
    rest = {key: value for key, value in table.items() if key != "worktree"}
    return {**rest, **{f"worktree-{key}": value for key, value in inner.items()}}


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RalphError(
            f"it can't be read: {error.strerror}", "Look at its permissions.", where=str(path)
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RalphError(f"this is no TOML: {error}", "Correct it, then start again.", where=str(path)) from error
    except RecursionError:
        raise RalphError("it is nested too deep", "Correct it, then start again.", where=str(path)) from None


def _name(key: str, path: Path) -> str:
    name = key.replace("-", "_")
    if name in OPTIONS:
        return name
    near = get_close_matches(key, [option.key for option in OPTIONS.values()], 1)
    cure = f"Did you mean `{near[0]}`?" if near else "`ralph --help` shows the names; a flag's name is the key's."
    raise RalphError(f"there is no setting `{key}`", cure, where=str(path))


# ---------------------------------------------------------------- what does not go


def _checked(name: str, value: object, path: Path | None) -> Any:
    """The value as the settings hold it. Raise RalphError if it is of another kind, or none of the choices."""
    option, known = OPTIONS[name], checked(OPTIONS[name], value, path)
    choices = CHOICES.get(name, (known,))
    if known in choices:
        return known
    label, example = (option.key, f'= "{choices[0]}"') if path else (option.flag_name, choices[0])
    shown = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    where = str(path) if path else ""
    raise RalphError(f"{label} takes {shown}, not `{known}`", f"For example: {label} {example}", where=where)


def _one_of(pair: tuple[str, str], values: Mapping[str, Any], path: Path | None) -> None:
    if all(values.get(name) for name in pair):
        first, second = (OPTIONS[name].key if path else OPTIONS[name].flag_name for name in pair)
        where = str(path) if path else ""
        raise RalphError(f"{first} and {second} are both set", "Keep the one that you mean.", where=where)
