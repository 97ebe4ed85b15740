"""Text that came from somewhere else: cleaned of terminal control, masked, cut, and quoted. Any input is fine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

# Each ends with its line at the latest: an escape that nobody closed must not swallow the output below it.
ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"  # all other escapes
)
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # bidirectional: text that reads in another order than it stands
    "\U000e0000-\U000e007f]"  # tags: text that only a model can see
)
MASK = "[masked]"
LEAST = 8  # characters of a value that is worth masking
TOKEN = 4  # bytes

SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|(?:_|\b)(?:PASS|PWD)\b|CREDENTIAL|AUTH(?!OR(?!I))|COOKIE|PRIVATE|WEBHOOK|NOTIFY_URL",
    re.IGNORECASE,
)
PATH = re.compile(r"/[\w./@:~-]*")
# Every piece is bounded, possessive, or can begin only once in a run of its characters: linear on any input.
TOKENS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s{0,4}(?:Proc-Type|DEK-Info|Version|Comment): [^\n]{0,100})*+"
    r"(?:(?:[\s>|\"',-]|\\[nr]){0,20}+[A-Za-z0-9+/]{16,}+={0,2})++"
    r"(?:[\s>|\"',A-Za-z0-9+/=\\-]{0,100}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{16,}+"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{30,}+|npm_[A-Za-z0-9]{30,}+"
    r"|(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}+|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}+|hf_[A-Za-z]{30,}+"
    r"|pypi-[A-Za-z0-9_-]{40,}+|SG\.[A-Za-z0-9_-]{16,64}+\.[A-Za-z0-9_-]{16,64}+)"
    r"|(?<![A-Za-z0-9_-])(?:sk-(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{16,}+"  # a digit: `sk-folding-cube` is CSS
    r"|eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+)"
    r"|(?<=[Bb]earer )(?=[A-Za-z._~+/=-]{0,60}[0-9])[A-Za-z0-9._~+/=-]{16,}+"  # "bearer authentication" is prose
    r"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,}+"
    r"|(?<=://)[^\s/:@]{0,100}+:[^\s/@]{3,200}+(?=@(?!127\.)[\w-]{1,60}\.)"  # user:password@host.domain
)


def tokens_in(size: int) -> int:
    """Estimate the tokens in a number of bytes of prose and code, for agents that report none."""
    return -(-size // TOKEN)


def money(cost: float | None, about: bool = False) -> str:
    """`$0.21`, and `about $0.21` where that is an estimate; nothing where no cost is known."""
    return "" if cost is None else f"{'about ' if about else ''}${cost:.2f}"


def time_of_day(at: float, now: float) -> str:
    """Return the time of day of a moment (epoch seconds), with its date if that is not today's."""
    then, today = (datetime.fromtimestamp(moment).astimezone() for moment in (at, now))
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"


def clean(text: str) -> str:
    """The text without terminal control, invisible direction marks and NUL; line ends become `\\n`, tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", ESCAPES.sub("", text)).encode("utf-8", "replace").decode()


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, at most `limit` characters, an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tail(text: str, lines: int = 40, chars: int = 4000) -> str:
    """The last lines of a text, at most `chars` characters; an ellipsis where a line was cut."""
    kept = "\n".join(text.rstrip().splitlines()[-lines:])
    if len(kept) <= chars:
        return kept
    return "…" + kept[len(kept) - chars + 1 :] if chars > 0 else ""


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with known secret values and everything of a known token's shape replaced. Clean it before."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return TOKENS.sub(MASK, text)


def secrets_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names look like secrets, and their lines; no short ones and no paths."""
    return tuple(sorted({secret for name in env if SECRET_NAME.search(name) for secret in _secrets(env[name])}))


def _secrets(value: str) -> Iterator[str]:
    for part in (value, *value.splitlines(), *(value.split() if "://" in value else ())):
        secret = part.strip()
        if len(secret) >= LEAST and not PATH.fullmatch(secret):
            yield secret


def fence(text: str, info: str = "") -> str:
    """The text as a fenced code block that it cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{info}\n{text.rstrip()}\n{ticks}"


def count_noun(things: Sequence[str], noun: str) -> str:
    return f"{len(things)} {noun}{'s' if len(things) != 1 else ''}"


def join_names(every: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(show_name(name) for name in every[:most]) + more


def list_lines(every: Sequence[str], most: int = 50) -> str:
    """One a line, and how many were left out."""
    more = [f"... and {len(every) - most} more"] if len(every) > most else []
    return "\n".join([*(show_name(name) for name in every[:most]), *more])


def show_name(text: str) -> str:
    """A path may hold a newline or an escape sequence: then it is shown as Python would write it."""
    return text if text.isprintable() else repr(text)
