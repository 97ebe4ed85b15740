"""Tests that a project has and that can't run here: real interpreters, and a PATH with nothing else on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ralph.verify import detect_gates as toolchains
from ralph.verify import missing_runners as missing

PLAIN = "def test_sum():\n    assert 1 + 1 == 2\n"
CLASS = "import unittest\n\n\nclass SumTest(unittest.TestCase):\n    def test_sum(self): pass\n"
CONFIGURED = "[tool.pytest.ini_options]\n"
NPM = '{"scripts": {"test": "vitest run"}}'
DEFAULT = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
SDK = '<PackageReference Include="Microsoft.NET.Test.Sdk"/>'
NAME = "or name the command that runs the tests with `--gate`."


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH: `python3` is real and can't import pytest."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    for name in ("python", "activate"):
        (bare / "bin" / name).unlink()
    monkeypatch.setenv("PATH", str(bare / "bin"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return bare / "bin"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def write(here: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)


def program(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\nexit 0\n")
    (folder / name).chmod(0o755)


def whats(here: Path) -> list[str]:
    return [one.what for one in missing.find_missing_runners(here)]


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"pyproject.toml": CONFIGURED, "tests/test_a.py": PLAIN}, "tests/ and pytest's configuration are here"),
        ({"pytest.ini": "", "tests/check_a.py": "x = 1\n"}, "tests/ and pytest's configuration are here"),
        ({"setup.cfg": "[tool:pytest]\n", "test/test_a.py": CLASS}, "test/ and pytest's configuration are here"),
        (
            {"tox.ini": "[pytest]\n", "src/a/test_a.py": PLAIN},
            "src/a/test_a.py and pytest's configuration are here",
        ),
        ({"tests/conftest.py": "", "tests/test_a.py": CLASS}, "tests/ and pytest's configuration are here"),
        ({"tests/test_a.py": PLAIN}, "tests/test_a.py is a test for pytest"),
        ({"test_a.py": "import pytest\n" + CLASS}, "test_a.py is a test for pytest"),
    ],
    ids=["pyproject", "pytest.ini", "setup.cfg", "tox.ini", "conftest", "plain tests", "imports pytest"],
)
def test_pytest_can_not_be_imported(here: Path, programs: Path, files: dict[str, str], shown: str) -> None:
    write(here, files)
    (only,) = missing.find_missing_runners(here)
    assert only.what == f"{shown}, but `python3` can't import pytest"
    assert only.cure == f"Activate the project's virtual environment, {NAME}"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"pyproject.toml": CONFIGURED},
        {"pyproject.toml": CONFIGURED, "tests/a.test.js": "test('a')\n", "tests/test_a.sh": "true\n"},
        {"pyproject.toml": CONFIGURED, "node_modules/a/test_a.py": PLAIN},
        {"tests/test_a.py": CLASS},
        {"tests/test_a.py": "# nothing yet\n"},
        {"tests/run.sh": "true\n"},
    ],
    ids=["nothing", "configured, no tests", "another language", "not its own", "unittest", "empty", "a script"],
)
def test_no_tests_for_pytest(here: Path, programs: Path, files: dict[str, str]) -> None:
    write(here, files)
    assert missing.find_missing_runners(here) == ()


def environment(folder: Path, *, with_pytest: bool) -> None:
    """A real one. Its pytest comes through a path file, as a link to the one that runs this test."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    if with_pytest:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "more.pth").write_text(str(Path(pytest.__file__).parents[1]))


def test_pytest_is_there(here: Path, programs: Path) -> None:
    """Also where only the interpreter itself knows: path files, `--system-site-packages`."""
    write(here, {"pyproject.toml": CONFIGURED, "tests/test_a.py": PLAIN})
    assert missing.find_missing_runners(here)
    environment(here / ".venv", with_pytest=True)
    assert missing.find_missing_runners(here) == ()
    assert [gate.command for gate in toolchains.detect_gates(here)] == [".venv/bin/python -m pytest -q"]


@pytest.mark.parametrize(("active", "name"), [(False, "env/bin/python"), (True, "{active}/bin/python")])
def test_an_environment_that_has_pytest_is_named(
    here: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, active: bool, name: str
) -> None:
    write(here, {"pyproject.toml": CONFIGURED, "tests/test_a.py": PLAIN})
    environment(tmp_path / "active" if active else here / "env", with_pytest=True)
    if active:
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    (only,) = missing.find_missing_runners(here)
    assert f"`--gate '{name.format(active=tmp_path / 'active')} -m pytest -q'`" in only.cure


def test_the_project_s_own_environment_lacks_it(here: Path, programs: Path) -> None:
    write(here, {"pyproject.toml": CONFIGURED, "tests/test_a.py": PLAIN})
    environment(here / ".venv", with_pytest=False)
    (only,) = missing.find_missing_runners(here)
    assert "`.venv/bin/python` can't import pytest" in only.what
    assert only.cure == f"Install pytest into .venv/, {NAME}"
    program(programs, "pytest")
    assert "`--gate 'pytest -q'`" in missing.find_missing_runners(here)[0].cure


