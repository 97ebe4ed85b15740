"""A question at the end of an attempt that did nothing is what the task is parked with."""

from __future__ import annotations

import pytest

from ralph.agents.model import Stopped, StopReason
from ralph.engine.attempt.agent_question import asked
from ralph.verify.model import Finding, FindingKind

IDLE = (Finding(FindingKind.NOTHING, "No file changed."),)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("I looked at it.\n\nShould I use the v1 or the v2 API?", "Should I use the v1 or the v2 API?"),
        ("What is X? It is Y.\n\nWhich database is meant?", "Which database is meant?"),
        ("Two things. Which port? And which host?", "Which port? And which host?"),
        ("- Which port?\n- Which host?", "Which port? Which host?"),
        ("I can't do it: a.py is missing.", ""),
        ("All done! Is there anything else I can do?", ""),
        ("Would you like me to continue?", ""),
        ("Which one? Let me know, is there anything else?", "Which one?"),
        ("", ""),
    ],
)
def test_the_question(said: str, question: str) -> None:
    assert asked(Stopped(StopReason.EXITED, 0, ended=True, said=said), IDLE) == question


def test_an_agent_that_worked_or_broke_off_asked_nothing() -> None:
    red = (Finding(FindingKind.GATE, "red"),)
    assert asked(Stopped(StopReason.EXITED, 0, ended=True, said="Why?"), red) == ""
    assert asked(Stopped(StopReason.EXITED, 1, ended=False, said="Why?"), IDLE) == ""
