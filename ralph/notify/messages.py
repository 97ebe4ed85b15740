"""What calls a human, in words; and when it is told: at once, or together with what comes within a minute.

Texts of events come from PRDs and agents. Here they become harmless: no terminal control, no secrets, nobody is
paged by a name in them. Markup stays what it is: who delivers to HTML says that this is plain text.
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
EARLIER = 20  # events that one message carries beside the newest
WORDS = 2000  # characters of one text of an event

#: What chat services take for "call everybody", or for one of them: `@here`, `<!channel>`, `<@U0123>`.
PAGES = re.compile(r"(?<=@)(?=everyone\b|here\b|channel\b|all\b|room\b)|(?<=<)(?=[!@#])", re.IGNORECASE)
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=://)")
BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)|\s+")

ENDINGS = {
    Exit.DONE: ("done", "success"), Exit.PARKED: ("finished", "warning"), Exit.STOPPED: ("stopped", "warning"),
    Exit.INTERRUPTED: ("interrupted", "warning"), Exit.BUG: ("died", "failure"),
}  # fmt: skip


@immutable
class Notification:
    """One thing that calls a human."""

    what: str  # a word or two: "parked"
    text: str  # one line
    data: Mapping[str, Any]  # the event, for programs
    mood: str = "warning"


def of(event: Event, now: float, secrets: Sequence[str] = ()) -> Notification | None:
    """The notice about an event, where it is one that calls a human. `now` is epoch time."""
    told = _told(event, now)
    if told is None:
        return None
    what, text, mood = told
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
    """The text without terminal control and secrets, and nobody is paged by it."""
    return PAGES.sub(" ", mask(clean(text), secrets))


def safe_value(value: Any, secrets: Sequence[str] = ()) -> Any:
    """The same, with every text cleaned, masked and cut."""
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
    """What is not told yet, and when something was told last. Times are of any one clock."""

    notices: tuple[Notification, ...] = ()
    told: float | None = None
    gap: float = GAP

    def take(self, notice: Notification) -> Batch:
        """One more."""
        return replace(self, notices=(*self.notices, notice))

    @property
    def due(self) -> float | None:
        """When something is to be told: a time that may be over; None: nothing is held."""
        if not self.notices:
            return None
        return float("-inf") if self.told is None else self.told + self.gap

    def leave(self, now: float, *, last: bool = False) -> tuple[Batch, tuple[Notification, ...]]:
        """What is told now, all in one message; nothing where it is too early. The `last` is never too early."""
        due = self.due
        if due is None or (now < due and not last):
            return self, ()
        return replace(self, notices=(), told=now), self.notices


# ---------------------------------------------------------------- in words


def letter(notices: Sequence[Notification], place: str) -> Message:
    """One message about all of these; the newest stands first, and gives it its name."""
    newest, older = notices[-1], notices[-2::-1]
    more = f" (and {len(older)} more)" if older else ""
    title = one_line(f"ralph in {harmless(place)}: {newest.what}{more}", 120)
    told = [newest.text, *(f"{notification.what}: {notification.text}" for notification in older[: LINES - 1])]
    told += [f"... and {len(older) - LINES + 1} more"] if len(older) >= LINES else []
    data = (
        {**newest.data, "earlier": [notice.data for notice in notices[-1 - EARLIER : -1]]} if older else newest.data
    )
    return Message(title, "\n".join(told), one_line(f"{title}: {' · '.join(told)}", 500), data, newest.mood)


# ---------------------------------------------------------------- receivers


def addresses(*said: str) -> tuple[str, ...]:
    """The addresses of these texts, each once. Between two of them stand blanks or a comma."""
    return tuple(dict.fromkeys(word for text in said for word in BETWEEN.split(text.strip(" ,\n\t")) if word))


def receiver_names(known: Sequence[str]) -> tuple[str, ...]:
    """What may be said of each address: its scheme, with a number where several have the same."""
    schemes = [found[0].lower() if (found := ADDRESS.match(name)) else "?" for name in known]
    return tuple(
        f"{name} {schemes[: n + 1].count(name)}" if schemes.count(name) > 1 else name
        for n, name in enumerate(schemes)
    )


def secrets_in(known: Sequence[str]) -> tuple[str, ...]:
    """What must not be shown of addresses: each as a whole, what is behind `://`, the password, long tokens."""
    found: list[str] = []
    for name in known:
        rest = name.partition("://")[2]
        password = re.match(r"[^/@:]*:([^/@]+)@", rest)
        tokens = (
            part for part in re.split(r"[/:@?&=#]", rest) if len(part) >= 2 * LEAST and re.search(r"\d", part)
        )
        found += [name, rest, password[1] if password else "", *tokens]
    return tuple(dict.fromkeys(name for name in found if len(name) >= LEAST))
