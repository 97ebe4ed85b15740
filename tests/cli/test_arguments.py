"""Words to values: whatever is typed as a value arrives as it was typed, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents.registry import NAMES
from ralph.cli.arguments import apart, read_flags
from ralph.cli.registry import COMMANDS
from ralph.config import OPTIONS
from ralph.config_values import Option, ValueKind
from ralph.errors import RalphError

LOOP = COMMANDS["run"].options
LOGS = COMMANDS["logs"].options


def typed(words: list[str], options: tuple[Option, ...] = LOOP) -> tuple[dict[str, Any], list[str]]:
    """(what the flags say, the texts)"""
    flags, texts = apart(options, words)
    return read_flags(options, flags), texts


FLAGS: dict[str, dict[str, Any]] = {
    "": {},
    "--prd a": {"prd": "a"},
    "--prd=a": {"prd": "a"},
    "--prd=": {"prd": ""},
    "--prd a --prd b": {"prd": "b"},
    "--gate a --gate=b": {"gate": ["a", "b"]},
    "--gate=a=b": {"gate": ["a=b"]},
    "--strict": {"strict": True},
    "--no-strict": {"strict": False},
    "--strict --no-strict": {"strict": False},
    "--no-strict --strict": {"strict": True},
    "--no-branch": {"no_branch": True},
    "--claude": {"agent": "claude"},
    "--claude --agent codex": {"agent": "codex"},
    "--agent codex --claude": {"agent": "claude"},
    "--codex --model x": {"agent": "codex", "model": "x"},
    "--agent-arg --yolo": {"agent_arg": ["--yolo"]},
    "--agent-arg=-x": {"agent_arg": ["-x"]},
    "--agent-arg --claude": {"agent_arg": ["--claude"]},
    "--agent-arg --": {"agent_arg": ["--"]},
    "--agent-arg=--": {"agent_arg": ["--"]},
    "--agent-arg -- --strict": {"agent_arg": ["--"], "strict": True},
    "--gate -x": {"gate": ["-x"]},
    "--gate --prd --json": {"gate": ["--prd"], "json": True},
    "--max-tasks -5": {"max_tasks": "-5"},
    "--prd @file": {"prd": "@file"},
}


@pytest.mark.parametrize("line", FLAGS)
def test_flags(line: str) -> None:
    assert typed(line.split()) == (FLAGS[line], [])


TEXTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "T1": ({}, ["T1"]),
    "-": ({}, ["-"]),
    "-f T1": ({"follow": True}, ["T1"]),
    "T1 -f": ({"follow": True}, ["T1"]),
    "-ff --no-follow": ({"follow": False}, []),
    "-- -f": ({}, ["-f"]),
    "-f -- --prd": ({"follow": True}, ["--prd"]),
    "-- --": ({}, ["--"]),
    "--prd -- T1": ({"prd": "--"}, ["T1"]),
    "a --json b": ({"json": True}, ["a", "b"]),
}


@pytest.mark.parametrize("line", TEXTS)
def test_texts_stand_anywhere(line: str) -> None:
    assert typed(line.split(), LOGS) == TEXTS[line]


@pytest.mark.parametrize("name", NAMES)
def test_every_agent_has_a_flag(name: str) -> None:
    assert typed([f"--{name}"]) == ({"agent": name}, [])


def test_every_row_of_the_schema_has_its_flag() -> None:
    for option in OPTIONS.values():
        words = [option.flag_name] if option.sort is ValueKind.SWITCH else [option.flag_name, "x"]
        if option.flag:
            assert option.name in typed(words)[0]
        else:
            with pytest.raises(RalphError, match="there is no flag"):
                typed(words)


@pytest.mark.parametrize("name", [option.flag_name for option in LOOP])
def test_no_flag_can_be_cut_short(name: str) -> None:
    known = {option.flag_name for option in LOOP} | {f"--{agent}" for agent in NAMES}
    for end in range(len("--x"), len(name)):
        if name[:end] not in known:
            with pytest.raises(RalphError, match=f"there is no flag {name[:end]}\n"):
                typed([f"{name[:end]}=x"])


# ---------------------------------------------------------------- laws

words = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["--", "-", "", "=", "-f", "--help", "--prd", "--prd=x", "--no-strict", "--claude", "a b", "-1"]
    ),
)


def a_value(option: Option) -> st.SearchStrategy[Any]:
    if option.sort is ValueKind.TEXTS:
        return st.lists(words, min_size=1, max_size=3)
    if option.sort is ValueKind.SWITCH:
        return st.just(True) if option.name == "no_branch" else st.booleans()
    return words


def rendered(option: Option, value: Any, *, together: bool) -> list[list[str]]:
    """The groups of words that say it."""
    if option.sort is ValueKind.SWITCH:
        return [[option.flag_name if value else f"--no-{option.key}"]]
    values = value if option.sort is ValueKind.TEXTS else [value]
    return [[f"{option.flag_name}={one}"] if together else [option.flag_name, one] for one in values]


@given(st.data())
def test_what_is_rendered_is_read_back(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.sampled_from(LOOP), unique_by=lambda option: option.name, max_size=6))
    said: Mapping[str, Any] = {option.name: data.draw(a_value(option)) for option in rows}
    groups = [rendered(option, said[option.name], together=data.draw(st.booleans())) for option in rows]
    texts = data.draw(st.lists(words, max_size=2))
    line = [word for group in groups for part in group for word in part]
    assert typed([*line, "--", *texts]) == (said, texts)


@given(st.sampled_from(list(COMMANDS)), st.lists(words, max_size=6))
def test_any_words_are_read_or_refused_with_a_sentence(command: str, line: list[str]) -> None:
    with suppress(RalphError):
        typed(line, COMMANDS[command].options)
