"""Which test runners a gate names, directly or through a script that it runs; and the reader of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ralph.text import clean
from ralph.verify.outcomes import compiled, dynamic, javascript, python, tap
from ralph.verify.outcomes.model import Outcome, total

LONGEST = 2_000_000  # characters that are read, from the end
Reader = Callable[[Sequence[str]], Outcome | None]


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<![\w./-])(?:[\w./~$-]*/)?(?:{pattern})(?![\w-])" for pattern in patterns))


#: Runner -> what names it in a command, and its reader.
RUNNERS: Mapping[str, tuple[re.Pattern[str], Reader]] = {
    "pytest": (_words(r"py\.?test", r"python[\d.]* -m pytest"), python.read_pytest),
    "unittest": (_words("unittest", "nose2", r"manage\.py test"), python.read_unittest),
    "doctest": (_words(r"-m doctest", "doctest"), python.read_doctest),
    "jest": (_words("jest", "react-scripts test"), javascript.read_jest),
    "vitest": (_words("vitest"), javascript.read_vitest),
    "mocha": (_words("_?mocha"), javascript.read_mocha),
    "ava": (_words("ava"), javascript.read_ava),
    "playwright": (_words("playwright test"), javascript.read_playwright),
    "bun": (_words("bun test"), javascript.read_bun),
    "deno": (_words("deno test"), javascript.read_deno),
    "node": (_words(r"node (?:\S+ )*--test", r"tsx (?:\S+ )*--test"), tap.read_node),
    "tap": (_words("tape?", "tap-[a-z]+", "faucet"), tap.read_tap),
    "bats": (_words("bats"), tap.read_bats),
    "prove": (_words("prove"), tap.read_prove),
    "go": (_words(r"go (?:-C \S+ )?test", "gotestsum"), compiled.read_go),
    "nextest": (_words(r"cargo(?: \+\S+)? nextest"), compiled.read_nextest),
    "cargo": (_words(r"cargo(?: \+\S+)? (?:test|t)", "cargo llvm-cov", "cross test"), compiled.read_cargo),
    "ctest": (_words("ctest"), compiled.read_ctest),
    "dotnet": (_words("dotnet (?:test|vstest)"), compiled.read_dotnet),
    "maven": (_words(r"mvnw?", "mvnd"), compiled.read_maven),
    "swift": (_words("swift test", "xcodebuild"), compiled.read_swift),
    "dart": (_words("dart test", "flutter test", "very_good test"), compiled.read_dart),
    "rspec": (_words("rspec"), dynamic.read_rspec),
    "minitest": (
        _words("minitest", "rake test", "rails test", r"ruby (?:\S+ )*\S*test\S*\.rb", r"ruby -I\S*test"),
        dynamic.read_minitest,
    ),
    "phpunit": (_words("phpunit", "pest", "paratest", "artisan test"), dynamic.read_phpunit),
    "exunit": (_words("mix test"), dynamic.read_exunit),
}  # fmt: skip
#: Commands that name a runner and run no test.
NO_RUN = re.compile(
    r"--collect-only|--co\b|--no-run\b|-- --list\b|--list-?[tT]ests|ctest (?:\S+ )*-N\b|--dry-run|--version|--help"
)
#: Tools that put the task's name before each line.
PREFIX = re.compile(r"^(?:@?[\w./-]+:[\w:-]+: |[\w./@-]+\s+\| |\[[\w:./@-]+\] |> )")
WRAPPERS = _words("turbo", "nx", "lerna", "docker", "docker-compose", "concurrently", "pnpm", "wsrun", "moon")
SELECTION = re.compile(
    r"--testmon|--lf\b|--last-failed|--onlyChanged|--changedSince|--changed\b|(?<!\w)-o\b.*jest|affected|--picked"
)


def runners_of(command: str, texts: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the runners that a command names, or one of the texts that it executes."""
    parts = [text for text in (command, *texts) if not NO_RUN.search(text)]
    names = [name for name, (pattern, _) in RUNNERS.items() if any(pattern.search(text) for text in parts)]
    return tuple(name for name in names if name != "tap" or names == ["tap"])  # others print TAP, too


def runs_a_selection(command: str, texts: Iterable[str] = ()) -> bool:
    """Return whether the gate runs only the tests that a change affects, so that its count says nothing."""
    return any(SELECTION.search(text) for text in (command, *texts))


def read_output(runners: Sequence[str], text: str, texts: Iterable[str] = ()) -> Outcome | None:
    """Return what the runners reported in the output of a gate, or None if it has no count."""
    lines = [line.rstrip() for line in clean(text[-LONGEST:]).split("\n")]
    if any(WRAPPERS.search(part) for part in texts):
        lines = [PREFIX.sub("", line) for line in lines]
    outcomes = [outcome for name in runners if (outcome := RUNNERS[name][1](lines)) is not None]
    return total(outcomes)
