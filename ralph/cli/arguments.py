"""From words to what they say: flags with their values, and texts. The parser is built from rows of the schema."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentError, ArgumentParser, BooleanOptionalAction
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from ralph.config_values import Option, ValueKind
from ralph.errors import RalphError

SHORT = {"follow": "-f"}


def apart(options: Sequence[Option], words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(flags, each in one word with its value; texts).

    The word behind a flag that takes a value is its value, whatever it looks like; all words behind `--` are texts.
    """
    takes_value = {option.flag_name for option in options if option.sort is not ValueKind.SWITCH}
    flags: list[str] = []
    texts: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            texts += rest
        elif word in takes_value:
            flags.append(f"{word}={_value(word, rest)}")
        elif word.startswith("-") and word != "-":
            flags.append(word)
        else:
            texts.append(word)
    return flags, texts


def _value(flag: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise misused(f"option '{flag}' requires an argument")
    return value


def read_flags(options: Sequence[Option], flags: Sequence[str]) -> dict[str, Any]:
    """What the flags say, under the options' names: text or switches. Without what was not typed."""
    try:
        said, unknown = parser(options).parse_known_args(flags)
    except ArgumentError as error:
        flag = (error.argument_name or "").partition("/")[0]
        raise misused(f"option '{flag}' does not take a value") from error
    if unknown:
        raise _unknown(unknown[0].partition("=")[0], options)
    return vars(said)


# ---------------------------------------------------------------- the parser


class Parser(ArgumentParser):
    """argparse, but what is wrong is raised: nothing is printed, nothing exits."""

    def error(self, message: str) -> NoReturn:
        raise misused(message)


def parser(options: Sequence[Option]) -> Parser:
    """It knows the flags of these rows, and the agents' own flags where --agent is one of them."""
    made = Parser(add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=SUPPRESS)
    for option in options:
        made.add_argument(*_names(option), dest=option.name, **_kind(option))
        if option.name == "agent":
            for name in agent_names():
                made.add_argument(f"--{name}", dest="agent", action="store_const", const=name)
    return made


def agent_names() -> tuple[str, ...]:
    """The agents that have a flag of their own. Only a command that takes an agent loads the adapters."""
    from ralph.agents.registry import NAMES

    return NAMES


def _names(option: Option) -> list[str]:
    return [option.flag_name, *([SHORT[option.name]] if option.name in SHORT else [])]


def flag_names(option: Option, *, opposites: bool) -> list[str]:
    """How it can be typed; `opposites`: how it can be switched off instead."""
    if opposites:
        return [f"--no-{option.key}"] if _has_opposite(option) else [option.flag_name]
    return [option.flag_name]


def _kind(option: Option) -> dict[str, Any]:
    if option.sort is ValueKind.SWITCH:
        return {"action": BooleanOptionalAction if _has_opposite(option) else "store_true"}
    # Python 3.11 drops a value that is exactly `--`: `const` stands in for it. No flag comes here without a value.
    return {"action": "append" if option.sort is ValueKind.TEXTS else "store", "nargs": "?", "const": "--"}


def _has_opposite(option: Option) -> bool:
    return option.sort is ValueKind.SWITCH and not option.name.startswith("no_")


# ---------------------------------------------------------------- what is wrong


def misused(what: str) -> RalphError:
    """The sentence for a known flag, or a text, in a place that is not made for it."""
    return RalphError(what, "`ralph --help` shows the flags and what they take.")


def _unknown(flag: str, options: Sequence[Option]) -> RalphError:
    known = [name for option in options for name in _names(option)]
    known += [f"--no-{option.key}" for option in options if _has_opposite(option)]
    known += [f"--{name}" for name in agent_names()] if "--agent" in known else []
    shown = flag if flag.startswith("--") else flag[:2]
    return RalphError(f"there is no flag {shown}", f"{did_you_mean(shown, known)}`ralph --help` shows them all.")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A question with the nearest of them, or nothing."""
    near = get_close_matches(word, known, 1, cutoff=0.5)
    return f"Did you mean `{near[0]}`? " if near else ""
