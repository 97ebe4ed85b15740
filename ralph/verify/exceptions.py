"""What a task may change by exception, because it names it or because nothing stands that it could weaken."""

from __future__ import annotations

import re

from ralph import paths as sensitive
from ralph.verify import gate_config as guarded
from ralph.verify.model import Rules


def test_is_named(path: str, rules: Rules) -> bool:
    """Do the task's Files or its text name this test? `Files: src/**` names no test, `Files: tests/**` does."""
    by_files = any(sensitive.names_tests(name) and sensitive.matches((name,), path) for name in rules.scope)
    return by_files or _is_mentioned(path, _prose(rules))


def gate_file_is_named(path: str, rules: Rules) -> bool:
    """Do the task's Files name exactly this file? A folder or a pattern of all sorts is not enough."""
    return any(sensitive.names_path(pattern, path) for pattern in rules.scope)


def tool_is_new(path: str, key: str, base: bytes, rules: Rules) -> bool:
    """Is a tool configured here for the first time, where no gate stands, or by a task that asks for this tool?

    What configures ralph itself is never new: it says what ralph runs.
    """
    tool = guarded.tool(path, key)
    if rules.standing is None or not guarded.is_new(base, path, key):
        return False
    if tool == "ralph" or any(tool in command for command in rules.standing):
        return False
    return not rules.standing or bool(re.search(rf"\b{re.escape(tool)}\b", _prose(rules), re.IGNORECASE))


def _is_mentioned(path: str, text: str) -> bool:
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0] if sensitive.is_test(name) else name
    words = [re.escape(word) for word in (path, name, stem)]
    words += ["snapshots?"] if "__snapshots__/" in path else []
    return bool(re.search(rf"(?<![\w.-])({'|'.join(words)})(?![\w-])", text, re.IGNORECASE))


def _prose(rules: Rules) -> str:
    """The task's text without its checks: a test that a check runs is not one that may be changed."""
    text = rules.text
    for check in rules.checks:
        text = text.replace(check, "")
    return text
