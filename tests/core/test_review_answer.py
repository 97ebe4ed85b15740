"""A reviewer's answer is read strictly: no clear verdict is no answer."""

from __future__ import annotations

import pytest

from ralph.core.review import Review, read_answer

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
