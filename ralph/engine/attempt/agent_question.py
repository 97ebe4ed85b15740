"""The question that an agent asked at its end, instead of doing the task."""

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
    """The questions in the last paragraph of its last words, on one line.

    "" where it did some work, or asked nothing but a courtesy.
    """
    if not stopped.well or not any(finding.what in UNDONE for finding in findings):
        return ""
    paragraphs = [part for part in re.split(r"\n\s*\n", clean(stopped.said).strip()) if part.strip()]
    last = paragraphs[-1] if paragraphs else ""
    questions = [found[0].strip(" -*#>\t") for found in SENTENCE.finditer(last)]
    return one_line(" ".join(question for question in questions if not COURTESY.search(question)), MOST)
