"""One value of a setting: what kinds there are, how each is read from a flag or from TOML, how it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from ralph.errors import RalphError
from ralph.immutable import immutable
from ralph.text import MASK

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ValueKind(StrEnum):
    """What kind of value an option takes."""

    TEXT = "text"
    TEXTS = "texts"  # repeatable
    SECRETS = "secrets"  # texts that are never shown
    SWITCH = "switch"
    COUNT = "count"
    SIZE = "size"  # bytes
    MONEY = "money"
    DURATION = "duration"
    PACE = "pace"  # a number of tasks, or a duration
    SHARE = "share"  # above 0, at most 1
    TABLE = "table"  # text -> text
    PRICES = "prices"  # text -> three numbers


@immutable
class Option:
    """One row of the schema. `name` is the field's name; the flag and the key have dashes for underscores."""

    name: str
    sort: ValueKind
    group: str
    help: str
    value: str = ""  # what stands for the value in the help
    least: int = 1
    flag: bool = True  # False: a key of ralph.toml only

    @property
    def key(self) -> str:
        return self.name.replace("_", "-")

    @property
    def flag_name(self) -> str:
        return f"--{self.key}"


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `8h`, `1h30m`, `1d`; ValueError for anything else, and for nothing at all."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text, re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ValueError(text)
    return seconds


def checked(option: Option, value: object, path: Path | None) -> Any:
    """The value as the settings hold it. `path` is the file that it stands in, None for a flag. RalphError else."""
    try:
        return _READ[option.sort](option, value)
    except (ValueError, TypeError):
        wanted = _WANTED[option.sort].format(least=option.least)
        shown = MASK if option.sort is ValueKind.SECRETS else value if isinstance(value, str) else repr(value)
        where = "" if path is None else str(path)
        name = option.flag_name if path is None else option.key
        raise RalphError(f"{name} takes {wanted}, not `{shown}`", _example(option, path), where=where) from None


def _example(option: Option, path: Path | None) -> str:
    sample = {
        ValueKind.TEXT: "text",
        ValueKind.TEXTS: "text",
        ValueKind.SECRETS: "mailto://...",
        ValueKind.SWITCH: "true",
        ValueKind.COUNT: "5",
        ValueKind.SIZE: "20MB",
        ValueKind.MONEY: "7.50",
        ValueKind.DURATION: "90s",
        ValueKind.PACE: "8h",
        ValueKind.SHARE: "0.9",
        ValueKind.TABLE: '{ "Proceed?" = "y" }',
        ValueKind.PRICES: '{ "some-model" = [1.25, 0.125, 10] }',
    }[option.sort]
    if path is None:
        return f"For example: {option.flag_name} {sample}"
    plain = option.sort not in (
        ValueKind.TEXT,
        ValueKind.TEXTS,
        ValueKind.SECRETS,
        ValueKind.SIZE,
        ValueKind.DURATION,
        ValueKind.PACE,
    )
    return f"For example: {option.key} = {sample}" if plain else f'For example: {option.key} = "{sample}"'


def _text(_: Option, value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
    return value


def _texts(option: Option, value: object) -> tuple[str, ...]:
    many = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_text(option, entry) for entry in many)


def _switch(_: Option, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _count(option: Option, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    number = int(value)
    if number < option.least:
        raise ValueError(value)
    return number


def _size(_: Option, value: object) -> int:
    """Return bytes: `20MB`, `500k`, or a plain number."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)b?", str(value).strip(), re.IGNORECASE | re.ASCII)
    if isinstance(value, bool) or match is None or not int(match[1]):
        raise ValueError(value)
    return int(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[match[2].lower()]


def _money(_: Option, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(value)
    amount = float(str(value).removeprefix("$"))
    if not 0 < amount < float("inf"):
        raise ValueError(value)
    return amount


def _pace(option: Option, value: object) -> str:
    if not (isinstance(value, str) and value.isdigit()):
        _duration(option, value)
    return str(value)


def _duration(_: Option, value: object) -> float:
    if not isinstance(value, str):
        raise TypeError(value)
    return parse_duration(value)


def _share(_: Option, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError(value)
    return float(value)


def _table(option: Option, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return tuple((_text(option, key), _text(option, entry)) for key, entry in value.items())


def _prices(option: Option, value: object) -> tuple[tuple[str, tuple[float, ...]], ...]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return tuple((_text(option, key), _three(entry)) for key, entry in value.items())


def _three(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 3 or any(isinstance(entry, bool) for entry in value):
        raise TypeError(value)
    if not all(isinstance(entry, (int, float)) and 0 <= entry < float("inf") for entry in value):
        raise ValueError(value)
    return tuple(float(entry) for entry in value)


_READ: dict[ValueKind, Callable[[Option, object], Any]] = {
    ValueKind.TEXT: _text,
    ValueKind.TEXTS: _texts,
    ValueKind.SECRETS: _texts,
    ValueKind.SWITCH: _switch,
    ValueKind.COUNT: _count,
    ValueKind.SIZE: _size,
    ValueKind.MONEY: _money,
    ValueKind.DURATION: _duration,
    ValueKind.PACE: _pace,
    ValueKind.SHARE: _share,
    ValueKind.TABLE: _table,
    ValueKind.PRICES: _prices,
}
_WANTED = {
    ValueKind.TEXT: "text",
    ValueKind.TEXTS: "text, or a list of texts",
    ValueKind.SECRETS: "text, or a list of texts",
    ValueKind.SWITCH: "true or false",
    ValueKind.COUNT: "a whole number from {least} on",
    ValueKind.SIZE: "a size like 20MB",
    ValueKind.MONEY: "an amount of money above 0",
    ValueKind.DURATION: "a time with its unit (90s, 10m, 8h)",
    ValueKind.PACE: "a number of tasks or a time (20, 8h)",
    ValueKind.SHARE: "a number above 0 and up to 1",
    ValueKind.TABLE: "a table of texts",
    ValueKind.PRICES: "a table of models, each with three prices",
}
