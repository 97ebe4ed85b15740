"""Gates: the project's own checks. Run one and classify its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ralph.process import command as proc
from ralph.verify.detect_gates import detect_gates, hooks_offered
from ralph.verify.missing_runners import find_missing_runners as missing
from ralph.verify.model import Gate, GateResult

__all__ = ["detect_gates", "hooks_offered", "missing", "nothing_to_run", "run_gate"]

TAIL = 4000  # characters of output in a result

#: Output of test runners without any test, with the exit codes that go with it.
NO_TESTS: tuple[tuple[frozenset[int], re.Pattern[str]], ...] = (
    (frozenset({5}), re.compile(r"no tests (ran|collected)|\d+ deselected")),  # pytest
    (frozenset({2}), re.compile(r"(?ms)no tests ran in .*^make.*: .* Error 5$")),  # pytest, called by make
    (frozenset({0, 5}), re.compile(r"(?ms)\A(?!.*^Ran [1-9]).*^Ran 0 tests in ")),  # unittest
    (frozenset({1}), re.compile(r"Error: no test specified")),  # npm's default script
    (frozenset({1}), re.compile(r"(?m)^No tests found, exiting with code 1")),  # jest
    (frozenset({1}), re.compile(r"(?m)^No test files? found, exiting with code 1")),  # vitest
    (frozenset({1}), re.compile(r"(?m)^Error: No test files found")),  # mocha
    (frozenset({0, 1}), re.compile(r"no packages to test|matched no packages")),  # go
)


def run_gate(
    gate: Gate, *, cwd: Path, env: Mapping[str, str], timeout: float, log: Path | None = None,
    stop: Callable[[], bool] = lambda: False, secrets: Sequence[str] = (),
) -> GateResult:  # fmt: skip
    """Run a gate by `sh -c`, for at most `timeout` seconds. Write its output to `log` and its end into the result,
    both without `secrets`.

    A gate that `stop` ended is neither ok nor timed out.
    """
    done = proc.run_command(
        ["sh", "-c", gate.command],
        cwd=cwd,
        env=env,
        timeout=timeout,
        output=log,
        tail=TAIL,
        stop=stop,
        secrets=secrets,
    )
    ended = not done.timed_out and not done.stopped
    none = ended and nothing_to_run(gate.command, done.code, done.tail)
    ok = ended and done.code == 0 and not none
    return GateResult(gate, ok, done.code, done.seconds, done.tail, done.timed_out, none)


def nothing_to_run(command: str, code: int | None, tail: str) -> bool:
    """Return whether the output of a test runner says that there are no tests yet: neither green nor red."""
    if code == 5 and "pytest" in command:
        return True
    text = re.sub(r"\x1b\[[\d;]*m", "", tail).replace("\r\n", "\n")
    return any(code in codes and pattern.search(text) for codes, pattern in NO_TESTS)
