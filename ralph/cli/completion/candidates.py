"""The words that complete a command line: `ralph --complete SHELL WORD...`, the last word being typed.

It has to be quick, so it asks no git and reads no journal; and it never complains. Values are plain words, which no
shell can take for anything else: a task whose id is not plain is offered by its number.
"""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from ralph.cli.arguments import agent_names, apart, flag_names
from ralph.cli.completion.scripts import SCRIPTS
from ralph.cli.output import say
from ralph.cli.registry import COMMANDS, Command
from ralph.config import CHOICES, load
from ralph.config_values import Option, ValueKind
from ralph.errors import Exit, RalphError
from ralph.files import replace_file
from ralph.immutable import immutable
from ralph.text import clean, one_line

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST = 60  # characters that say what a value is
KEPT = 2_000_000  # bytes of what is kept of a PRD
KINDS = {
    "prd": "markdown", "path": "markdown", "agent_command": "files", "html": "files", "keep": "folders",
}  # fmt: skip
Row = tuple[str, str]  # a value, and what it is


@immutable
class CandidateTask:
    """As much of a task as a completion needs."""

    id: str
    number: int
    text: str
    done: bool
    parked: bool


def complete(words: Sequence[str]) -> int:
    """Print what can stand there; nothing where nothing is known, whatever is wrong."""
    shell, *typed = words or ("bash",)
    gc.disable()  # nothing lives long enough to be worth a walk: 200 tasks are read in two thirds of the time
    try:
        kind, rows = candidates(typed or [""], split=shell == "bash")
    except (RalphError, OSError, ValueError):
        return Exit.DONE
    finally:
        gc.enable()
    say("\n".join([kind, *(f"{value}\t{said}" for value, said in rows)]))
    return Exit.DONE


def candidates(words: Sequence[str], *, split: bool = False) -> tuple[str, list[Row]]:
    """(kind, rows). `split`: the shell makes words of its own of `--flag=value`."""
    *before, word = _joined(words) if split else words
    if not before and not word.startswith("-"):
        return "words", _beginning(word, _commands())
    name = before[0] if before and not before[0].startswith("-") else "run"
    command = COMMANDS.get(name)
    if command is None:
        return "words", []
    flag, equals, typed = word.partition("=")
    if equals and (option := _taking(command, flag)):
        kind, rows = _values(option.name, command, before)
        return kind, _beginning(typed, rows) if split or kind != "words" else _beginning(word, _put(flag, rows))
    if before and (option := _taking(command, before[-1])):
        kind, rows = _values(option.name, command, before)
        return kind, _beginning(word, rows)
    if word.startswith("-"):
        return "words", _beginning(word, _flags(command, opposites=word.startswith("--no-")))
    return _text(name, command, before, word)


def _joined(words: Sequence[str]) -> list[str]:
    """bash breaks at `=`: the flag with its value again."""
    joined: list[str] = []
    for word in words:
        glued = joined and (word == "=" or joined[-1].endswith("=")) and joined[-1].startswith("--")
        joined[-1:] = [joined[-1] + word] if glued else [*joined[-1:], word]
    return joined


def _put(flag: str, rows: Sequence[Row]) -> list[Row]:
    return [(f"{flag}={value}", said) for value, said in rows]


def _beginning(word: str, rows: Sequence[Row]) -> list[Row]:
    return [(value, said) for value, said in rows if value.startswith(word)]


# ---------------------------------------------------------------- commands and flags


def _commands() -> list[Row]:
    """All but `run`, which is what `ralph` does without a command."""
    return [(name, _said(command.start.__doc__ or "")) for name, command in COMMANDS.items() if name != "run"]


def _flags(command: Command, *, opposites: bool) -> list[Row]:
    rows = [
        (name, _said(option.help)) for option in command.options for name in flag_names(option, opposites=opposites)
    ]
    if any(option.name == "agent" and option.flag for option in command.options):
        rows += [(f"--{name}", f"--agent {name}") for name in agent_names()]
    return [*rows, ("--help", "show its help")]


