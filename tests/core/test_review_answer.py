"""A reviewer's answer is read strictly: no clear verdict is no answer."""

from __future__ import annotations

import pytest

from ralph.verify.review_answer import Review, read_answer

ANSWERS: dict[str, tuple[str, Review]] = {
    "accepted": ("VERDICT: ACCEPT", Review(ok=True)),
    "accepted, with words around": ("I looked.\n\nVERDICT: ACCEPT\n\nGood work.", Review(ok=True)),
    "bold": ("**VERDICT: ACCEPT**", Review(ok=True)),
    "refused": (
        "VERDICT: REFUSE\n- a.py:3: the order is lost\n- no test\n",
        Review(False, ("a.py:3: the order is lost", "no test")),
    ),
    "refused without a reason": ("VERDICT: REFUSE", Review(ok=False)),
    "what stood above is no problem": (
        "- a.py is fine\nVERDICT: REFUSE\n- b.py is not", Review(False, ("b.py is not",)),
    ),
    "accepted, with criteria": ("VERDICT: ACCEPT\nCRITERIA: 1, 3", Review(True, (), (1, 3))),
    "criteria, marked up": ("VERDICT: ACCEPT\n**CRITERIA:** `3, 1`.\n", Review(True, (), (1, 3))),
    "no criteria": ("VERDICT: ACCEPT\nCRITERIA: none", Review(ok=True)),
    "criteria in words": ("VERDICT: ACCEPT\nCRITERIA: all but 2", Review(ok=True)),
    "a range of criteria": ("VERDICT: ACCEPT\nCRITERIA: 1-3", Review(ok=True)),
    "two answers about criteria": ("VERDICT: ACCEPT\nCRITERIA: 1\nCRITERIA: 2", Review(ok=True)),
    "criteria in mid-sentence": ("VERDICT: ACCEPT\nI looked at CRITERIA: 1", Review(ok=True)),
    "criteria above the verdict": ("CRITERIA: 1\nVERDICT: ACCEPT", Review(ok=True)),
    "refused, with criteria": ("VERDICT: REFUSE\nCRITERIA: 1", Review(ok=False)),
    "both": ("VERDICT: ACCEPT\nVERDICT: REFUSE", Review(None)),
    "neither": ("Looks good to me!", Review(None)),
    "in mid-sentence": ("I would say VERDICT: ACCEPT if it had tests.", Review(None)),
    "empty": ("", Review(None)),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer(name: str) -> None:
    text, review = ANSWERS[name]
    assert read_answer(text) == review


def test_control_characters_do_not_get_through() -> None:
    assert read_answer("VERDICT: REFUSE\n- \x1b[31mred").problems == ("red",)
