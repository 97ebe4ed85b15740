"""Lines of the work that silence a test or a linter in files that hold product code or tests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ralph.immutable import immutable

SUPPRESSIONS: Mapping[str, re.Pattern[str]] = {
    "skips a test": re.compile(
        r"@(?:pytest\.mark\.)?(?:skip|skipif|xfail|unittest\.skip\w*|Ignore|Disabled)\b|pytest\.(?:skip|xfail)\("
        r"|\b(?:it|test|describe|context)\.(?:skip|todo)\(|\bx(?:it|describe|test)\(|#\[ignore\b|\bt\.Skip(?:f|Now)?\("
        r"|\[(?:Fact|Theory)\(Skip|\[Ignore\b|markTestSkipped|markTestIncomplete|@tag :skip|\bpending\b.*do$|skip:"
    ),
    "runs only some tests": re.compile(r"\b(?:it|test|describe|context)\.only\(|\bf(?:it|describe)\(|:focus\b"),
    "silences a linter": re.compile(
        r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore|pylint:\s*disable|nosec|ruff:\s*noqa|mypy:\s*ignore|fmt:\s*off)"
        r"|(?:eslint|oxlint|biome|stylelint|tslint|prettier)-(?:disable|ignore)|@ts-(?:ignore|nocheck|expect-error)"
        r"|//\s*nolint|#!?\[allow\(|@SuppressWarnings|#pragma\s+warning\s+disable|rubocop:disable|phpcs:ignore|@phpstan-ignore"
        r"|credo:disable|swiftlint:disable|//\s*ignore(?:_for_file)?:|shellcheck disable|NOLINT|staticcheck"
    ),
    "leaves code out of coverage": re.compile(
        r"pragma:\s*no cover|(?:istanbul|c8|v8) ignore|LCOV_EXCL|codeCoverageIgnore|:nocov:"
    ),
}
ASSERTION = re.compile(
    r"\bassert\w*\b|\bexpect\(|\brequire\.\w+\(|\bshould\b|\bt\.(?:Error|Fatal)f?\(|^\s*>>> ", re.MULTILINE
)
CODE = re.compile(
    r".*\.(py|pyi|[cm]?[jt]sx?|vue|svelte|go|rs|java|kt|kts|scala|cs|fs|c|h|cc|cpp|hpp|rb|php|exs?|swift|dart|sh|bash|bats|lua)"
)


@immutable
class Suppression:
    """A line that the work adds, or assertions that it takes out."""

    path: str
    what: str  # the end of a sentence
    line: str = ""


def find_suppressions(path: str, old: bytes, new: bytes) -> Iterator[Suppression]:
    """Yield what a change of a source file silences: new suppressions, and fewer assertions."""
    if not CODE.fullmatch(path):
        return
    before = old.decode(errors="replace").splitlines()
    after = new.decode(errors="replace").splitlines()
    known = frozenset(line.strip() for line in before)
    for line in after:
        if line.strip() in known:
            continue
        for what, pattern in SUPPRESSIONS.items():
            if pattern.search(line):
                yield Suppression(path, what, line.strip()[:120])
                break
    lost = _assertions(before) - _assertions(after)
    if old and new and lost > 0:
        yield Suppression(path, f"has {lost} {'assertion' if lost == 1 else 'assertions'} less")


def _assertions(lines: list[str]) -> int:
    return sum(ASSERTION.search(line) is not None for line in lines)
