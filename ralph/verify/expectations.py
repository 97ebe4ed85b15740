"""A gate that is red with the base's tests: broken work, or a task that changes what is expected. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ralph import paths
from ralph.git.model import Change
from ralph.verify.model import Evidence, GateResult, Rules

CHANGES_A_NAME = re.compile(
    r"\b(renam\w+|remov\w+|delet\w+|drop\w*|replac\w+|mov\w+|deprecat\w+|retir\w+|get rid|extract\w*"
    r"|split\w*|merg\w+)\b",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[A-Za-z_][\w.-]{2,}")
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?<![\w/.-])((?:[\w@.+-]+/)*[\w@+-][\w@.+-]*\.\w+)")


def only_changed_tests_fail(result: GateResult, restored: Iterable[str]) -> bool:
    """Return whether each failure of this run is in a test file that the attempt changed or removed.

    If the names of the failures are not known, the paths of tests in the end of the output decide.
    """
    changed = frozenset(restored)
    outcome = result.outcome
    if outcome is not None and outcome.failed_names:
        return all(any(belongs(name, path) for path in changed) for name in outcome.failed_names)
    tests = {path for path in PATH.findall(result.tail) if paths.is_test(path)}
    tests = {path for path in tests if not path.startswith(".") or "/" in path}
    return bool(tests) and all(
        any(path == own or path.endswith("/" + own) or own.endswith("/" + path) for own in changed)
        for path in tests
    )


def belongs(name: str, path: str) -> bool:
    """Return whether a test's name says that it is in this file or, for data, beside it.

    `tests/test_a.py::test_x`, and `tests.test_a.TestX::test_x` of a report, are in tests/test_a.py.
    """
    module = next((part for part in re.split(r"::| > ", name) if part), "")
    stem = path.rpartition(".")[0] or path
    dotted = stem.replace("/", ".")
    if module == path or module.endswith("/" + path) or module in (dotted, stem) or module.startswith(dotted + "."):
        return True
    folder = path.rpartition("/")[0]
    is_code = re.search(r"\.(py|[cm]?[jt]sx?|go|rs|rb|php|java|kt|cs|exs?|swift|dart|sh|bats|t)$", path) is not None
    return not is_code and bool(folder) and (module.startswith((folder + "/", folder.replace("/", ".") + ".")))


def is_named(name: str, text: str) -> bool:
    """Return whether a task names a test or its file: by a path, or in code."""
    test = re.split(r"::| > |[.:/ ]", name)[-1]
    spans = " ".join(SPAN.findall(text))
    if any(belongs(name, path) for path in PATH.findall(text)):
        return True
    return len(test) > 2 and re.search(rf"(?<!\w){re.escape(test)}(?!\w)", spans) is not None


def is_licensed(result: GateResult, evidence: Evidence, rules: Rules) -> bool:
    """Return whether the task lets its agent change what these tests expect.

    A person confirmed it; or the tests failed only because they were expected to; or the task asks for a rename or
    a removal, and what it names is gone from the product.
    """
    outcome = result.outcome
    if rules.may_change_tests:
        return True
    if outcome is not None and outcome.failed_names and outcome.failed_names <= outcome.mended_names:
        return True
    return asks_for_other_names(evidence, rules)


def asks_for_other_names(evidence: Evidence, rules: Rules) -> bool:
    """Return whether the task asks for a rename or a removal, and what it names is gone from the product."""
    return CHANGES_A_NAME.search(rules.text) is not None and bool(removed_subjects(rules.text, evidence))


def removed_subjects(text: str, evidence: Evidence) -> frozenset[str]:
    """Return the words of the task that name something that the work took out of the product."""
    words = frozenset(IDENTIFIER.findall(text))
    product = [change for change in evidence.changes if not paths.is_test(change.path)]
    return frozenset(word for word in words if _is_gone(word, product, evidence.contents))


def _is_gone(word: str, product: Iterable[Change], contents: Mapping[str, tuple[bytes, bytes]]) -> bool:
    """Return whether the word names a deleted file, or something that the changed files defined and do not now."""
    was = now = False
    for change in product:
        name = change.path.rpartition("/")[2]
        if change.status == "D" and word in (name, name.partition(".")[0], change.path):
            return True
        old, new = contents.get(change.path, (b"", b""))
        was, now = was or _defines(old, word), now or _defines(new, word)
    return was and not now


def _defines(text: bytes, word: str) -> bool:
    return any(match[1] == word.encode() for match in DEFINITION.finditer(_code(text)))


DEFINITION = re.compile(
    rb"\b(?:def|class|function|func|fn|const|let|var|type|struct|enum|interface|trait|module|sub|defp?|fun|record|object)\s+"
    rb"(?:\([^)\n]*\)\s*)?([A-Za-z_]\w*)"
)


def _code(text: bytes) -> bytes:
    return re.sub(rb"(?m)^\s*(#|//).*$", b"", text)
