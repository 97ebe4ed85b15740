"""Tests that can't run on this machine because their runner is missing.

ralph accepts a project without gates. It refuses a project whose tests can't run, because it would tick every box
without them. A marker file alone (Cargo.toml) is not a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from shutil import which

from ralph.immutable import immutable
from ralph.verify import detect_gates as toolchains
from ralph.verify.detect_gates import can_import, is_there, python_tests, read_text

MOST = 20_000  # maximum number of files in a search for tests
SKIPPED = frozenset({"node_modules", "vendor", "target", "build", "dist", "venv", "env", "__pycache__"})
PYTHON_TEST = r"(^|/)(test_\w+|\w+_test)\.py$"
NAME_IT = "or name the command that runs the tests with `--gate`."
ACTIVATE = "Activate the project's virtual environment"


@immutable
class Missing:
    """Tests that can't run: what exists, what is missing, and the cure."""

    what: str
    cure: str


def find_missing_runners(here: Path) -> tuple[Missing, ...]:
    """Return the reasons why tests of this folder can't run. Cheap if every program exists."""
    missing = (*_pytest(here), *_node(here), *_others(here))
    return missing or (() if toolchains.detect_gates(here) else tuple(islice(_make(here), 1)))


# ---------------------------------------------------------------- Python


def _pytest(here: Path) -> Iterator[Missing]:
    python = toolchains.interpreter(here)
    shown = "" if can_import(here, python, "pytest") else _shows_pytest(here)
    if shown:
        yield Missing(f"{shown}, but `{python}` can't import pytest", _cure_pytest(here, python))


def _shows_pytest(here: Path) -> str:
    """Return the evidence of tests for pytest; "" if there is none."""
    if toolchains.configures_pytest(here):
        place = next((f"{name}/" for name in ("tests", "test") if _has_python(here / name)), "")
        place = place or next((path for path in _names(here) if re.search(PYTHON_TEST, path)), "")
        return f"{place} and pytest's configuration are here" if place else ""
    own = next((path for path in python_tests(here) if _is_for_pytest(read_text(path))), None)
    return f"{own.relative_to(here)} is a test for pytest" if own else ""


def _has_python(folder: Path) -> bool:
    return any(path.name != "__init__.py" for path in folder.rglob("*.py"))


def _is_for_pytest(text: str) -> bool:
    """Return whether the text needs pytest: it has plain test functions and does not import unittest."""
    if re.search(r"^\s*(import|from) pytest\b", text, re.MULTILINE):
        return True
    plain = re.search(r"^(async )?def test_", text, re.MULTILINE)
    return bool(plain) and "unittest" not in text


def _cure_pytest(here: Path, python: str) -> str:
    """Return the command that works, if there is one. ralph does not choose it: another environment may have other
    versions of the dependencies."""
    if command := _other_pytest(here, python):
        return f"Start ralph with `--gate '{command}'`, or activate the environment in which the tests run."
    for lock, tool in toolchains.PYTHON_LOCKS:
        if (here / lock).exists() and not which(tool):
            return f"Install {tool}, which {lock} is for, {NAME_IT}"
    if "/" in python:
        return f"Install pytest into {python.partition('/')[0]}/, {NAME_IT}"
    return f"{ACTIVATE}, {NAME_IT}"


def _other_pytest(here: Path, python: str) -> str:
    active = os.environ.get("VIRTUAL_ENV", "")
    folders = (".venv", "venv", "env", *([active] if active.startswith("/") else []))
    interpreters = (f"{name}/bin/python" for name in folders if (here / name / "bin/python").exists())
    others = (name for name in (*interpreters, "python", "python3") if name != python)
    able = next((name for name in others if can_import(here, name, "pytest")), "")
    if able:
        return f"{able} -m pytest -q"
    return "pytest -q" if toolchains.succeeds(["pytest", "--version"], here) else ""


# ---------------------------------------------------------------- the others


def _node(here: Path) -> Iterator[Missing]:
    manager = toolchains.package_manager(here)
    if toolchains.is_gate(toolchains.script(here, "test")) and not which(manager):
        yield _off_path("package.json has a test script", manager)


def _off_path(problem: str, program: str) -> Missing:
    return Missing(f"{problem}, but `{program}` is not on PATH", f"Install {program} or put it on PATH, {NAME_IT}")


#: file in the folder -> patterns of test files; if the name is not enough, a text in them
TESTS: Mapping[str, tuple[str, str]] = {
    "Cargo.toml": (r"\.rs$", r"#\[(\w+::)*test\b"),
    "go.mod": (r"_test\.go$", ""),
    "pom.xml": (r"(^|/)src/test/.*\.\w+$", ""),
    "build.gradle": (r"(^|/)src/test/.*\.\w+$", ""),
    "build.gradle.kts": (r"(^|/)src/test/.*\.\w+$", ""),
    "mix.exs": (r"_test\.exs$", ""),
    ".rspec": (r"_spec\.rb$", ""),
    "phpunit.xml": (r"Test\.php$", ""),
    "phpunit.xml.dist": (r"Test\.php$", ""),
}
DOTNET = (r"\.(cs|fs|vb)proj$", r"Microsoft\.NET\.Test\.Sdk")


def _others(here: Path) -> Iterator[Missing]:
    for name, commands in toolchains.OTHERS:
        programs = [command.split()[0] for command in commands]
        lacks = (here / name).is_file() and not any(is_there(here, program) for program in programs)
        if lacks and (test := _a_test(here, *TESTS[name])):
            yield _not_there(f"{name} and {test} are here", programs[-1])
    solution = next(here.glob("*.sln*"), None)
    if solution and not which("dotnet") and (test := _a_test(here, *DOTNET)):
        yield _off_path(f"{solution.name} and {test} are here", "dotnet")


def _not_there(problem: str, program: str) -> Missing:
    if "/" in program:
        return Missing(f"{problem}, but {program} is missing", f"Run `composer install`, {NAME_IT}")
    return _off_path(problem, program)


def _make(here: Path) -> Iterator[Missing]:
    for program, target, name in toolchains.test_targets(here):
        if not which(program):
            yield _off_path(f"{name} has the target `{target}`", program)


def _a_test(here: Path, named: str, holds: str) -> str:
    """Return the path of a test file; "" if there is none."""
    paths = (path for path in _names(here) if re.search(named, path))
    return next((path for path in paths if re.search(holds, read_text(here / path))), "")


def _names(here: Path) -> Iterator[str]:
    """Yield the paths of the project's files, without hidden folders, caches and build results."""
    return islice(chain.from_iterable(_walk(here)), MOST)


def _walk(here: Path) -> Iterator[list[str]]:
    for folder, folders, files in os.walk(here):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        below = os.path.relpath(folder, here)
        yield [os.path.normpath(f"{below}/{name}") for name in sorted(files)]
