"""Which gates a project has, told by its files, for the common toolchains.

Conservative: a command that the project itself names or configures, with a program that is there.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from pathlib import Path
from shutil import which
from typing import Any

from ralph.model import Gate


def find(here: Path) -> tuple[Gate, ...]:
    """The gates of the project in this folder, for the common toolchains. Cheap: looks at files only."""
    found = [gate for look in LOOKS for gate in look(here)]
    return tuple(found or _fallback(here))


def hooks_offered(root: Path) -> tuple[str, ...]:
    """Commands that would run the repository's commit hooks, to be offered as gates: none is run unasked."""
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
    python = _interpreter(here)
    if _configures_pytest(here, tools) or _python_tests(here):
        yield from _tests_in_python(here, python)
    if ("ruff" in tools or _any(here, "ruff.toml", ".ruff.toml")) and (ruff := _tool(here, python, "ruff")):
        yield Gate(f"{ruff} check", "ruff's configuration")
    if _names_what_mypy_checks(here, tools) and (mypy := _tool(here, python, "mypy")):
        yield Gate(mypy, "mypy's configuration")


def _tests_in_python(here: Path, python: str) -> Iterator[Gate]:
    if _can_import(here, python, "pytest"):
        yield Gate(f"{python} -m pytest -q", "tests in Python")
    elif any("import unittest" in _text(test) for test in _python_tests(here)):
        yield Gate(f"{python} -m unittest discover{_start(here)}", "tests in Python")


def _start(here: Path) -> str:
    """unittest looks into packages only: it has to be told where the tests are."""
    folder = next((name for name in ("tests", "test") if (here / name).is_dir()), "")
    if not folder:
        return ""
    top = " -t ." if (here / folder / "__init__.py").exists() else ""
    return f" -s {folder}{top}"


def _interpreter(here: Path) -> str:
    """The project's own, else what its lock file asks for, else the one on PATH."""
    for venv in (".venv", "venv"):
        if (here / venv / "bin" / "python").exists():
            return f"{venv}/bin/python"
    for lock, tool in (("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm")):
        if (here / lock).exists() and which(tool):
            return f"{tool} run python"
    return "python" if which("python") else "python3"


def _can_import(here: Path, python: str, module: str) -> bool:
    if python.endswith("/bin/python"):
        return any((here / python).parent.parent.glob(f"lib*/python*/site-packages/{module}"))
    return True if " run " in python else _path_can_import(which(python) or "", module)


@cache
def _path_can_import(python: str, module: str) -> bool:
    """Asked once in the life of ralph: it takes 20 ms and more."""
    if not python:
        return False
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], cwd="/", check=False, capture_output=True).returncode == 0


def _tool(here: Path, python: str, name: str) -> str:
    """How to call a Python tool that is installed; empty: it is not."""
    own = Path(python).parent / name
    if python.endswith("/bin/python") and (here / own).exists():
        return str(own)
    if " run " in python:
        return f"{python.removesuffix(' python')} {name}"
    return name if which(name) else ""


def _configures_pytest(here: Path, tools: Mapping[str, Any]) -> bool:
    sections = {"setup.cfg": "[tool:pytest]", "tox.ini": "[pytest]"}
    named = any(section in _text(here / name) for name, section in sections.items())
    return "pytest" in tools or named or _any(here, "pytest.ini", ".pytest.ini")


def _names_what_mypy_checks(here: Path, tools: Mapping[str, Any]) -> bool:
    """mypy without arguments checks what its configuration names; how it is called otherwise nobody can know."""
    own = tools.get("mypy")
    if isinstance(own, dict) and {"files", "packages", "modules"} & own.keys():
        return True
    texts = (_text(here / name).partition("[mypy]")[2] for name in ("mypy.ini", ".mypy.ini", "setup.cfg"))
    return any(re.search(r"^(files|packages|modules)\s*=", text, re.MULTILINE) for text in texts)


def _python_tests(here: Path) -> list[Path]:
    """Some test files; not all: it is asked before each attempt."""
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
    scripts = _table(_json(here / "package.json"), "scripts")
    manager = _package_manager(here)
    for name in ("test", "lint", "typecheck", "type-check", "check-types"):
        script = scripts.get(name)
        if manager and isinstance(script, str) and _is_gate(script):
            short = name == "test" and manager != "bun"
            yield Gate(f"{manager} {'' if short else 'run '}{name}", "package.json")


def _is_gate(script: str) -> bool:
    """npm's default script tests nothing; one that watches never ends; one that fixes changes the work."""
    unfit = r"no test specified|--watch(All)?\b(?!=false)|--fix\b"
    return bool(script.strip()) and not re.search(unfit, script)


def _package_manager(here: Path) -> str:
    """The one that package.json names, else the one whose lock file is there; empty: it is not installed."""
    named = str(_json(here / "package.json").get("packageManager", "")).partition("@")[0]
    by_lock = (manager for lock, manager in LOCKS.items() if (here / lock).exists())
    manager = named if named in LOCKS.values() else next(by_lock, "npm")
    return manager if which(manager) else ""


# ---------------------------------------------------------------- the others

#: file in the folder -> programs that can run its gate, the first that is there is taken
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
            runnable = (command for command in commands if _is_there(here, command.split()[0]))
            yield from (Gate(command, name) for command in list(runnable)[:1])


def _dotnet(here: Path) -> Iterator[Gate]:
    if which("dotnet") and next(here.glob("*.sln*"), None):
        yield Gate("dotnet test", "the solution file")


def _fallback(here: Path) -> Iterator[Gate]:
    """A Makefile often calls what was found already, so it is asked only where nothing was."""
    for names, program in ((("GNUmakefile", "makefile", "Makefile"), "make"), (("justfile", "Justfile"), "just")):
        text = next((_text(here / name) for name in names if (here / name).is_file()), "")
        target = next((one for one in ("test", "check") if re.search(rf"^{one}\s*:(?!=)", text, re.MULTILINE)), "")
        if target and which(program):
            yield Gate(f"{program} {target}", names[-1])
            return


LOOKS: tuple[Callable[[Path], Iterator[Gate]], ...] = (_python, _node, _others, _dotnet)


# ---------------------------------------------------------------- reading, forgivingly


def _is_there(here: Path, program: str) -> bool:
    return (here / program).is_file() if "/" in program else bool(which(program))


def _any(here: Path, *names: str) -> bool:
    return any((here / name).is_file() for name in names)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except ValueError:
        return {}


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}
