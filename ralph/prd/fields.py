"""Parse the fields of a task: nested `Key: value` bullets as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ralph.config_values import parse_duration
from ralph.prd.markdown.blocks import Item
from ralph.prd.model import Fields

_SYNONYMS = {
    "files": ("files", "file", "scope", "files in scope", "in scope"),
    "protected": ("protected", "do not touch", "don't touch", "do not modify", "don't modify", "protected files"),
    "depends": ("depends", "depends on", "after", "dependencies", "dependency", "blocked by"),
    "checks": ("check", "checks", "verify"),
    "late_checks": ("check after", "checks after", "verify after"),
    "proof": ("proof",),
    "done_when": (
        "done when",
        "acceptance criteria",
        "acceptance criterion",
        "definition of done",
        "success criteria",
    ),
    "group": ("group", "parallel group"),
    "agent": ("agent",),
    "model": ("model",),
    "attempts": ("attempts", "tries"),
    "timeout": ("timeout", "time limit"),
    "parked": ("parked",),
    "split": ("split by ralph",),
}
_FIELD = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}
_CRITERIA = frozenset((*_SYNONYMS["done_when"], "out of scope"))
_HINT = re.compile("criteri|done|scope", re.IGNORECASE)
_NOTHING = frozenset({"", "none", "nothing", "n/a", "-", "–", "—"})

_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_EDGES = re.compile(r"^[\W\d_]+|\s*\([^()]*\)[\W_]*$|[\W_]+$")  # numbering, emoji, markup, remarks in brackets
_PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?=\d|\s|$)\s*", re.ASCII
)
_Bullet = tuple[Item, str]  # a field's bullet, and the value after its colon


def names_criteria(text: str) -> bool:
    """Return whether a heading, label or bullet announces criteria, which are no tasks."""
    if len(text) > 80 or not _HINT.search(text):
        return False
    name = text.strip()
    while (shorter := _EDGES.sub("", name)) != name:
        name = shorter
    return " ".join(name.lower().split()) in _CRITERIA


def opens_criteria(item: Item) -> bool:
    """Return whether a bullet announces criteria. Text may follow its colon."""
    return bool(item.text) and (names_criteria(item.text) or field_name(item) in {"done_when", "out of scope"})


def field_name(item: Item) -> str:
    """Return the field of Fields that a bullet sets, "out of scope", or ""."""
    key, colon, _ = _split(item.text)
    return _FIELD.get(key, key if key == "out of scope" else "") if colon and not item.boxed else ""


def _split(text: str) -> tuple[str, bool, str]:
    """Return key in lower case, whether there is a colon, and value. `**Key:** value` equals `Key: value`."""
    head, colon, value = text[:60].replace("：", ":", 1).partition(":")
    key = head.strip("*_ \t")
    opened = len(head) - len(head.lstrip("*_"))
    closed = len(head) - len(head.rstrip("*_"))
    value = text[len(head) + 1 :]
    if opened and not closed:
        value = value.removeprefix(head[:opened])
    return " ".join(key.lower().split()), bool(colon), value.strip()


def read_fields(items: Iterable[Item]) -> Fields:
    """Return the fields among the bullets directly under a task. Repeated lists add up; otherwise the last value
    counts."""
    values: dict[str, list[_Bullet]] = {}
    for item in items:
        key, colon, value = ("", False, "") if item.boxed else _split(item.text)
        if colon and (name := _FIELD.get(key)):
            values.setdefault(name, []).append((item, value))
    return _fields(values) if values else _NONE


def _fields(values: dict[str, list[_Bullet]]) -> Fields:
    last = {name: _plain(bullets[-1][1]) for name, bullets in values.items()}
    return Fields(
        files=_names(values.get("files", ())),
        protected=_names(values.get("protected", ())),
        depends=_names(values.get("depends", ())),
        checks=_commands([*values.get("checks", ()), *values.get("late_checks", ())]),
        late_checks=_commands(values.get("late_checks", ())),
        proof=last.get("proof", "").lower(),
        done_when=tuple(" ".join(text.split()) for text in _texts(values.get("done_when", ()))),
        group=last.get("group", ""),
        agent=last.get("agent", ""),
        model=last.get("model", ""),
        attempts=_count(last.get("attempts", "")),
        timeout=duration(last.get("timeout", "")),
        parked=last.get("parked"),
        split=last.get("split", ""),
    )


_NONE = Fields()


def _texts(bullets: Iterable[_Bullet]) -> list[str]:
    """Return the texts of a field: the value after its colon, and each bullet below it without its box."""
    return [text for item, value in bullets for text in (value, *_below(item)) if text]


def _below(item: Item) -> list[str]:
    return [text for child in item.items for text in (child.text, *_below(child))]


def _plain(value: str) -> str:
    value = " ".join(value.split())
    code = code_spans(value)
    return code[0] if code and value.startswith("`") and value.endswith("`") else value


def code_spans(text: str) -> list[str]:
    """Return the contents of the code spans in a text."""
    return [" ".join(match[2].split("\n")).strip() for match in _CODE.finditer(text)] if "`" in text else []


def _names(bullets: Sequence[_Bullet]) -> tuple[str, ...]:
    """Return paths or ids: the code spans, if there are any; otherwise the parts between commas."""
    if not bullets:
        return ()
    texts = _texts(bullets)
    code = [name for text in texts for name in code_spans(text)]
    names = code or [name.strip() for text in texts for name in re.split(r"[,;\n]", text)]
    return tuple(dict.fromkeys(name for name in names if name.lower().rstrip(".") not in _NOTHING))


def _commands(bullets: Sequence[_Bullet]) -> tuple[str, ...]:
    """Return the code spans and fences, if there are any; otherwise each text unchanged."""
    texts = _texts(bullets)
    fences = [code.strip() for item, _ in bullets for code in item.code]
    code = [command for text in texts for command in code_spans(text)] + fences
    commands = code or [" ".join(text.split()) for text in texts]
    return tuple(dict.fromkeys(command for command in commands if command.lower() not in _NOTHING))


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None


def duration(text: str) -> float | None:
    """Return the seconds of `90s`, `10m`, `8h`, `1h 30m`, `20 minutes`; None if the text is not a duration."""
    try:
        return parse_duration(_PART.sub(lambda part: part[1] + part[2][0], text.lower()))
    except ValueError:
        return None