def _taking(command: Command, flag: str) -> Option | None:
    """The option of a flag that takes a value."""
    found = (
        option for option in command.options if option.flag_name == flag and option.sort is not ValueKind.SWITCH
    )
    return next(found, None)


def _said(text: str) -> str:
    return one_line(clean(text), LONGEST)


# ---------------------------------------------------------------- values


def _values(name: str, command: Command, before: Sequence[str]) -> tuple[str, list[Row]]:
    """What a flag takes, or a command's text."""
    if name in KINDS:
        return KINDS[name], []
    if name in ("agent", "review_with"):
        return "words", [(agent, "") for agent in agent_names()]
    if name == "sandbox":
        return "words", [("auto", "where it can be had"), ("on", "or refuse"), ("off", "")]
    if name in CHOICES:
        return "words", [(choice, "") for choice in CHOICES[name]]
    if name == "only":
        return "words", [_row(box) for box in boxes(_prd(command, before)) if not box.done]
    return "words", []


def _text(name: str, command: Command, before: Sequence[str], word: str) -> tuple[str, list[Row]]:
    if command.text is None or apart(command.options, before[1:])[1]:
        return "words", []
    if command.text.name == "task":
        shown = [box for box in boxes(_prd(command, before)) if _fits(name, box)]
        return "words", _beginning(word, [_row(box) for box in shown])
    rows = {"name": _sessions, "shell": _shells}.get(command.text.name, list)()
    return KINDS.get(command.text.name, "words"), _beginning(word, rows)


def _fits(name: str, box: CandidateTask) -> bool:
    """Only what is parked can be put back, only what is open left out."""
    if name in ("accept", "retry", "review"):
        return box.parked
    return not box.done if name == "skip" else True


def _row(box: CandidateTask) -> Row:
    return (box.id if PLAIN.fullmatch(box.id) else str(box.number)), _said(box.text)


def _sessions() -> list[Row]:
    from ralph.state.sessions import SAFE, state_folder

    names = sorted(path.stem for path in (state_folder(os.environ) / "sessions").glob("*.json"))
    return [(name, "a detached run") for name in names if SAFE.fullmatch(name)]


def _shells() -> list[Row]:
    return [(shell, "") for shell in SCRIPTS]


# ---------------------------------------------------------------- the PRD


def _prd(command: Command, before: Sequence[str]) -> Path:
    """The PRD that was typed, else the configured one."""
    said = [word.partition("=")[2] for word in before if word.startswith("--prd=")]
    said += [after for word, after in pairwise(before) if word == "--prd"]
    return Path.cwd() / (said[-1] if said and _taking(command, "--prd") else load(_root(), {}).prd)


def _root() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def boxes(path: Path) -> list[CandidateTask]:
    """The tasks of a PRD. What was read is kept in ralph's folder, if there is one, until the PRD changes."""
    info = path.stat()
    mark, kept = [str(path), info.st_mtime_ns, info.st_size], _root() / ".git" / "ralph" / "complete.json"
    found = list(_kept(kept, mark))
    if not found:
        found = _read(path)
        _keep(kept, mark, found)
    return found


def _read(path: Path) -> list[CandidateTask]:
    from ralph.prd import document as prd

    tasks = prd.parse(path.read_bytes(), str(path)).tasks
    return [
        CandidateTask(task.id, task.number, _said(task.text), task.done, task.fields.parked is not None)
        for task in tasks
    ]


def _kept(path: Path, mark: Sequence[Any]) -> Iterator[CandidateTask]:
    """What was kept of that very file. Anybody may have written there: only what has the right form counts."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(KEPT))
        if said["of"] == mark:
            rows = [
                CandidateTask(str(a), int(b), _said(str(c)), bool(d), bool(e)) for a, b, c, d, e in said["boxes"]
            ]
            yield from rows
    except (OSError, ValueError, TypeError, KeyError):
        return


def _keep(path: Path, mark: Sequence[Any], found: Sequence[CandidateTask]) -> None:
    if not path.parent.is_dir():
        return
    rows = [[task.id, task.number, task.text, task.done, task.parked] for task in found]
    with suppress(OSError):
        replace_file(path, json.dumps({"of": mark, "boxes": rows}).encode())
