"""Notification texts, and their schedule: at once, or batched within a minute.

Texts of events come from PRDs and agents. They are made harmless here: no control characters, no secrets, no
mentions. Markup is not escaped: deliveries declare the text as plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ralph.errors import Exit
from ralph.immutable import immutable
from ralph.notify.message import Message
from ralph.state.events import Event, Parked, Paused, RunEnded, Waiting, to_json
from ralph.text import LEAST, clean, mask, money, one_line

GAP = 60.0  # seconds between two messages; the last one of a run does not wait
LONG = 600.0  # seconds: a longer wait is worth a message
LINES = 10  # notices that one message shows
EARLIER = 20  # older events in one message
WORDS = 2000  # characters of one text of an event

#: Mentions in chat services: `@here`, `<!channel>`, `<@U0123>`.
PAGES = re.compile(r"(?<=@)(?=everyone\b|here\b|channel\b|all\b|room\b)|(?<=<)(?=[!@#])", re.IGNORECASE)
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=://)")
BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)|\s+")

ENDINGS = {
    Exit.DONE: ("done", "success"), Exit.PARKED: ("finished", "warning"), Exit.STOPPED: ("stopped", "warning"),
    Exit.INTERRUPTED: ("interrupted", "warning"), Exit.BUG: ("died", "failure"),
}  # fmt: skip


@immutable
class Notification:
    """One event that calls for a human."""

    what: str  # a word or two: "parked"
    text: str  # one line
    data: Mapping[str, Any]  # the event, for programs
    mood: str = "warning"


def of(event: Event, now: float, secrets: Sequence[str] = ()) -> Notification | None:
    """Return the notification for an event, or None if it needs no human. `now` is epoch time."""
    parts = _told(event, now)
    if parts is None:
        return None
    what, text, mood = parts
    return Notification(what, one_line(harmless(text, secrets), 400), safe_value(to_json(event), secrets), mood)


def _told(event: Event, now: float) -> tuple[str, str, str] | None:
    if isinstance(event, Parked):
        name = event.text if not event.text or event.text.startswith(event.task) else f"{event.text} ({event.task})"
        return "parked", f"{name}: {event.reason}", "warning"
    if isinstance(event, Paused):
        return "time for a look" if event.checkpoint else "paused", event.reason, "warning"
    if isinstance(event, Waiting) and event.until - now >= LONG:
        return "waiting", f"for {_duration(event.until - now)}: {event.reason}", "warning"
    if isinstance(event, RunEnded):
        what, mood = next((entry for code, entry in ENDINGS.items() if code == event.code), ("ended", "warning"))
        spent = [_duration(event.seconds)] if event.seconds >= 60 else []
        spent += [money(event.cost, event.about)] if event.cost else []
        return what, event.why + (f" ({', '.join(spent)})" if spent else ""), mood
    return None


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def harmless(text: str, secrets: Sequence[str] = ()) -> str:
    """Return the text without control characters, secrets and mentions."""
    return PAGES.sub(" ", mask(clean(text), secrets))


def safe_value(value: Any, secrets: Sequence[str] = ()) -> Any:
    """Return the value with every text cleaned, masked and cut."""
    if isinstance(value, str):
        masked = mask(clean(value), secrets)
        return masked if len(masked) <= WORDS else masked[: WORDS - 1] + "…"
    if isinstance(value, Mapping):
        return {str(name): safe_value(entry, secrets) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [safe_value(entry, secrets) for entry in value]
    return value


# ---------------------------------------------------------------- when


@immutable
class Batch:
    """The unsent notifications, and the time of the last message. All times are of one clock."""

    notices: tuple[Notification, ...] = ()
    told: float | None = None
    gap: float = GAP

    def take(self, notice: Notification) -> Batch:
        """Return the batch with one more notification."""
        return replace(self, notices=(*self.notices, notice))

    @property
    def due(self) -> float | None:
        """The time at which a message is due, which may be past; None if the batch is empty."""
        if not self.notices:
            return None
        return float("-inf") if self.told is None else self.told + self.gap

    def leave(self, now: float, *, last: bool = False) -> tuple[Batch, tuple[Notification, ...]]:
        """Return the rest of the batch and the notifications to send now, in one message; none before `due`.

        The `last` message is always due.
        """
        due = self.due
        if due is None or (now < due and not last):
            return self, ()
        return replace(self, notices=(), told=now), self.notices


# ---------------------------------------------------------------- in words


def letter(notices: Sequence[Notification], place: str) -> Message:
    """Return one message for all notifications. The newest comes first and gives the title."""
    newest, older = notices[-1], notices[-2::-1]
    more = f" (and {len(older)} more)" if older else ""
    title = one_line(f"ralph in {harmless(place)}: {newest.what}{more}", 120)
    lines = [newest.text, *(f"{notification.what}: {notification.text}" for notification in older[: LINES - 1])]
    lines += [f"... and {len(older) - LINES + 1} more"] if len(older) >= LINES else []
    data = (
        {**newest.data, "earlier": [notice.data for notice in notices[-1 - EARLIER : -1]]} if older else newest.data
    )
    return Message(title, "\n".join(lines), one_line(f"{title}: {' · '.join(lines)}", 500), data, newest.mood)


# ---------------------------------------------------------------- receivers


def addresses(*texts: str) -> tuple[str, ...]:
    """Return the addresses in these texts without duplicates. Blanks or commas separate them."""
    return tuple(dict.fromkeys(word for text in texts for word in BETWEEN.split(text.strip(" ,\n\t")) if word))


def receiver_names(known: Sequence[str]) -> tuple[str, ...]:
    """Return a public name for each address: its scheme, numbered if several have the same."""
    schemes = [match[0].lower() if (match := ADDRESS.match(name)) else "?" for name in known]
    return tuple(
        f"{name} {schemes[: n + 1].count(name)}" if schemes.count(name) > 1 else name
        for n, name in enumerate(schemes)
    )


def secrets_in(known: Sequence[str]) -> tuple[str, ...]:
    """Return the secrets in addresses: each address, its part after `://`, its password, and long tokens."""
    secrets: list[str] = []
    for name in known:
        rest = name.partition("://")[2]
        password = re.match(r"[^/@:]*:([^/@]+)@", rest)
        tokens = (
            part for part in re.split(r"[/:@?&=#]", rest) if len(part) >= 2 * LEAST and re.search(r"\d", part)
        )
        secrets += [name, rest, password[1] if password else "", *tokens]
    return tuple(dict.fromkeys(name for name in secrets if len(name) >= LEAST))
