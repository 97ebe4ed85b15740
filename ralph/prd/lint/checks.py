"""Lint rules for Check commands: does the program exist, and can the check fail?"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from ralph import paths as sensitive
from ralph.prd.lint.model import LintFacts, LintRemark, about, called
from ralph.prd.model import Prd, Task

HIDING = (
    (re.compile(r"\|\|\s*(?:true|:|exit 0|echo\b.*)\s*$|;\s*(?:true|:|exit 0)\s*$"), "succeeds whatever happens"),
    (
        re.compile(r"(?<!\|)\|\s*(?:tee|cat|head|tail|less|sort|wc|nl)\b[^|&;]*$"),
        "shows only how its last part ended",
    ),
    (re.compile(r"--exit-zero\b|--pass-?with-?no-?tests\b|(?:^|[\s;&])set \+e\b", re.IGNORECASE), "hides failures"),
    (re.compile(r"^\s*(?:true|:|echo\b[^|&;]*|exit 0)\s*$"), "proves nothing"),
)


def checks(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for each Check that is not a command, can't fail, or runs a script that the task changes."""
    for task in prd.tasks:
        for command in () if task.done else task.fields.checks:
            if (first := first_word(command)) in facts.missing:
                yield about(
                    task,
                    "no-command",
                    f"the Check of {called(task)} begins with `{first}`, no program here: {command[:80]}",
                    "A Check is a shell command. What only a reader sees is `Done when`.",
                )
            elif how := next((how for pattern, how in HIDING if pattern.search(command)), ""):
                yield about(
                    task,
                    "hides",
                    f"the Check of {called(task)} {how}: {command[:80]}",
                    "Let the command fail when the work is not done.",
                )
            yield from _own_script(task, command, facts)


def first_word(command: str) -> str:
    """Return the program that a command starts; "" if that is not obvious."""
    match = re.match(r"(?:[A-Za-z_]\w*=[^\s'\"]*\s+)*(?:!\s+)?([A-Za-z0-9_./+-]+)(?=\s|$|;|&)", command.strip())
    return match[1] if match else ""


def _own_script(task: Task, command: str, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark if a check runs a file of the task: `Check: python calc.py` makes a change of calc.py
    tampering."""
    scope = facts.patterns(task.fields.files)
    prose = f"{task.text}\n{task.body.replace(command, '')}"
    for path in sorted(_tracked(command, facts)):
        judged = (sensitive.is_test(path) and not path.endswith("sh")) or facts.is_gate_config(path)
        named = any(sensitive.names_path(pattern, path) for pattern in scope)
        changes = sensitive.matches(scope, path) if scope else _mentions(prose, path)
        if changes and not named and not judged:
            yield about(
                task,
                "own-script",
                f"the Check of {called(task)} runs {path}, which it may not change then",
                f"Name it, if it shall change: `- Files: {path}`.",
            )


def _tracked(command: str, facts: LintFacts) -> set[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return {posixpath.normpath(posixpath.join(facts.here, word)) for word in words} & set(facts.paths or ())


def _mentions(text: str, path: str) -> bool:
    return bool(re.search(rf"(?<![\w.-]){re.escape(posixpath.basename(path))}(?![\w-])", text))
