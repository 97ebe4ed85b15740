"""The files that decide how gates run, compared key by key if a file also holds other things.

An added dependency is no change of a gate. A file that can't be parsed counts as a whole. CI workflows are left
out: ralph's gates do not run them.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase, translate
from functools import cache
from typing import Any

from ralph.package_data import table

WHOLE = "the whole file"

Keys = Mapping[str, object]
Reader = Callable[[str], Keys]

PACKAGE_KEYS = frozenset({
    "scripts", "jest", "vitest", "mocha", "ava", "tap", "nyc", "c8", "eslintConfig", "eslintIgnore", "xo",
    "standard", "stylelint", "prettier", "lint-staged", "husky",
})  # fmt: skip
TOOLS = frozenset({
    "pytest", "ruff", "mypy", "coverage", "tox", "nox", "pyright", "basedpyright", "ty", "pyrefly", "pylint",
    "flake8", "black", "isort", "bandit", "hatch", "pdm", "poe", "taskipy", "ralph",
})  # fmt: skip
INI_SECTIONS = re.compile(
    r"tool:.*|pytest|mypy.*|coverage.*|flake8.*|pylint.*|isort|pycodestyle|pydocstyle|testenv.*|tox.*"
)
CARGO_TABLES = ("alias", "build", "env", "profile")
CARGO_KEYS = ("lints", "workspace.lints", "profile.test", "test", "package.autotests", "lib.test", "lib.doctest")
COMPILER_KEYS = re.compile(r"compilerOptions\.(strict|no[A-Z]|check|allow|skip)\w*|exclude.*")
CONFTEST_HOOKS = re.compile(
    r"^(?:def\s+)?(collect_ignore\w*|pytest_(?:collect\w*|ignore_collect|pycollect\w*|itemcollected|runtest\w*"
    r"|sessionfinish|report_teststatus))\b.*(?:\n(?:[ \t].*)?)*",
    re.MULTILINE,
)

FIXTURES = frozenset({"fixtures", "__fixtures__", "testdata", "node_modules", ".venv", "venv"})


def is_gate_config(path: str) -> bool:
    """Return whether this path may configure gates. The verdict then needs both its texts."""
    folders = path.split("/")[:-1]
    return FIXTURES.isdisjoint(folders) and (_is_whole(path) or _reader(path) is not None)


def changed_gate_config(path: str, base: bytes, work: bytes) -> tuple[str, ...]:
    """Return the sorted keys that configure gates and differ (`scripts.test`, `tool.ruff.line-length`).

    Return `(WHOLE,)` for files that only configure gates, and for files that can't be parsed. Empty bytes mean no
    file: a new manifest (package.json, Makefile) changes no gate, as none can have used it.
    """
    if not is_gate_config(path) or base == work:
        return ()
    name = path.rpartition("/")[2]
    reader = _reader(path)
    if reader is None:
        return () if not base and name in {"Makefile", "justfile"} else (WHOLE,)
    if not base and name == "package.json":
        return ()
    try:
        before, after = reader(base.decode()), reader(work.decode())
    except (ValueError, configparser.Error, RecursionError):
        return (WHOLE,)
    return tuple(sorted(key for key in before.keys() | after.keys() if _counts(key, before, after)))


def is_new(base: bytes, path: str, key: str) -> bool:
    """Return whether the base did not configure this tool in this file."""
    return not base if key == WHOLE else tool(path, key).encode() not in base


def tool(path: str, key: str) -> str:
    """Return the tool that a key configures: `ruff` of `tool.ruff.line-length`, `eslint` of eslint.config.js."""
    name = path.rpartition("/")[2]
    word = name.lstrip(".") if key == WHOLE else key.removeprefix("tool.").removeprefix("tool:")
    return re.split(r"[^a-z0-9]", word.lower().replace("eslintrc", "eslint").replace("prettierrc", "prettier"))[0]


def _counts(key: str, before: Keys, after: Keys) -> bool:
    """Return whether a change counts. A new script without a caller changes no gate; npm calls `pre...` and
    `post...` by itself."""
    if before.get(key) == after.get(key):
        return False
    fresh_script = key.startswith("scripts.") and key not in before
    return not fresh_script or key.startswith(("scripts.pre", "scripts.post"))


def _is_whole(path: str) -> bool:
    name = path.rpartition("/")[2]
    return bool(_whole_names().fullmatch(name)) or "/.husky/" in f"/{path}"


@cache
def _whole_names() -> re.Pattern[str]:
    patterns = [name for names in table("verify/gate_names.toml").values() for name in names]
    return re.compile("|".join(translate(pattern) for pattern in patterns))


def _reader(path: str) -> Reader | None:
    name = path.rpartition("/")[2]
    if fnmatchcase(name, "tsconfig*.json"):
        return _tsconfig
    if fnmatchcase(name, "vite.config.*"):
        return _vite
    return READERS.get(name) or READERS.get("/".join(path.split("/")[-2:]))


def _package_json(text: str) -> Keys:
    data = json.loads(text or "{}")
    return {key: value for key, value in _flat(_table(data)) if key.partition(".")[0] in PACKAGE_KEYS}


def _composer_json(text: str) -> Keys:
    return {key: value for key, value in _flat(_table(json.loads(text or "{}"))) if key.startswith("scripts")}


def _deno_json(text: str) -> Keys:
    wanted = {"tasks", "lint", "test", "fmt"}
    return {key: value for key, value in _flat(_table(_jsonc(text))) if key.partition(".")[0] in wanted}


def _tsconfig(text: str) -> Keys:
    return {key: value for key, value in _flat(_table(_jsonc(text))) if COMPILER_KEYS.fullmatch(key)}


def _pyproject(text: str) -> Keys:
    tools = _table(tomllib.loads(text).get("tool", {}))
    return {f"tool.{key}": value for key, value in _flat(tools) if key.partition(".")[0] in TOOLS}


def _cargo(text: str) -> Keys:
    flat = dict(_flat(tomllib.loads(text)))
    return {
        key: value for key, value in flat.items() if any(f"{key}.".startswith(f"{name}.") for name in CARGO_KEYS)
    }


def _ini(text: str) -> Keys:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    wanted = [section for section in parser.sections() if INI_SECTIONS.fullmatch(section)]
    return {f"{name}.{key}": value for name in wanted for key, value in parser.items(name) if key != "deps"}


def _npmrc(text: str) -> Keys:
    """Return the settings that change how npm runs scripts; a registry changes no gate."""
    lines = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return {key.strip(): value.strip() for key, _, value in lines if key.strip() in NPM_KEYS}


def _cargo_config(text: str) -> Keys:
    """Return the settings that change how cargo builds and runs tests; sources and networks change no gate."""
    flat = dict(_flat(tomllib.loads(text)))
    return {
        key: value
        for key, value in flat.items()
        if key.partition(".")[0] in ("alias", "build", "env", "profile")
        or key.endswith(("runner", "flags", "linker"))
    }


def _vite(text: str) -> Keys:
    """Return the keys of vite's configuration, which concerns a gate only if it configures vitest."""
    return {"test": text} if re.search(r"\btest\s*:", text) else {}


def _conftest(text: str) -> Keys:
    """Return the hooks of a conftest.py that select or skip tests; its fixtures count as tests."""
    return {match[1]: match[0].strip() for match in CONFTEST_HOOKS.finditer(text)}


def _jsonc(text: str) -> Any:
    """Parse JSON with comments and trailing commas, as TypeScript and deno allow."""
    bare = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", text, flags=re.DOTALL)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", bare) or "{}")


def _table(data: object) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise ValueError("not a table")  # noqa: TRY004 - for the caller it is one more way of being unreadable
    return data


def _flat(data: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


NPM_KEYS = frozenset({"script-shell", "node-options", "ignore-scripts", "shell", "prefix", "if-present"})
READERS: dict[str, Reader] = {
    "package.json": _package_json,
    "composer.json": _composer_json,
    "deno.json": _deno_json,
    "deno.jsonc": _deno_json,
    "pyproject.toml": _pyproject,
    "Cargo.toml": _cargo,
    "setup.cfg": _ini,
    "tox.ini": _ini,
    "conftest.py": _conftest,
    ".npmrc": _npmrc,
    ".cargo/config.toml": _cargo_config,
    ".cargo/config": _cargo_config,
}
