"""Read the keys of files that configure gates, and hold other things, too: text -> key -> value.

A reader raises ValueError or configparser.Error for text that it can't read.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ralph.conventions import Format

Keys = Mapping[str, object]

MOST_BLOCK = 4000  # characters of a bracketed part
MOST_KEY = 60
PAIRS = {"(": ")", "{": "}", "[": "]"}
# what acts on every target of a Makefile, wherever it stands
MAKE_WIDE = re.compile(
    r"(?:export|unexport|override|private)?\s*(SHELL|\.SHELLFLAGS|MAKEFLAGS|PATH|\.\w+|export.*)$"
)
MAKE_LINE = re.compile(r"(?P<name>[^\s:=#+?!][^:=#+?!]*?)\s*(?P<kind>::?(?!=)|[:+?!]*=)\s*(?P<rest>.*)")


def read_keys(form: Format, text: str) -> Keys:
    """Return the keys of this text that steer gates."""
    keys = READERS[form.name](form, text)
    if form.name in {"matches", "make", "whole if"}:
        return keys
    steers, ignores = (
        re.compile("|".join(f"(?:{part})" for part in parts) or "(?!)") for parts in (form.steers, form.ignores)
    )
    return {key: value for key, value in keys.items() if steers.fullmatch(key) and not ignores.fullmatch(key)}


def _json(_: Format, text: str) -> Keys:
    return dict(_flat(_table(json.loads(text or "{}"))))


def _jsonc(_: Format, text: str) -> Keys:
    """Parse JSON with comments and trailing commas, as TypeScript and deno allow."""
    bare = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", text, flags=re.DOTALL)
    return dict(_flat(_table(json.loads(re.sub(r",(\s*[}\]])", r"\1", bare) or "{}"))))


def _toml(_: Format, text: str) -> Keys:
    return dict(_flat(tomllib.loads(text)))


def _ini(_: Format, text: str) -> Keys:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return {f"{name}.{key}": value for name in parser.sections() for key, value in parser.items(name)}


def _lines(_: Format, text: str) -> Keys:
    """Return `key = value`, `key: value` or `key value`, one for each line."""
    found: dict[str, object] = {}
    for line in text.splitlines():
        if match := re.match(r"\s*([^\s#;=:][^=:#;]*?)\s*(?:[=:]\s*(.*))?$", line):
            found[match[1]] = (match[2] or "").strip()
    return found


def _matches(form: Format, text: str) -> Keys:
    """Return what the expressions match, up to its closing bracket; equal ones are counted."""
    found: dict[str, object] = {}
    for expression in form.steers:
        for match in re.finditer(expression, text, re.MULTILINE):
            value = _without(form, match[0] + _to_the_end(text, match))
            head = re.match(form.key, value) if form.key else None
            key = head[1] if head else (value if len(value) <= MOST_KEY else value[: MOST_KEY - 1] + "…")
            found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def _without(form: Format, text: str) -> str:
    for expression in form.without:
        text = re.sub(expression, "", text)
    return re.sub(r"\s+", " ", text).strip()


def _to_the_end(text: str, match: re.Match[str]) -> str:
    """Return what follows up to the bracket that closes the last one of the match."""
    opened = match[0].rstrip()[-1:]
    if opened not in PAIRS:
        return ""
    depth, rest = 1, text[match.end() : match.end() + MOST_BLOCK]
    for at, letter in enumerate(rest):
        depth += (letter == opened) - (letter == PAIRS[opened])
        if depth == 0:
            return rest[: at + 1]
    return rest


def _whole_if(form: Format, text: str) -> Keys:
    """Return the whole text as one key if it holds what concerns a gate."""
    return {form.key: text} if re.search("|".join(form.steers), text) else {}


def _make(_: Format, text: str) -> Keys:
    """Return the targets with what they need and do, the variables, and every other line at the top."""
    found: dict[str, object] = {}
    name = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.startswith("\t") and name:
            found[name] = f"{found[name]}\n{line.strip()}"
        elif line.strip() and not line.lstrip().startswith("#"):
            name = _make_line(line.strip(), found)
    return found


def _make_line(line: str, found: dict[str, object]) -> str:
    """Note a line at the top of a Makefile; return its target, "" if it is none."""
    match = MAKE_LINE.match(line)
    if not match:
        found[line] = str(found.get(line, "")) + line
        return ""
    if (
        not any(key.startswith("target ") for key in found)
        and match["kind"].startswith(":")
        and "=" not in match["kind"]
        and not match["name"].startswith(".")
    ):
        found["the first target"] = match["name"]
    for name in match["name"].split() if "=" not in match["kind"] else [match["name"]]:
        key = f"target {name}" if "=" not in match["kind"] else f"variable {name}"
        before = f"{found[key]}\n" if key in found else ""
        found[key] = f"{before}{match['kind']} {match['rest']}"
    last = match["name"].split()[-1]
    return f"target {last}" if "=" not in match["kind"] else ""


def makes_way(key: str, before: Keys) -> bool:
    """Return whether a new entry of a Makefile leaves the executed ones as they were: a target or a variable
    that nothing there mentioned."""
    kind, _, name = key.partition(" ")
    if (
        kind not in {"target", "variable"}
        or "%" in name
        or "$" in name
        or (name.startswith(".") and name != ".PHONY")
    ):
        return False
    if kind == "variable" and MAKE_WIDE.match(name):
        return False
    return not any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", f"{value}") for value in before.values())


def _table(data: Any) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise ValueError("not a table")  # noqa: TRY004 - for the caller it is one more way of being unreadable
    return data


def _flat(data: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


READERS: Mapping[str, Callable[[Format, str], Keys]] = {
    "json": _json,
    "jsonc": _jsonc,
    "toml": _toml,
    "ini": _ini,
    "lines": _lines,
    "matches": _matches,
    "make": _make,
    "whole if": _whole_if,
}
