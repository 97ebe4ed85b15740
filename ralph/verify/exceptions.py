"""Exceptions: changes that a task may make because it names the path, or because they weaken no gate."""

from __future__ import annotations

import re

from ralph import paths as sensitive
from ralph.verify.gate_code import gate_config as guarded
from ralph.verify.model import Evidence, Rules


def test_is_named(path: str, rules: Rules) -> bool:
    """Return whether the task's Files or text name this test. `Files: src/**` names no test, `Files: tests/**`
    does."""
    by_files = any(sensitive.names_tests(name) and sensitive.matches((name,), path) for name in rules.scope)
    return by_files or _is_mentioned(path, _prose(rules))


def may_change_tests_in(path: str, rules: Rules) -> bool:
    """Return whether the task's Files name this source file, and tests: then its own tests may change, too."""
    tests = any(sensitive.names_tests(name) for name in rules.scope)
    return tests and sensitive.matches(rules.scope, path)


def gate_file_is_named(path: str, rules: Rules) -> bool:
    """Return whether the task's Files name exactly this file; a folder or a general pattern is not enough."""
    return any(sensitive.names_path(pattern, path) for pattern in rules.scope)


def tool_is_new(path: str, key: str, base: bytes, rules: Rules) -> bool:
    """Return whether a tool is configured here for the first time, without an existing gate or by a task about it.

    The configuration of ralph itself is never new: it decides what ralph runs.
    """
    tool = guarded.tool(path, key)
    if rules.standing is None or not guarded.is_new(base, path, key):
        return False
    if tool == "ralph" or any(tool in command for command in rules.standing):
        return False
    return not rules.standing or bool(re.search(rf"\b{re.escape(tool)}\b", _prose(rules), re.IGNORECASE))


def _is_mentioned(path: str, text: str) -> bool:
    """Return whether a text names a file: by its path or name, or in code. A plain word names none."""
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0]
    spoken = (path, name, stem) if re.search("test|spec", stem, re.IGNORECASE) else (path, name)
    names = [re.escape(word) for word in spoken if word] + [f"`{re.escape(stem)}`" if stem else ""]
    names = [word for word in names if word]
    names += ["snapshots?"] if "__snapshots__/" in path else []
    return bool(re.search(rf"(?<![\w.-])({'|'.join(names)})(?![\w-])", text, re.IGNORECASE))


def _prose(rules: Rules) -> str:
    """Return the task's text without its checks: a test that a check runs may not be changed for that reason."""
    text = rules.text
    for check in rules.checks:
        text = text.replace(check, "")
    return text


def tests_to_restore(evidence: Evidence, rules: Rules) -> tuple[str, ...]:
    """Return the added, changed and deleted test files that the task does not name.

    If there are any, the gates run once more with their base versions (`Evidence.base_tests`).
    """
    paths = (change.path for change in evidence.changes)
    return tuple(path for path in paths if sensitive.is_test(path) and not test_is_named(path, rules))
