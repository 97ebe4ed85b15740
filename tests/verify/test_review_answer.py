"""A reviewer's answer is read strictly: no clear verdict is no answer."""

from __future__ import annotations

import pytest

from ralph.verify.review_answer import ReviewAnswer, read_answer

ANSWERS: dict[str, tuple[str, ReviewAnswer]] = {
    "accepted": ("VERDICT: ACCEPT", ReviewAnswer(ok=True)),
    "accepted, with words around": ("I looked.\n\nVERDICT: ACCEPT\n\nGood work.", ReviewAnswer(ok=True)),
    "bold": ("**VERDICT: ACCEPT**", ReviewAnswer(ok=True)),
    "refused": (
        "VERDICT: REFUSE\n- a.py:3: the order is lost\n- no test\n",
        ReviewAnswer(False, ("a.py:3: the order is lost", "no test")),
    ),
    "refused without a reason": ("VERDICT: REFUSE", ReviewAnswer(ok=False)),
    "what stood above is no problem": (
        "- a.py is fine\nVERDICT: REFUSE\n- b.py is not", ReviewAnswer(False, ("b.py is not",)),
    ),
    "accepted, with criteria": ("VERDICT: ACCEPT\nCRITERIA: 1, 3", ReviewAnswer(True, (), (1, 3))),
    "criteria, marked up": ("VERDICT: ACCEPT\n**CRITERIA:** `3, 1`.\n", ReviewAnswer(True, (), (1, 3))),
    "no criteria": ("VERDICT: ACCEPT\nCRITERIA: none", ReviewAnswer(ok=True)),
    "criteria in words": ("VERDICT: ACCEPT\nCRITERIA: all but 2", ReviewAnswer(ok=True)),
    "a range of criteria": ("VERDICT: ACCEPT\nCRITERIA: 1-3", ReviewAnswer(ok=True)),
    "two answers about criteria": ("VERDICT: ACCEPT\nCRITERIA: 1\nCRITERIA: 2", ReviewAnswer(ok=True)),
    "criteria in mid-sentence": ("VERDICT: ACCEPT\nI looked at CRITERIA: 1", ReviewAnswer(ok=True)),
    "criteria above the verdict": ("CRITERIA: 1\nVERDICT: ACCEPT", ReviewAnswer(ok=True)),
    "refused, with criteria": ("VERDICT: REFUSE\nCRITERIA: 1", ReviewAnswer(ok=False)),
    "both": ("VERDICT: ACCEPT\nVERDICT: REFUSE", ReviewAnswer(None)),
    "neither": ("Looks good to me!", ReviewAnswer(None)),
    "in mid-sentence": ("I would say VERDICT: ACCEPT if it had tests.", ReviewAnswer(None)),
    "empty": ("", ReviewAnswer(None)),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer(name: str) -> None:
    text, review = ANSWERS[name]
    assert read_answer(text) == review


def test_control_characters_do_not_get_through() -> None:
    assert read_answer("VERDICT: REFUSE\n- \x1b[31mred").problems == ("red",)
