"""Detection of prompts to a person at the end of a terminal, and the user's answers to them.

A line counts only if all of it has the form of a prompt: prose about passwords, or with a question in mid-line,
must not end an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.text import clean, one_line

LOOK = 8  # last lines that are searched for the user's texts and for menus
LONGEST = 200  # characters of a prompt line
SETTLED = 1.0  # seconds between a prompt and the typed answer
TIMES = 3  # answers to the same prompt

_GLYPHS = r"^(?:[^\w\s(\[$'\"`/-]{1,3}\s+)?"  # `? `, `> `, `❯ `: how forms begin
_HIDDEN = r"(?:pass ?(?:word|phrase|code)|pin|otp|(?:verification|one[- ]time|2fa|mfa|security) (?:code|password))"
_BEFORE = (  # between the start of the line and the name of the secret
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
    """Return the prompt at the end of the text, on one line, or ""."""
    lines = _last_lines(text)
    if lines and (_asks(lines[-1]) or any(MENU.search(line) for line in lines)):
        return one_line(lines[-1])
    return ""


def _asks(line: str) -> bool:
    return len(line) <= LONGEST and any(pattern.search(line) for pattern in PROMPTS)


def _last_lines(text: str) -> list[str]:
    return [stripped for line in clean(text[-4_000:]).splitlines() if (stripped := line.strip())][-LOOK:]


class PromptDetector:
    """The prompt at the end of a terminal. `answers` are pairs: a part of the prompt, and the text to type."""

    def __init__(self, answers: Sequence[tuple[str, str]], now: float) -> None:
        self._answers = answers
        self._lines: list[str] = []
        self._since = self._typed = now
        self._answered, self._times = "", 0  # the last answered line, and how often it was answered

    def show(self, text: str, now: float) -> None:
        """Set the last lines of the terminal. The same lines again change nothing."""
        lines = _last_lines(text)
        if (
            lines and self._answered and lines[-1] != self._answered
        ):  # output after an answer starts on the prompt's line
            lines[-1] = lines[-1].removeprefix(self._answered).strip()
        if lines != self._lines:
            self._lines, self._since = lines, now

    def busy(self, now: float, *, gone: bool) -> None:
        """Record that the agent works on. `gone`: the process that could have asked has ended."""
        self._since = now
        if gone:
            self._lines = []

    def waiting(self) -> str:
        """Return the current prompt, or ""."""
        text = "\n".join(self._lines)
        return prompt(text) or (one_line(self._lines[-1]) if self._lines and self._ruled(self._lines[-1]) else "")

    def quiet(self, now: float) -> float:
        """Return the seconds without new lines and typed answers."""
        return now - max(self._since, self._typed)

    @property
    def given(self) -> int:
        """How often the current prompt was answered."""
        return self._times if self._lines and self._lines[-1] == self._answered else 0

    def rule(self) -> str | None:
        """Return the user's answer to the current prompt, or None if there is none or it was typed TIMES times."""
        return self._ruled("\n".join(self._lines)) if self.waiting() and self.given < TIMES else None

    def type(self, now: float, patience: float) -> str | None:
        """Return the text to type now, or None. Repeat an answer without effect after `patience` seconds."""
        if self.quiet(now) < (SETTLED if self._since > self._typed else patience) or (text := self.rule()) is None:
            return None
        self._times = self.given + 1
        self._answered, self._typed = self._lines[-1], now
        return text

    def _ruled(self, text: str) -> str | None:
        return next((answer for part, answer in self._answers if part and part in text), None)