def test_the_tool_of_a_lock_file_is_not_installed(here: Path, programs: Path) -> None:
    write(here, {"uv.lock": "", "tests/test_a.py": PLAIN})
    assert missing.find_missing_runners(here)[0].cure == f"Install uv, which uv.lock is for, {NAME}"
    program(programs, "uv")
    assert missing.find_missing_runners(here) == ()


def test_the_interpreter_is_asked_in_the_project(here: Path, programs: Path) -> None:
    """pyenv chooses one by the folder."""
    write(here, {"tests/test_a.py": PLAIN, ".python-version": "project\n"})
    (programs / "python").write_text("#!/bin/sh\n[ -e .python-version ]\n")
    (programs / "python").chmod(0o755)
    assert missing.find_missing_runners(here) == ()


@pytest.mark.parametrize(
    ("files", "what", "lacks"),
    [
        ({"package.json": NPM}, "package.json has a test script", "npm"),
        ({"package.json": NPM, "pnpm-lock.yaml": ""}, "package.json has a test script", "pnpm"),
        ({"package.json": NPM, "yarn.lock": ""}, "package.json has a test script", "yarn"),
        ({"package.json": NPM, "bun.lock": ""}, "package.json has a test script", "bun"),
        ({"Cargo.toml": "", "src/lib.rs": "#[cfg(test)]\nmod t {\n#[test]\nfn a() {}}"},
         "Cargo.toml and src/lib.rs are here", "cargo"),
        ({"Cargo.toml": "", "tests/a.rs": "#[tokio::test]\n"}, "Cargo.toml and tests/a.rs are here", "cargo"),
        ({"go.mod": "", "a/a_test.go": ""}, "go.mod and a/a_test.go are here", "go"),
        ({"pom.xml": "", "core/src/test/java/ATest.java": ""},
         "pom.xml and core/src/test/java/ATest.java are here", "mvn"),
        ({"build.gradle": "", "src/test/kotlin/A.kt": ""},
         "build.gradle and src/test/kotlin/A.kt are here", "gradle"),
        ({"mix.exs": "", "test/a_test.exs": ""}, "mix.exs and test/a_test.exs are here", "mix"),
        ({".rspec": "", "spec/a_spec.rb": ""}, ".rspec and spec/a_spec.rb are here", "bundle"),
        ({"a.sln": "", "t/t.csproj": SDK}, "a.sln and t/t.csproj are here", "dotnet"),
        ({"Makefile": "test:\n\ttrue\n"}, "Makefile has the target `test`", "make"),
        ({"justfile": "check:\n  true\n"}, "Justfile has the target `check`", "just"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_program_is_missing(here: Path, programs: Path, files: dict[str, str], what: str, lacks: str) -> None:
    write(here, files)
    assert [(one.what, one.cure) for one in missing.find_missing_runners(here)] == [
        (f"{what}, but `{lacks}` is not on PATH", f"Install {lacks} or put it on PATH, {NAME}")
    ]
    program(programs, lacks)
    assert missing.find_missing_runners(here) == ()


def test_phpunit_is_not_installed(here: Path, programs: Path) -> None:
    write(here, {"phpunit.xml": "", "tests/SumTest.php": ""})
    assert whats(here) == ["phpunit.xml and tests/SumTest.php are here, but vendor/bin/phpunit is missing"]
    program(here / "vendor/bin", "phpunit")
    assert missing.find_missing_runners(here) == ()


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": DEFAULT},
        {"package.json": '{"scripts": {"build": "tsc"}}'},
        {"package.json": '{"scripts": {"test": "jest --watch"}}'},
        {"Cargo.toml": "", "src/main.rs": "fn main() {}\n"},
        {"go.mod": "", "main.go": ""},
        {"go.mod": "", "vendor/x/x_test.go": ""},
        {"pom.xml": "", "src/main/java/A.java": ""},
        {".rspec": ""},
        {"a.sln": "", "a/a.csproj": "<Project/>"},
        {"Makefile": "all:\n\ttrue\n"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_a_project_that_shows_no_tests(here: Path, programs: Path, files: dict[str, str]) -> None:
    write(here, files)
    assert missing.find_missing_runners(here) == ()


def test_a_makefile_beside_a_gate_is_not_asked_for(here: Path, programs: Path) -> None:
    write(here, {"Makefile": "test:\n\tgo test\n", "go.mod": "", "a_test.go": ""})
    program(programs, "go")
    assert missing.find_missing_runners(here) == ()


def test_each_toolchain_shows_its_tests() -> None:
    assert missing.TESTS.keys() == {name for name, _ in toolchains.OTHERS}


def test_a_program_that_hangs_is_not_waited_for(
    here: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchains, "PATIENCE", 0.2)
    (programs / "python").write_text("#!/bin/sh\nexec /bin/sleep 100\n")
    (programs / "python").chmod(0o755)
    write(here, {"tests/test_a.py": PLAIN})
    assert "can't import pytest" in missing.find_missing_runners(here)[0].what
