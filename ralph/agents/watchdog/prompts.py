"""Whether the end of a terminal asks a person something, and what the user wants typed then.

A line counts only if all of it is made like a prompt: prose that speaks of passwords, or that ends with a question
in mid-line, must not end an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.text import clean, one_line

LOOK = 8  # lines at the end in which a text of the user's, or the hint of a menu, may stand
LONGEST = 200  # characters of a line that can be a prompt
SETTLED = 1.0  # seconds that a prompt stands before an answer is typed
TIMES = 3  # answers to the same prompt

_GLYPHS = r"^(?:[^\w\s(\[$'\"`/-]{1,3}\s+)?"  # `? `, `> `, `❯ `: how forms begin
_HIDDEN = r"(?:pass ?(?:word|phrase|code)|pin|otp|(?:verification|one[- ]time|2fa|mfa|security) (?:code|password))"
_BEFORE = (  # what may stand between the start of the line and the name of the secret
    r"(?:\[[\w-]+\]:? |\([\w ]+\) )?(?:please |enter |type |provide |input |re-?enter |re-?type |repeat |confirm "
    r"|verify |new |old |current |your |the |unix |ssh |gpg |sudo |vault |master |login |import |export |keystore "
    r"|key |\S{1,80}['’]s |again )*"
)
_VERB = (
    r"(?:proceed|continue|overwrite|replace|confirm|accept|allow|trust|install|uninstall|remove|delete|retry|abort"
    r"|quit|exit|try again|ok to proceed|is this (?:ok|okay|correct|right)|are you (?:really )?sure"
    r"|(?:do|would) you (?:really )?(?:want|wish|like|agree|accept|trust)(?! me\b)|(?:rm|mv|cp|ln): \w+)"
)
_OTHER = r"(?:[/,|] ?[\[(]?[\w?!]{1,12}[\])]?){0,12}"
_CHOICE = rf"[\[(]\[?y(?:es)?\]?{_OTHER}[/,|] ?\[?no?\]?{_OTHER}[\])]"

PROMPTS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _GLYPHS + _BEFORE + _HIDDEN + r"(?:[ (].{0,150})?:$",
        _GLYPHS + _BEFORE + r"user ?name(?: for .{1,150})?:$|^(?!if |elif |while )(?:[\w.-]{1,60} )?login:$",
        _CHOICE + r" ?(?:\?|:|\?:)? ?[>»]?$",  # [Y/n], (yes/no/[fingerprint])?, [y,n,q,a,d,e,?]?
        r"\? ?[\[(]y(?:es)?[\])]:?$",  # Ok to proceed? (y)
        r"[\[(]y[\])]es(?:, ?|/)[\[(]n[\])]o\b.*:$|\by/n ?[?:]?$",  # (Y)es/(N)o [Yes]:
        _GLYPHS + _VERB + r"\b[^?]*\?(?: ?[\[(][^\])]{0,30}[\])])? ?:?$",
        r"(?:^|[([:.!] ?)(?:please )?(?:press|hit) (?:the )?[\[<'\"]?(?:enter|return|any key|a key|space)\b"
        r"(?:[^.]*[^.!?]|[^.]*(?:\.\.+|( \.){2,}))?$",
        _GLYPHS + r"(?:please )?enter (?!the following|this|these|it\b).{1,120}[:>]$",
        _GLYPHS + r"(?:please )?(?:select|choose|pick) (?:an?|one|your|the|which)\b[^.]{0,60}[:?>]$",
        _GLYPHS + r"(?:your )?(?:choice|selection)(?: ?[\[(].{0,30}[\])])? ?[:?>]$",
        r"^(?:\(pdb\+*\)|ipdb>|\(gdb\)|\(lldb\)|>>>|-- ?more ?--.{0,20}|\(end\)|lines \d+-\d+.{0,20})$",
        r"waiting for your editor to close",
    )
)
MENU = re.compile(
    r"\((?:use|move)[^()]{0,40}arrow[^()]{0,60}\)|[↑↓]/?[↓↑][^.]{0,30}(?:move|select|navigate)"
    r"|enter to (?:select|confirm)",
    re.IGNORECASE,
)


def prompt(text: str) -> str:
    """The prompt to a person that the text ends with, on one line; "" where it ends with none."""
    lines = _last_lines(text)
    if lines and (_asks(lines[-1]) or any(MENU.search(line) for line in lines)):
        return one_line(lines[-1])
    return ""


def _asks(line: str) -> bool:
    return len(line) <= LONGEST and any(pattern.search(line) for pattern in PROMPTS)


def _last_lines(text: str) -> list[str]:
    return [stripped for line in clean(text[-4_000:]).splitlines() if (stripped := line.strip())][-LOOK:]


class PromptDetector:
    """The prompt that stands at the end of a terminal. `answers` are pairs: a text of the prompt, what to type."""

    def __init__(self, answers: Sequence[tuple[str, str]], now: float) -> None:
        self._answers = answers
        self._lines: list[str] = []
        self._since = self._typed = now
        self._answered, self._times = "", 0  # the line that was answered last, and how often

    def show(self, text: str, now: float) -> None:
        """What stands last on the terminal. The same again is nothing new."""
        lines = _last_lines(text)
        if lines and self._answered and lines[-1] != self._answered:  # what follows an answer stands in its line
            lines[-1] = lines[-1].removeprefix(self._answered).strip()
        if lines != self._lines:
            self._lines, self._since = lines, now

    def busy(self, now: float, *, gone: bool) -> None:
        """The agent works on; `gone`: and nothing of it that could have asked is left."""
        self._since = now
        if gone:
            self._lines = []

    def waiting(self) -> str:
        """The prompt that stands there, or ""."""
        text = "\n".join(self._lines)
        return prompt(text) or (one_line(self._lines[-1]) if self._lines and self._ruled(self._lines[-1]) else "")

    def quiet(self, now: float) -> float:
        """Seconds in which nothing new came, and nothing was typed."""
        return now - max(self._since, self._typed)

    @property
    def given(self) -> int:
        """How often the prompt that stands there was answered."""
        return self._times if self._lines and self._lines[-1] == self._answered else 0

    def rule(self) -> str | None:
        """What the user wants typed here; None: nothing, or it was typed often enough."""
        return self._ruled("\n".join(self._lines)) if self.waiting() and self.given < TIMES else None

    def type(self, now: float, patience: float) -> str | None:
        """What to type now. An answer that changed nothing is given again after `patience` seconds."""
        if self.quiet(now) < (SETTLED if self._since > self._typed else patience) or (text := self.rule()) is None:
            return None
        self._times = self.given + 1
        self._answered, self._typed = self._lines[-1], now
        return text

    def _ruled(self, text: str) -> str | None:
        return next((answer for part, answer in self._answers if part and part in text), None)
