"""Detect the gates of a project from its files, for the common toolchains.

Conservative: a gate is a command that the project itself names or configures, and whose program exists.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from shutil import which
from typing import Any

from ralph.verify.model import Gate

PATIENCE = 30.0  # seconds for a call of an interpreter


def detect_gates(here: Path) -> tuple[Gate, ...]:
    """Return the gates of the project in this folder, for the common toolchains. Cheap: reads files only."""
    gates = [gate for look in LOOKS for gate in look(here)]
    return tuple(gates or _fallback(here))


def hooks_offered(root: Path) -> tuple[str, ...]:
    """Return commands that would run the repository's commit hooks, to offer as gates: none runs by default."""
    offers = {
        ".pre-commit-config.yaml": "pre-commit run --all-files",
        ".husky/pre-commit": "sh .husky/pre-commit",
        "lefthook.yml": "lefthook run pre-commit --all-files",
        "lefthook.yaml": "lefthook run pre-commit --all-files",
    }
    return tuple(dict.fromkeys(command for name, command in offers.items() if (root / name).is_file()))


# ---------------------------------------------------------------- Python


def _python(here: Path) -> Iterator[Gate]:
    tools = _table(_toml(here / "pyproject.toml"), "tool")
    python = interpreter(here)
    if configures_pytest(here) or python_tests(here):
        yield from _tests_in_python(here, python)
    if ("ruff" in tools or _any(here, "ruff.toml", ".ruff.toml")) and (ruff := _tool(here, python, "ruff")):
        yield Gate(f"{ruff} check", "ruff's configuration")
    if _names_what_mypy_checks(here, tools) and (mypy := _tool(here, python, "mypy")):
        yield Gate(mypy, "mypy's configuration")


def _tests_in_python(here: Path, python: str) -> Iterator[Gate]:
    if can_import(here, python, "pytest"):
        yield Gate(f"{python} -m pytest -q", "tests in Python")
    elif any("import unittest" in read_text(test) for test in python_tests(here)):
        yield Gate(f"{python} -m unittest discover{_start(here)}", "tests in Python")


def _start(here: Path) -> str:
    """Return unittest's start folder: it searches packages only and has to be given the folder of the tests."""
    folder = next((name for name in ("tests", "test") if (here / name).is_dir()), "")
    if not folder:
        return ""
    top = " -t ." if (here / folder / "__init__.py").exists() else ""
    return f" -s {folder}{top}"


PYTHON_LOCKS = (("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"))


def interpreter(here: Path) -> str:
    """Return the project's interpreter, otherwise that of its lock file's tool, otherwise the one on PATH."""
    for venv in (".venv", "venv"):
        if (here / venv / "bin" / "python").exists():
            return f"{venv}/bin/python"
    for lock, tool in PYTHON_LOCKS:
        if (here / lock).exists() and which(tool):
            return f"{tool} run python"
    return "python" if which("python") else "python3"


def can_import(here: Path, python: str, module: str) -> bool:
    """Return whether this interpreter, started in this folder, finds the module. `uv run` installs it."""
    if " run " in python:
        return True
    installed = "/" in python and (here / python).parent.parent.glob(f"lib*/python*/site-packages/{module}")
    if installed and any(installed):
        return True
    program = str(here / python) if "/" in python else which(python)
    return bool(program) and _imports(program or "", module, here)


@cache
def _imports(python: str, module: str, here: Path) -> bool:
    """Ask the interpreter, once for each folder: it takes 20 ms and more, and pyenv chooses one by the folder."""
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return succeeds([python, "-c", code], here)


def succeeds(argv: Sequence[str], here: Path) -> bool:
    """Return whether a short command ends with 0 in this folder, in time."""
    try:
        return subprocess.run(argv, cwd=here, check=False, capture_output=True, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _tool(here: Path, python: str, name: str) -> str:
    """Return how to call an installed Python tool; "" if it is not installed."""
    own = Path(python).parent / name
    if python.endswith("/bin/python") and (here / own).exists():
        return str(own)
    if " run " in python:
        return f"{python.removesuffix(' python')} {name}"
    return name if which(name) else ""


PYTEST_FILES = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml",
                "conftest.py", "tests/conftest.py", "test/conftest.py")  # fmt: skip


def configures_pytest(here: Path) -> bool:
    """Return whether one of the files that pytest reads is here."""
    tools = _table(_toml(here / "pyproject.toml"), "tool")
    sections = {"setup.cfg": "[tool:pytest]", "tox.ini": "[pytest]"}
    named = any(section in read_text(here / name) for name, section in sections.items())
    return "pytest" in tools or named or _any(here, *PYTEST_FILES)


