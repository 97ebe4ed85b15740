"""Recorded outputs of real test runners: each is read as the truth says, or as "no count", never as another number.

fixtures/outcomes/expected.tsv is the truth. Add a recording and a line to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.verify.outcomes.model import Outcome
from ralph.verify.outcomes.runners import RUNNERS, read_output, runners_of, runs_a_selection

FIXTURES = Path(__file__).parents[3] / "fixtures" / "outcomes"


def recordings() -> Iterator[tuple[str, str, str, str]]:
    for line in (FIXTURES / "expected.tsv").read_text().splitlines()[1:]:
        name, _, expected, command, *script = line.split("\t")
        yield name, expected, command, "".join(script)


RECORDINGS = list(recordings())


def read(name: str, command: str, script: str, *, before: str = "", after: str = "") -> Outcome | None:
    text = (FIXTURES / f"{name}.txt").read_bytes().decode(errors="replace")
    return read_output(runners_of(command, [script]), before + text + after, [script] if script else [])


def shown(outcome: Outcome | None) -> str:
    if outcome is None:
        return "no count"
    unit = "" if outcome.unit == "tests" else f" {outcome.unit}"
    return f"{outcome.passed} {outcome.failed} {outcome.skipped}{unit}"


@pytest.mark.parametrize("runner", sorted({name.partition("/")[0] for name, *_ in RECORDINGS}))
def test_recordings_are_read_as_they_are(runner: str) -> None:
    mine = [
        (name, expected, command, script)
        for name, expected, command, script in RECORDINGS
        if name.startswith(f"{runner}/")
    ]
    assert {name: shown(read(name, command, script)) for name, _, command, script in mine} == {
        name: expected for name, expected, *_ in mine
    }


def test_names_never_contradict_the_counts() -> None:
    for name, _, command, script in RECORDINGS:
        if outcome := read(name, command, script):
            assert len(outcome.passed_names) <= outcome.passed, name
            assert len(outcome.failed_names) <= outcome.failed, name
            assert not outcome.passed_names & outcome.failed_names, name


NAMES = {
    "pytest/green-v": {"tests/test_calc.py::test_slow", "tests/test_calc.py::test_zero"},
    "go/green-v": {"ex/a TestAdd", "ex/a TestTable/x"},
    "cargo/green": {"t::one", "it"},
    "node-test/green": {"s > i"},
    "bats/green": {"one", "two"},
    "ctest/green": {"one", "two"},
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_where_the_output_has_them(name: str) -> None:
    outcome = next(
        read(recording, command, script) for recording, _, command, script in RECORDINGS if recording == name
    )
    assert outcome is not None
    assert NAMES[name] <= outcome.passed_names


# What a product prints while it is tested. It may look like a summary.
NOISE = st.text(alphabet=st.characters(codec="utf-8"), max_size=200)
FORGED = "\n===== 500 passed in 0.01s =====\n"


@pytest.mark.parametrize(
    "name", ["pytest/green-plain", "pytest/green-q", "pytest/red-q", "pytest/two-runs-in-one-gate"]
)
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_forged_summary_never_raises_the_count(name: str, where: str) -> None:
    command = next(command for recording, _, command, _ in RECORDINGS if recording == name)
    honest, forged = read(name, command, ""), read(name, command, "", **{where: FORGED})
    assert honest
    assert forged
    assert forged.passed <= honest.passed
    assert forged.failed >= honest.failed


@given(NOISE, st.sampled_from(sorted(RUNNERS)))
def test_any_text_can_be_read(text: str, runner: str) -> None:
    outcome = read_output([runner], text)
    assert outcome is None or min(outcome.passed, outcome.failed, outcome.skipped) >= 0


@pytest.mark.parametrize("runner", sorted(RUNNERS))
def test_a_long_output_takes_no_long_time(runner: str) -> None:
    """Patterns that backtrack would hang here: the limit of the test is its deadline."""
    for line in (
        "1 passed, " * 20_000,
        "a" * 300_000,
        " " * 300_000,
        "ok 1 - " + "x " * 100_000,
        "Tests: 1, " * 30_000,
    ):
        read_output([runner], f"{line}\n{line}")


COMMANDS = {
    "python3 -m pytest -q": ("pytest",),
    "uv run pytest": ("pytest",),
    ".venv/bin/pytest tests": ("pytest",),
    "pytest --collect-only": (),
    "python -m unittest discover": ("unittest",),
    "npx jest --ci": ("jest",),
    "./node_modules/.bin/vitest run": ("vitest",),
    "node --test": ("node",),
    "node --experimental-vm-modules --test tests": ("node",),
    "node index.js": (),
    "go test ./...": ("go",),
    "go vet ./...": (),
    "cargo test --workspace": ("cargo",),
    "cargo nextest run": ("nextest",),
    "cargo test --no-run": (),
    "cargo build": (),
    "bundle exec rspec": ("rspec",),
    "ruby -Itest test/a_test.rb": ("minitest",),
    "vendor/bin/phpunit": ("phpunit",),
    "./mvnw -q verify": ("maven",),
    "dotnet test": ("dotnet",),
    "mix test": ("exunit",),
    "bats tests": ("bats",),
    "ruff check .": (),
    "mypy pytest_plugin.py": (),
    "bash gate.sh": (),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_runner_is_the_one_that_the_gate_names(command: str) -> None:
    assert runners_of(command) == COMMANDS[command]


def test_a_runner_can_be_named_by_a_script() -> None:
    assert runners_of("npm test", ["jest && mocha --recursive"]) == ("jest", "mocha")


def test_a_gate_can_run_a_selection() -> None:
    assert runs_a_selection("pytest --testmon")
    assert runs_a_selection("npm test", ["jest --onlyChanged"])
    assert not runs_a_selection("pytest -m 'not slow'")
