"""The files that decide how gates run, compared key by key if a file also holds other things.

The names are data (`names/*.toml`). An added dependency is no change of a gate; an added script, marker or target
is only reported. A file that can't be parsed counts as a whole. CI workflows are left out: ralph's gates do not run
them.
"""

from __future__ import annotations

import configparser
import re
from functools import lru_cache

from ralph import conventions
from ralph.conventions import Format
from ralph.immutable import immutable
from ralph.verify.gate_code.config_formats import Keys, makes_way, read_keys

WHOLE = "the whole file"
NO_GATE_YET = ("Makefile", "justfile")  # a new one changes no gate, as none can have used it


@immutable
class ConfigDifference:
    """The keys that configure gates and differ (`scripts.test`, `tool.ruff.line-length`), sorted; and those that
    came to them and leave what gates use as it was."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def is_gate_config(path: str) -> bool:
    """Return whether this path may configure gates. The verdict then needs both its texts."""
    folders = path.split("/")[:-1]
    ours = _is_whole(path) or _form(path) is not None or is_reported(path)
    return ours and conventions.names("config", "not_in").isdisjoint(folders)


def is_reported(path: str) -> bool:
    """Return whether this file runs at set-up and holds the product's structure, too."""
    return conventions.matches_below(conventions.patterns("config", "reports"), path)


def changed_gate_config(path: str, base: bytes, work: bytes) -> tuple[str, ...]:
    """Return the sorted keys that configure gates and differ.

    Return `(WHOLE,)` for files that only configure gates, and for files that can't be parsed. Empty bytes mean no
    file: a new manifest (package.json, Makefile) changes no gate, as none can have used it.
    """
    return config_difference(path, base, work).changed


def config_difference(path: str, base: bytes, work: bytes) -> ConfigDifference:
    """Return what differs of the keys that configure gates."""
    if not is_gate_config(path) or base == work:
        return ConfigDifference()
    form = _form(path)
    if form is None:
        return _whole(path, base)
    if not base and form.silent_new_file:
        return ConfigDifference()
    if form.present and not (base and work):
        return ConfigDifference((WHOLE,))
    try:
        before, after = read_keys(form, base.decode()), read_keys(form, work.decode())
    except (ValueError, configparser.Error, RecursionError):
        return ConfigDifference((WHOLE,))
    return _makefile(base, before, after) if form.name == "make" else _by_key(form, before, after)


def is_new(base: bytes, path: str, key: str) -> bool:
    """Return whether the base did not configure this tool in this file."""
    return not base if key == WHOLE else tool(path, key).encode() not in base


def tool(path: str, key: str) -> str:
    """Return the tool that a key configures: `ruff` of `tool.ruff.line-length`, `eslint` of eslint.config.js."""
    name = path.rpartition("/")[2]
    form = _form(path)
    is_named_by_file = key == WHOLE or ".cargo/" in path or (form is not None and form.name == "lines")
    word = name.lstrip(".") if is_named_by_file else key.removeprefix("tool.").removeprefix("tool:")
    return re.split(r"[^a-z0-9]", word.lower().replace("eslintrc", "eslint").replace("prettierrc", "prettier"))[0]


def _whole(path: str, base: bytes) -> ConfigDifference:
    if is_reported(path) and not _is_whole(path):
        return ConfigDifference(added=(WHOLE,))
    is_unused = not base and path.rpartition("/")[2] in NO_GATE_YET
    return ConfigDifference() if is_unused else ConfigDifference((WHOLE,))


def _by_key(form: Format, before: Keys, after: Keys) -> ConfigDifference:
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    added = [key for key in differing if _only_grew(form, key, before, after)]
    return ConfigDifference(tuple(key for key in differing if key not in added), tuple(added))


def _only_grew(form: Format, key: str, before: Keys, after: Keys) -> bool:
    if key not in after or not any(re.fullmatch(expression, key, re.DOTALL) for expression in form.grows):
        return False
    return key not in before or _holds_all(before[key], after[key])


def _holds_all(before: object, after: object) -> bool:
    """Return whether a list, or a text of lines, holds all that it held."""
    if isinstance(before, str) and isinstance(after, str):
        return "\n" in after and set(before.splitlines()) <= set(after.splitlines())
    return isinstance(before, list) and isinstance(after, list) and all(item in after for item in before)


def _makefile(base: bytes, before: Keys, after: Keys) -> ConfigDifference:
    """Any entry that was there counts, as other entries may use it; a new one that nothing mentioned is an
    addition. The order counts where it decides the default target."""
    if not base:
        return ConfigDifference()
    changed = [key for key, value in before.items() if after.get(key) != value and key != "target .PHONY"]
    fresh = [key for key in after if key not in before]
    added = [key for key in fresh if makes_way(key, before)]
    whole = bool(changed) or len(added) < len(fresh)
    return ConfigDifference((WHOLE,) if whole else (), tuple(sorted(added)))


def _is_whole(path: str) -> bool:
    return conventions.matches_below(conventions.patterns("config", "files"), path)


@lru_cache(maxsize=4096)
def _form(path: str) -> Format | None:
    parts = path.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    return next((form for name, form in conventions.formats() if any(name.match(end) for end in ends)), None)