def _names_what_mypy_checks(here: Path, tools: Mapping[str, Any]) -> bool:
    """Return whether the configuration names what mypy checks: without it, the right arguments are unknown."""
    own = tools.get("mypy")
    if isinstance(own, dict) and {"files", "packages", "modules"} & own.keys():
        return True
    texts = (read_text(here / name).partition("[mypy]")[2] for name in ("mypy.ini", ".mypy.ini", "setup.cfg"))
    return any(re.search(r"^(files|packages|modules)\s*=", text, re.MULTILINE) for text in texts)


def python_tests(here: Path) -> list[Path]:
    """Return some test files, not all: this runs before each attempt."""
    top = chain.from_iterable(here.glob(pattern) for pattern in ("test_*.py", "*_test.py", "tests.py"))
    below = chain.from_iterable((here / name).rglob("*.py") for name in ("tests", "test"))
    named = (path for path in below if path.name.startswith("test") or path.stem.endswith("_test"))
    return list(islice(chain(top, named), 20))


# ---------------------------------------------------------------- Node

LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package-lock.json": "npm",
}


def _node(here: Path) -> Iterator[Gate]:
    manager = package_manager(here)
    for name in ("test", "lint", "typecheck", "type-check", "check-types"):
        if is_gate(script(here, name)) and which(manager):
            short = name == "test" and manager != "bun"
            yield Gate(f"{manager} {'' if short else 'run '}{name}", "package.json")


def script(here: Path, name: str) -> str:
    """Return this script of package.json; "" if there is none."""
    command = _table(_json(here / "package.json"), "scripts").get(name)
    return command if isinstance(command, str) else ""


def is_gate(script: str) -> bool:
    """Return whether a script can be a gate: not npm's default, not one that watches or changes the work."""
    unfit = r"no test specified|--watch(All)?\b(?!=false)|--fix\b"
    return bool(script.strip()) and not re.search(unfit, script)


def package_manager(here: Path) -> str:
    """Return the package manager of package.json, otherwise that of the lock file, installed or not."""
    named = str(_json(here / "package.json").get("packageManager", "")).partition("@")[0]
    by_lock = (manager for lock, manager in LOCKS.items() if (here / lock).exists())
    return named if named in LOCKS.values() else next(by_lock, "npm")


# ---------------------------------------------------------------- the others

#: file in the folder -> programs that can run its gate; the first installed one is used
OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Cargo.toml", ("cargo test",)),
    ("go.mod", ("go test ./...",)),
    ("pom.xml", ("./mvnw -q test", "mvn -q test")),
    ("build.gradle", ("./gradlew test", "gradle test")),
    ("build.gradle.kts", ("./gradlew test", "gradle test")),
    ("mix.exs", ("mix test",)),
    (".rspec", ("bundle exec rspec",)),
    ("phpunit.xml", ("vendor/bin/phpunit",)),
    ("phpunit.xml.dist", ("vendor/bin/phpunit",)),
)


def _others(here: Path) -> Iterator[Gate]:
    for name, commands in OTHERS:
        if (here / name).is_file():
            runnable = (command for command in commands if is_there(here, command.split()[0]))
            yield from (Gate(command, name) for command in list(runnable)[:1])


def _dotnet(here: Path) -> Iterator[Gate]:
    if which("dotnet") and next(here.glob("*.sln*"), None):
        yield Gate("dotnet test", "the solution file")


def _fallback(here: Path) -> Iterator[Gate]:
    """Yield the first test target of a Makefile or justfile. A Makefile often calls other gates, so this is a
    fallback."""
    targets = (target for target in test_targets(here) if which(target[0]))
    yield from (Gate(f"{program} {target}", name) for program, target, name in islice(targets, 1))


def test_targets(here: Path) -> Iterator[tuple[str, str, str]]:
    """Yield program, target and file of each Makefile or justfile that has a target for tests."""
    for names, program in ((("GNUmakefile", "makefile", "Makefile"), "make"), (("justfile", "Justfile"), "just")):
        text = next((read_text(here / name) for name in names if (here / name).is_file()), "")
        target = next(
            (entry for entry in ("test", "check") if re.search(rf"^{entry}\s*:(?!=)", text, re.MULTILINE)), ""
        )
        if target:
            yield program, target, names[-1]


LOOKS: tuple[Callable[[Path], Iterator[Gate]], ...] = (_python, _node, _others, _dotnet)


# ---------------------------------------------------------------- reading, forgivingly


def is_there(here: Path, program: str) -> bool:
    return (here / program).is_file() if "/" in program else bool(which(program))


def _any(here: Path, *names: str) -> bool:
    return any((here / name).is_file() for name in names)


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}
