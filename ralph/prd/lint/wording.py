"""Lint rules for the wording of tasks: vague tasks and tasks that are too large. In doubt there is no remark.

Tried on 3,700 open tasks of 200 real documents: 3 in 100 get a remark, and a reader agrees with most of them. Rules
that were wrong more often (no verb, "and", "e.g. x, y etc." in brackets) were left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ralph.prd.lint.model import LintFacts, LintRemark, about, called, open_leaves
from ralph.prd.model import Prd, Task

MOST_TEXT = 400  # characters of a task's own text
MOST_BULLETS = 30  # below one task
MOST_LAX = 8  # words up to which "improve" is still vague
MOST_JOBS = 5  # "a, b, c, d and e"

LAX = re.compile(  # no end of the work can be checked
    r"\b(?:(?:improve|enhance|optimi[sz]e|polish|rework|revisit|beautify)\b|(?:clean|tidy) up\b|code clean ?up\b"
    r"|make \w+ (?:better|nicer)\b)",
    re.IGNORECASE,
)
CATCH_ALL = re.compile(
    r"(?:fix|find and fix|squash|resolve)?(?: all| any| some| remaining| minor| various| small| known| other)*"
    r" (?:bugs?|issues?|problems|errors|things)|bug ?fix(?:es|ing)?"
    r"|(?:code )?(?:clean ?up|refactor(?:ing)?)(?: the)?(?: code)?|misc\w*\b.*|various\b.*"
    r"|(?:final|finishing) touches|improvements?|polish(?:ing)?|stuff|everything else",
    re.IGNORECASE,
)
SURE = re.compile(
    r"\d|`|[\w-]+\.\w{1,5}\b|/|\([^)]{8,}\)|[:：—–]|\b(?:by|from|so that|until|when|without|instead)\b"
)
OPEN_END = re.compile(r"\betc\b|\band so on\b|\band more\b|(?:\.\.\.|…)$|\bwhatever\b", re.IGNORECASE)
UNDECIDED = re.compile(r"\bTB[DCA]\b|\?\?+|\bto be (?:decided|defined|determined)\b")
PLACEHOLDER = re.compile(
    r"(?<!\$)\[(?!x\]|X\])[A-Z][A-Za-z ,/-]{3,}\](?![(\[:])|<[a-z]+(?:[ -][a-z]+)+>|\{\{.*?\}\}|lorem ipsum"
)
ASIDE = re.compile(r"\([^)]*\)|“[^”]*”|\"[^\"]*\"")  # examples may be open-ended
CODE = re.compile(r"`[^`]*`")
OTHER_FIELDS = re.compile(  # fields that say nothing about the work
    r"^[-*+] [*_]*(?:files?|scope|protected|depends(?: on)?|group|agent|model|attempts|timeout)[*_]*:"
    r".*(?:\n\s+.*)*",
    re.IGNORECASE | re.MULTILINE,
)
JOBS = re.compile(r"[,;]\s|\s(?:and|und|et|y)\s|\s\+\s|\s&\s")


def wording(prd: Prd, _: LintFacts) -> Iterator[LintRemark]:
    """Yield the remarks about each open task."""
    for task in open_leaves(prd):
        yield from _vague(task)
        yield from _large(task)


# ---------------------------------------------------------------- vague


def _vague(task: Task) -> Iterator[LintRemark]:
    prose = CODE.sub("``", task.text)
    if match := UNDECIDED.search(prose):
        yield about(
            task,
            "undecided",
            f"{called(task)} is not decided yet: “{match[0]}”",
            "An agent would decide for you: write down what you want, or park it.",
        )
    elif match := PLACEHOLDER.search(prose):
        yield about(
            task,
            "placeholder",
            f"{called(task)} still has a place to be filled in: “{match[0][:40]}”",
            "Write what belongs there.",
        )
    elif not _explained(task):
        yield from _unexplained(task, prose)


def _unexplained(task: Task, prose: str) -> Iterator[LintRemark]:
    if match := OPEN_END.search(ASIDE.sub("", prose)):
        yield about(
            task,
            "vague",
            f"{called(task)} has an open end: “{match[0]}”",
            "List all that belongs to it, or end the list.",
        )
    elif (match := LAX.search(prose)) and not _says_more(task, prose):
        yield about(
            task,
            "vague",
            f"“{match[0]}” in {called(task)} says not when it is done",
            "Say what will be different: `- Done when: a search takes less than 100 ms`.",
        )
    elif _is_one_word(task, prose) or CATCH_ALL.fullmatch(_bare(task)):
        yield about(
            task,
            "vague",
            f"{called(task)} says too little",
            "Say what to do in a sentence; below it what it takes to be done.",
        )


def _explained(task: Task) -> bool:
    """Return whether an item below the task explains the work."""
    return bool(OTHER_FIELDS.sub("", task.body).strip())


def _says_more(task: Task, prose: str) -> bool:
    """Return whether the text has a number, a name, a reason, or simply many words."""
    text = prose.removeprefix(task.id if task.written else "")
    return bool(SURE.search(text)) or len(text.split()) > MOST_LAX


def _bare(task: Task) -> str:
    """Return the words of the task without id and emphasis."""
    return task.text.removeprefix(task.id if task.written else "").strip(" *_:.)-")


def _is_one_word(task: Task, prose: str) -> bool:
    """Return whether the text is a single Latin word. A parent or a heading often explains it."""
    words = re.findall(r"\w+", prose)
    return len(words) == 1 and words[0].isascii() and task.parent is None and not task.headings


# ---------------------------------------------------------------- large


def _large(task: Task) -> Iterator[LintRemark]:
    bullets = len(re.findall(r"(?m)^\s*(?:[-*+]|\d+[.)])\s", task.body))
    jobs = 1 + len(JOBS.findall(ASIDE.sub("", CODE.sub("``", task.text))))
    if len(task.text) > MOST_TEXT:
        problem = f"{called(task)} is {len(task.text)} characters long"
    elif bullets > MOST_BULLETS:
        problem = f"{bullets} bullets stand below {called(task)}"
    elif jobs > MOST_JOBS and re.search(r"\band\b", task.text):
        problem = f"{called(task)} asks for {jobs} things in one sentence"
    else:
        return
    yield about(
        task,
        "large",
        f"{problem}: too much for one attempt, perhaps",
        "Break it into nested tasks (`- [ ]`) that can each be checked.",
    )
