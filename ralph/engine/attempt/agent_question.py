"""The question that an agent asks at its end instead of doing the task."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.agents.model import Stopped
from ralph.text import clean, one_line
from ralph.verify.model import Finding, FindingKind

MOST = 400  # characters
SENTENCE = re.compile(r"[^.!?\n]+\?+")
COURTESY = re.compile(
    r"\b(anything else|any (?:other )?(?:questions|changes)|let me know|does (?:this|that) help"
    r"|is there (?:more|anything)"
    r"|(?:would|do) you (?:like|want) me to (?:continue|go on|proceed|do (?:anything|more)))\b",
    re.IGNORECASE,
)
UNDONE = {FindingKind.NOTHING, FindingKind.ONLY_PAPER, FindingKind.TICKED}


def asked(stopped: Stopped, findings: Sequence[Finding]) -> str:
    """Return the questions in the last paragraph of the agent's final text, on one line.

    Return "" if it did some work or asked only as a courtesy.
    """
    if not stopped.well or not any(finding.what in UNDONE for finding in findings):
        return ""
    paragraphs = [part for part in re.split(r"\n\s*\n", clean(stopped.said).strip()) if part.strip()]
    last = paragraphs[-1] if paragraphs else ""
    questions = [match[0].strip(" -*#>\t") for match in SENTENCE.finditer(last)]
    return one_line(" ".join(question for question in questions if not COURTESY.search(question)), MOST)
