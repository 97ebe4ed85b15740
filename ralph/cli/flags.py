"""From what was typed to a command and its flags. The flags of the loop are the schema in `ralph.config`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from inspect import Parameter, Signature
from typing import Any

import typer

from ralph.config import AGENTS, OPTIONS
from ralph.errors import RalphError
from ralph.values import Option, Sort

LATER = ("report", "explain", "start", "attach", "ls", "tail", "doctor", "clean", "notify", "plan", "convert")
BUILT = (
    "run",
    "demo",
    "init",
    "lint",
    "status",
    "logs",
    "audit",
    "review",
    "pause",
    "resume",
    "skip",
    "retry",
    "stop",
)
COMMANDS = (*BUILT, *LATER)
HELP = ("--help", "-h")


def arranged(argv: Sequence[str]) -> list[str]:
    """The words for Typer: a command first (`run` where none was named), `--claude` as `--agent=claude`."""
    words = list(argv)
    if not words or (words[0].startswith("-") and words[0] not in ("--version", *HELP)):
        return ["run", *_agents_named(words)]
    if words[0] in ("run", "resume", "init"):
        return [words[0], *_agents_named(words[1:])]
    if not words[0].startswith("-") and words[0] not in COMMANDS:
        raise _unknown_command(words[0])
    return words


def _agents_named(words: Sequence[str]) -> list[str]:
    """Shortcuts spelled out, but not where a word is the value of the flag before it."""
    takes_value = {option.flag_name for option in OPTIONS.values() if option.sort is not Sort.SWITCH}
    before = ["", *words]
    return [
        f"--agent={word[2:]}" if word[2:] in AGENTS and word.startswith("--") and last not in takes_value else word
        for last, word in zip(before, words, strict=False)
    ]


def _unknown_command(word: str) -> RalphError:
    if word.endswith(".md") or "/" in word:
        return RalphError(f"there is no command `{word}`", f"To work through that file: `ralph --prd {word}`.")
    return RalphError(f"there is no command `{word}`", f"{_near(word, COMMANDS)}`ralph --help` shows them all.")


def unknown_flag(flag: str, known: Sequence[str]) -> RalphError:
    """The sentence for a flag that is none of `known`."""
    return RalphError(f"there is no flag {flag}", f"{_near(flag, known)}`ralph --help` shows them all.")


def _near(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, 1, cutoff=0.5)
    return f"Did you mean `{near[0]}`? " if near else ""


# ---------------------------------------------------------------- the flags of the loop


def signature() -> Signature:
    """What Typer reads: one keyword for each row of the schema, all optional; `config.load` reads the values."""
    return Signature([_keyword(option) for option in OPTIONS.values() if option.flag])


def _keyword(option: Option) -> Parameter:
    kind: Any = {Sort.SWITCH: bool | None, Sort.TEXTS: list[str] | None}.get(option.sort, str | None)
    names = [option.flag_name]
    if option.sort is Sort.SWITCH and not option.name.startswith("no_"):
        names = [f"{option.flag_name}/--no-{option.key}"]
    default = typer.Option(None, *names, metavar=option.value or None, help=option.help, show_default=False)
    return Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
