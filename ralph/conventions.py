"""The names that ecosystems give to tests, to configuration and to marks in sources: the data of `names/*.toml`.

Read once, at the first question. `names/common.toml` explains the tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Any

from ralph.immutable import immutable

FOLDER = Path(__file__).resolve().parent / "names"
WORKSPACE_DEPTH = 2  # `packages/NAME/` before the folder that counts


@immutable
class Format:
    """How a file of configuration is read: the keys that steer gates, and those that may grow."""

    name: str  # json, jsonc, toml, ini, lines, matches, make, "whole if"
    steers: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    grows: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # text that never counts
    key: str = ""
    present: bool = False  # an empty one has an effect, too
    silent_new_file: bool = False  # a new one changes no gate


@immutable
class Marks:
    """What in the source of a language takes something out of the judgement, and what asserts."""

    skips: re.Pattern[str]
    silences: re.Pattern[str]
    asserts: re.Pattern[str]
    inline: re.Pattern[str]


@cache
def tables() -> tuple[Mapping[str, Any], ...]:
    """Return the tables of all ecosystems."""
    return tuple(tomllib.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.toml")))


def listed(table: str, key: str) -> Iterator[str]:
    """Yield the entries of one list of all ecosystems (`tests`, `folders`)."""
    for ecosystem in tables():
        yield from ecosystem.get(table, {}).get(key, ())


@cache
def names(table: str, key: str) -> frozenset[str]:
    return frozenset(listed(table, key))


@cache
def patterns(table: str, key: str) -> re.Pattern[str]:
    """Return one expression for a list of shell patterns. It matches nothing if the list is empty."""
    return any_of(translate(pattern) for pattern in listed(table, key))


def any_of(expressions: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expression})" for expression in expressions) or r"(?!)", flags)


@cache
def formats() -> tuple[tuple[re.Pattern[str], Format], ...]:
    """Return the files that are compared key by key: an expression for their path, and their format."""
    return tuple(
        (re.compile(translate(name)), _format(table))
        for ecosystem in tables()
        for name, table in ecosystem.get("config", {}).get("keys", {}).items()
    )


def _format(table: Mapping[str, Any]) -> Format:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return Format(values.pop("format"), **values)


@cache
def marks() -> Mapping[str, Marks]:
    """Return the marks of each language: ending of a file's name -> expressions."""
    return {
        ending: _marks(table["marks"])
        for table in tables()
        if "marks" in table
        for ending in table["marks"]["files"]
    }


def _marks(table: Mapping[str, Any]) -> Marks:
    return Marks(*(any_of(table[key], re.MULTILINE) for key in ("skips", "silences", "asserts", "inline")))


def matches_below(expression: re.Pattern[str], path: str) -> bool:
    """Return whether the path, or the path seen from one of its folders, matches."""
    parts = path.split("/")
    return any(expression.match("/".join(parts[start:])) for start in range(len(parts)))


def in_product(folders: list[str]) -> bool:
    """Return whether a file in these folders lies in the product's sources: the first folder says it, in a
    workspace the first one of the member."""
    if not folders:
        return False
    if folders[0] in names("product", "workspaces") and len(folders) > WORKSPACE_DEPTH:
        return in_product(folders[WORKSPACE_DEPTH:])
    return folders[0].lower() in names("product", "folders")
