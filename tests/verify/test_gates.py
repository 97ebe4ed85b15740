"""Gates: which are found in which project, and what is made of what they print. Real commands, fake toolchains."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from ralph.text import MASK
from ralph.verify import gates
from ralph.verify.model import Gate, GateResult

PYTHON = sys.executable


# ---------------------------------------------------------------- found in a project


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but fakes that are asked for by name: every one succeeds at anything."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def project(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "project").mkdir(exist_ok=True)
    return folder / "project"


def install(folder: Path, names: str, *, code: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names.split():
        (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (folder / name).chmod(0o755)


NPM = '{"scripts": {"test": "vitest run", "lint": "eslint .", "typecheck": "tsc", "dev": "vite"}}'
DEFAULT = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
RUFF_AND_MYPY = "[tool.ruff]\n[tool.mypy]\nfiles = 'src'\n"
PROJECTS: list[tuple[str, str, dict[str, str], list[str]]] = [
    # what it is, programs on PATH, files, gates
    ("nothing at all", "python npm cargo", {}, []),
    ("test files", "python", {"tests/unit/test_a.py": ""}, ["python -m pytest -q"]),
    ("test files beside the code", "python3", {"test_a.py": ""}, ["python3 -m pytest -q"]),
    ("a folder tests without tests in Python", "python", {"tests/run.sh": ""}, []),
    ("pytest configured", "python", {"pyproject.toml": "[tool.pytest.ini_options]\n"}, ["python -m pytest -q"]),
    ("pytest in setup.cfg", "python", {"setup.cfg": "[tool:pytest]\n"}, ["python -m pytest -q"]),
    ("broken pyproject.toml", "python ruff", {"pyproject.toml": "[tool.ruff"}, []),
    ("own environment", "python", {"tests/test_a.py": "", ".venv/bin/python": "",
     ".venv/lib/python3.11/site-packages/pytest/__init__.py": ""}, [".venv/bin/python -m pytest -q"]),
    ("own environment without pytest", "python", {"tests/test_a.py": "", ".venv/bin/python": ""}, []),
    ("uv", "python uv", {"tests/test_a.py": "", "uv.lock": ""}, ["uv run python -m pytest -q"]),
    ("a lock file of uv, which is not installed", "python", {"tests/test_a.py": "", "uv.lock": ""},
     ["python -m pytest -q"]),
    ("poetry with ruff", "poetry", {"tests/test_a.py": "", "poetry.lock": "", "ruff.toml": ""},
     ["poetry run python -m pytest -q", "poetry run ruff check"]),
    ("ruff and mypy", "ruff mypy", {"pyproject.toml": RUFF_AND_MYPY}, ["ruff check", "mypy"]),
    ("ruff, not installed", "", {"pyproject.toml": RUFF_AND_MYPY}, []),
    ("mypy that is told its files elsewhere", "mypy", {"pyproject.toml": "[tool.mypy]\nstrict = true\n"}, []),
    ("mypy.ini", "mypy", {"mypy.ini": "[mypy]\nfiles = src\n"}, ["mypy"]),
    ("npm", "npm", {"package.json": NPM}, ["npm test", "npm run lint", "npm run typecheck"]),
    ("pnpm by its lock file", "npm pnpm", {"package.json": DEFAULT.replace("Error: no", "a"), "pnpm-lock.yaml": ""},
     ["pnpm test"]),
    ("yarn by name", "npm yarn", {"package.json": '{"packageManager": "yarn@4", "scripts": {"test": "x"}}'},
     ["yarn test"]),
    ("bun", "bun", {"package.json": '{"scripts": {"test": "x"}}', "bun.lock": ""}, ["bun run test"]),
    ("a package manager that is not there", "npm", {"package.json": NPM, "yarn.lock": ""}, []),
    ("npm's default script", "npm", {"package.json": DEFAULT}, []),
    ("scripts that watch or fix", "npm",
     {"package.json": '{"scripts": {"test": "jest --watch", "lint": "eslint --fix ."}}'}, []),
    ("a script that does not watch", "npm", {"package.json": '{"scripts": {"test": "ng test --watch=false"}}'},
     ["npm test"]),
    ("broken package.json", "npm", {"package.json": "{"}, []),
    ("scripts that are no table", "npm", {"package.json": '{"scripts": ["test"]}'}, []),
    ("Rust and Go", "cargo go", {"Cargo.toml": "", "go.mod": ""}, ["cargo test", "go test ./..."]),
    ("Rust without cargo", "", {"Cargo.toml": ""}, []),
    ("Maven's wrapper", "mvn", {"pom.xml": "", "mvnw": ""}, ["./mvnw -q test"]),
    ("Maven", "mvn", {"pom.xml": ""}, ["mvn -q test"]),
    ("Gradle", "gradle", {"build.gradle.kts": ""}, ["gradle test"]),
    ("Elixir", "mix", {"mix.exs": ""}, ["mix test"]),
    ("a Makefile", "make", {"Makefile": "all:\ntest: all\n"}, ["make test"]),
    ("a Makefile with check", "make", {"Makefile": "check:\n\ttrue\n"}, ["make check"]),
    ("a Makefile with a variable", "make", {"Makefile": "test := 1\n"}, []),
    ("a Makefile beside something else", "make cargo", {"Makefile": "test:\n", "Cargo.toml": ""}, ["cargo test"]),
    ("a justfile", "just", {"justfile": "test:\n  true\n"}, ["just test"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("programs_there", "files", "found"), [one[1:] for one in PROJECTS], ids=[one[0] for one in PROJECTS]
)
def test_the_gates_of_a_project(
    tmp_path: Path, programs: Path, programs_there: str, files: dict[str, str], found: list[str]
) -> None:
    install(programs, programs_there)
    assert [gate.command for gate in gates.detect_gates(project(tmp_path, files))] == found


def test_without_pytest_tests_of_the_standard_library_are_run_with_it(tmp_path: Path, programs: Path) -> None:
    install(programs, "python", code=1)  # it can import nothing
    here = project(tmp_path, {"tests/test_a.py": "import unittest\n"})
    assert [gate.command for gate in gates.detect_gates(here)] == ["python -m unittest discover -s tests"]
    (here / "tests" / "test_a.py").write_text("def test_a(): pass\n")
    assert gates.detect_gates(here) == ()


def test_hooks_are_offered(tmp_path: Path) -> None:
    here = project(tmp_path, {".pre-commit-config.yaml": "", ".husky/pre-commit": "", "lefthook.yml": ""})
    assert gates.hooks_offered(here) == (
        "pre-commit run --all-files",
        "sh .husky/pre-commit",
        "lefthook run pre-commit --all-files",
    )
    assert gates.hooks_offered(tmp_path) == ()


# ---------------------------------------------------------------- run


def run(here: Path, command: str, timeout: float = 60) -> GateResult:
    return gates.run_gate(Gate(command), cwd=here, env=dict(os.environ), timeout=timeout)


def test_green_and_red(tmp_path: Path) -> None:
    green, red = run(tmp_path, "echo fine"), run(tmp_path, "echo broken >&2; exit 3")
    assert (green.ok, green.code, green.tail.strip()) == (True, 0, "fine")
    assert (red.ok, red.code, red.tail.strip(), red.none) == (False, 3, "broken", False)


def test_it_runs_where_it_is_told_to_with_the_environment_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x")
    result = gates.run_gate(Gate("cat here; echo $WHO"), cwd=tmp_path, env={**os.environ, "WHO": "ada"}, timeout=60)
    assert result.tail.split() == ["xada"]


def test_its_output_goes_to_the_log_and_its_end_into_the_result(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = gates.run_gate(Gate("seq 100000"), cwd=tmp_path, env=dict(os.environ), timeout=60, log=log)
    assert log.read_text().split() == [str(number) for number in range(1, 100001)]
    assert len(result.tail) <= gates.TAIL
    assert result.tail.endswith("100000\n")


def test_a_gate_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    result = run(tmp_path, "echo started; (trap '' TERM; sleep 300; touch alive) & sleep 300", timeout=1)
    assert (result.ok, result.timed_out, result.none) == (False, True, False)
    assert "started" in result.tail
    assert result.seconds < 30


def test_a_gate_that_is_stopped_is_neither_green_nor_timed_out(tmp_path: Path) -> None:
    gate, started = Gate("touch started; sleep 300"), tmp_path / "started"
    result = gates.run_gate(gate, cwd=tmp_path, env=dict(os.environ), timeout=60, stop=started.exists)
    assert (result.ok, result.timed_out, result.none) == (False, False, False)


def test_a_command_that_does_not_exist_is_red(tmp_path: Path) -> None:
    result = run(tmp_path, "no-such-program-here")
    assert (result.ok, result.code, result.none) == (False, 127, False)


# ---------------------------------------------------------------- nothing to run yet


def test_pytest_without_tests_is_neither_green_nor_red(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    result = run(tmp_path, f"{PYTHON} -m pytest -q")
    assert (result.ok, result.none, result.code) == (False, True, 5)


def test_pytest_with_a_red_test_is_red(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_a.py").write_text("def test_a(): assert 0\n")
    result = run(tmp_path, f"{PYTHON} -m pytest -q")
    assert (result.ok, result.none, result.code) == (False, False, 1)


@pytest.mark.skipif(not shutil.which("make"), reason="apt-get install make")
def test_make_hides_the_exit_code_of_pytest_and_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"test:\n\t{PYTHON} -m pytest -q -c /dev/null --rootdir .\n")
    assert run(tmp_path, "make test").none


def test_unittest_without_tests_is_neither_green_nor_red(tmp_path: Path) -> None:
    assert run(tmp_path, f"{PYTHON} -m unittest discover").none
    (tmp_path / "test_a.py").write_text("import unittest\nclass A(unittest.TestCase):\n  def test_a(self): pass\n")
    assert run(tmp_path, f"{PYTHON} -m unittest discover").ok


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_npms_default_script_is_neither_green_nor_red(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(DEFAULT)
    assert run(tmp_path, "npm test").none


@pytest.mark.parametrize(
    ("command", "code", "tail", "none"),
    [
        ("npx jest", 1, "\x1b[1mNo tests found, exiting with code 1\x1b[22m\r\nRun with `--pass`\n", True),
        ("npx vitest run", 1, "\nNo test files found, exiting with code 1\n\nfilter: x\n", True),
        ("npx mocha", 1, "Error: No test files found: \"test\"\n", True),
        ("go test ./...", 0, 'go: warning: "./..." matched no packages\nno packages to test\n', True),
        ("pytest -qq", 5, "", True),
        ("sh gate.sh", 5, "something else\n", False),
        ("pytest -q", 1, "no tests ran in 0.1s\n", False),
        ("pytest -q", 4, "ERROR: file not found\nno tests ran in 0.00s\n", False),
        ("make test", 2, "Ran 0 tests in 0.1s\n", False),
        ("python -m unittest a; python -m unittest b", 0, "Ran 3 tests in 1s\nOK\nRan 0 tests in 0s\nOK\n", False),
        ("npx jest", 1, "  expected: No tests found, exiting with code 1\n", False),
        ("x", None, "no tests ran", False),
    ],
)  # fmt: skip
def test_what_test_runners_say_when_there_is_nothing_to_run(command: str, code: int, tail: str, none: bool) -> None:
    assert gates.nothing_to_run(command, code, tail) is none


# ---------------------------------------------------------------- secrets

SECRET = "correct horse battery staple"  # noqa: S105 - an example


@pytest.mark.parametrize("before", [0, 65_530, 65_536, 131_060], ids=lambda size: f"{size} bytes before it")
def test_a_secret_that_a_gate_prints_reaches_no_file(tmp_path: Path, before: int) -> None:
    """Also where it comes in two pieces."""
    pieces = ["." * before + SECRET[:9], SECRET[9:], "\nthe end\n"]
    script = tmp_path / "gate.py"
    script.write_text(f"for piece in {pieces}: print(piece, end='', flush=True)\nexit(1)\n")
    command = f"{PYTHON} {script}"
    log = tmp_path / "log"
    result = gates.run_gate(Gate(command), cwd=tmp_path, env=os.environ, timeout=60, log=log, secrets=(SECRET,))
    assert log.read_text() == f"{'.' * before}{MASK}\nthe end\n"
    assert result.tail == log.read_text()[-gates.TAIL :]


def test_no_half_of_a_secret_at_the_beginning_of_the_tail(tmp_path: Path) -> None:
    command = f"printf '{SECRET}'; printf '%0{gates.TAIL - 5}d' 0; exit 1"
    result = gates.run_gate(Gate(command), cwd=tmp_path, env=os.environ, timeout=60, secrets=(SECRET,))
    assert "staple" not in result.tail
    assert result.tail.endswith("0")
