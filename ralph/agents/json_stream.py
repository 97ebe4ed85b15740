"""What the adapters share: a line of terminal output -> one JSON object, and safe ways to look into it.

A pty merges stdout and stderr, ends lines with CR LF, echoes `^C`, and lets a CLI glue escape sequences in front of
its JSON. Nothing here raises on any text.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any

CAP = 2_000  # characters of a signal's text
ASKED = 1_000  # characters of what a tool was asked to do, in a text
COMMAND_CAP = 20_000  # characters of a command: a heredoc is long, and what it names may stand at its end

# Not those of ralph.text: what follows an escape that was not closed may be the JSON of this line.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, modes
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|[PX^_][^\x1b]*\x1b\\"  # DCS and its family
    r"|[ -/]*[0-~])"  # all other two- and three-character sequences
)
_HIGH = "".join(map(chr, range(0x7F, 0xA0)))
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def strip_controls(line: str) -> str:
    """The line without escape sequences and control characters; tabs and line feeds stay."""
    if "\x1b" in line:
        line = _ESCAPES.sub("", line)
    return _CONTROLS.sub("", line)


def event(line: str) -> dict[str, Any] | None:
    """The JSON object with a `type` that the line ends with, whatever stands before its first `{`; else None."""
    if "{" not in line:
        return None
    found = None if any(name in line for name in _HIGH) else _parsed(line)
    found = found or _parsed(strip_controls(line))  # JSON has no low controls in its texts: clean lines are quick
    return found if isinstance(at(found, "type"), str) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text[text.find("{") :])
    except (ValueError, RecursionError):
        return None


def at(data: object, *keys: str) -> Any:
    """What stands under the keys, one inside the other; None where something is missing."""
    for key in keys:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def words(value: object, cap: int = CAP) -> str:
    """The value if it is text, at most `cap` characters of it; else nothing."""
    return value[:cap] if isinstance(value, str) else ""


def ends(value: object, cap: int = CAP) -> str:
    """The value if it is text; of a very long one the beginning and the end."""
    if not isinstance(value, str) or len(value) <= cap:
        return words(value, cap)
    half = (cap - 3) // 2
    return f"{value[:half]}\n…\n{value[-half:]}"


def command(value: object) -> str:
    """A shell command, nearly whole."""
    return ends(value, COMMAND_CAP)


def arguments(given: object, *without: str) -> str:
    """What a tool was asked to do, but for those names: compact JSON, of a long one the beginning and a digest.

    Different arguments give different texts. "" where nothing is told.
    """
    rest = {name: value for name, value in given.items() if name not in without} if isinstance(given, dict) else {}
    try:
        text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if rest else ""
    except RecursionError:
        return ""
    return text if len(text) <= ASKED else f"{text[:ASKED]}… {digest(text)}"


def of_bytes(value: object) -> int:
    """How many bytes a value takes in JSON, and a text by itself; 0 where nothing is told."""
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    try:
        return len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) if value else 0
    except RecursionError:
        return 0


def digest(text: str) -> str:
    """A short word that tells this text from others."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:12] if text else ""


def number(value: object) -> float | None:
    """The value if it is a sensible number (0 <= n < 10**15); JSON knows NaN, 1e999 and 400 digits."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**15:
        return None
    return float(value)


def count(value: object) -> int:
    """The value as a number of tokens; 0 where it is none."""
    return int(number(value) or 0)


def each(value: object) -> list[dict[str, Any]]:
    """The JSON objects of a JSON list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
