"""Text that came from somewhere else: cleaned of terminal control, masked, cut, and quoted. Any input is fine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"  # all other escapes
)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
LEAST = 8  # characters of a value that is worth masking

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|COOKIE|PRIVATE", re.IGNORECASE)
TOKENS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----)[\s\S]){0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
    r"|\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|AKIA[A-Z0-9]{16}|ASIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{12,}"
)
MASK = "[masked]"


def clean(text: str) -> str:
    """The text without terminal control, bidirectional overrides and NUL; line ends become `\\n`, tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", ESCAPES.sub("", text)).encode("utf-8", "replace").decode()


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, at most `limit` characters, an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tail(text: str, lines: int = 40, chars: int = 4000) -> str:
    """The last lines of a text, no more than `chars` characters."""
    return "\n".join(text.rstrip().splitlines()[-lines:])[-chars:]


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with known secret values and everything of a known token's shape replaced."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return TOKENS.sub(MASK, text)


def secrets_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names look like secrets; short values and paths are none."""
    values = (value for name, value in env.items() if SECRET_NAME.search(name))
    return tuple(sorted({value for value in values if len(value) >= LEAST and not value.startswith("/")}))


def fence(text: str, info: str = "") -> str:
    """The text as a fenced code block that it cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{info}\n{text.rstrip()}\n{ticks}"
