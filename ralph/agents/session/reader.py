"""Reads an agent's output in the runner process: bytes to lines, lines to signals, signals to the parent.

Secrets are masked before anything is sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ralph.agents.model import ModelUse, Signal, SignalKind, Usage
from ralph.process.masking import Masker
from ralph.process.supervisor import Link
from ralph.process.transcript import plain_output

LINE = 1_000_000  # bytes of one line; the rest is cut
TEXT = 4000  # characters of a text sent to the parent
PATHS = 500
NAME = 200  # characters of a name
MODELS = 20
BEAT = 0.25  # seconds between two reports of printed text
STILL = 0.3  # seconds after which an unfinished line is not part of an event
LINES = 100  # screen lines of an agent with events
NEVER = float("inf")
USAGE = tuple(field.name for field in fields(Usage))

Read = Callable[[str], Sequence[Signal]]


class SignalWriter:
    """Sends signals from the runner to its parent."""

    def __init__(self, link: Link, secrets: Sequence[str] = ()) -> None:
        self._link, self._masker = link, Masker(secrets)

    def tell(self, signal: Signal) -> None:
        """Send a signal."""
        mask = self._masker.text
        self._link.send(
            signal={**pack(signal), "text": mask(signal.text)[:TEXT], "command": mask(signal.command)[:TEXT]}
        )

    def show(self, kind: SignalKind, text: str) -> None:
        """Send the end of a text that was just printed and may stop in the middle of a secret."""
        self._link.send(signal=pack(Signal(kind, self._masker.text(text, goes_on=True)[-TEXT:])))


class LineSplitter:
    """Splits bytes into lines of at most LINE bytes. The rest of a longer line is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """Add bytes. Yield the lines that they complete."""
        *complete, rest = data.split(b"\n")
        for part in complete:
            yield from self._take(part)
        self._add(rest)

    def rest(self, part: slice) -> str:
        """Return a slice, in bytes, of the unfinished line."""
        return self._rest[part].decode("utf-8", "replace")

    def flush(self) -> Iterator[str]:
        """Yield the unfinished line at the end of the output."""
        if self._rest:
            yield from self._take(b"")

    def _take(self, part: bytes) -> Iterator[str]:
        self._add(part)
        yield self._rest.removesuffix(b"\r").decode("utf-8", "replace")
        self._rest.clear()

    def _add(self, part: bytes) -> None:
        self._rest += part[: LINE - len(self._rest)]


class ScreenReader:
    """The last lines that an agent prints besides its events, reported at most four times a second.

    An unfinished line counts once it stands still: it may be a prompt.
    """

    def __init__(self, mouth: SignalWriter) -> None:
        self._mouth = mouth
        self._lines: deque[str] = deque(maxlen=LINES)
        self._untold = False
        self._open, self._still_at = "", NEVER
        self._next = 0.0

    def line(self, text: str) -> None:
        """Add a complete line."""
        self._lines.append(text[-TEXT:])
        self._untold = True

    def open(self, text: str) -> None:
        """Set the unfinished line; "" if there is none."""
        self._open, self._still_at = text, time.monotonic() + STILL if text else NEVER

    def pulse(self) -> float:
        """Report new lines if it is time. Return the seconds until the next call."""
        now = time.monotonic()
        due = max(self._next, 0.0 if self._untold else self._still_at)
        if now < due:
            return due - now
        self._next = now + BEAT
        self._show([*self._lines, self._open] if now >= self._still_at else self._lines)
        self._still_at = NEVER if now >= self._still_at else self._still_at
        return BEAT

    def flush(self) -> None:
        """Report the remaining lines."""
        if self._untold:
            self._show(self._lines)

    def _show(self, lines: Iterable[str]) -> None:
        self._untold = False
        if text := plain_output("\n".join(lines)[-2 * TEXT :].encode()).strip():
            self._mouth.show(SignalKind.SCREEN, text)


class EventReader:
    """Reader for an agent with events: sends each signal; lines that are no events go to the screen."""

    def __init__(self, read: Read, mouth: SignalWriter) -> None:
        self._read, self._mouth, self._lines, self._complained = read, mouth, LineSplitter(), False
        self._screen = ScreenReader(mouth)
        self.pulse = self._screen.pulse

    def swallow(self, data: bytes) -> None:
        """Read the lines that these bytes complete."""
        for line in self._lines.feed(data):
            self._hear(line)
        noise = _is_noise(self._lines.rest(slice(80)))
        self._screen.open(self._lines.rest(slice(-TEXT, None)) if noise else "")

    def flush(self) -> None:
        """Read the unfinished last line and report the remaining lines."""
        for line in self._lines.flush():
            self._hear(line)
        self._screen.flush()

    def _hear(self, line: str) -> None:
        signals = self._signals(line)
        for signal in signals:
            self._mouth.tell(signal)
        if not signals and _is_noise(line):
            self._screen.line(line)

    def _signals(self, line: str) -> Sequence[Signal]:
        try:
            return self._read(line)
        except Exception as error:  # a reader's bug must not cost the work of an hour; it is reported once
            was_reported, self._complained = self._complained, True
            return (
                []
                if was_reported
                else [Signal(SignalKind.TEXT, f"ralph could not read a line of the agent: {error!r}")]
            )


class PlainReader:
    """Reader for an agent without events: a few signs of life a second, with the last lines. No work per line."""

    def __init__(self, mouth: SignalWriter) -> None:
        self._mouth, self._last, self._untold, self._next = mouth, bytearray(), False, 0.0

    def swallow(self, data: bytes) -> None:
        """Record that there was output."""
        self._untold = True
        self._last += data
        if len(self._last) > 8 * TEXT:
            del self._last[: -2 * TEXT]

    def pulse(self) -> float:
        """Report new output if it is time. Return the seconds until the next call."""
        now = time.monotonic()
        if self._untold and now >= self._next:
            self.flush()
            self._next = now + BEAT
        return max(0.001, self._next - now) if self._untold else BEAT

    def flush(self) -> None:
        """Report the remaining output."""
        if self._untold:
            self._mouth.show(SignalKind.TEXT, plain_output(self._last[-2 * TEXT :]).strip())
            self._untold = False


def pack(signal: Signal) -> dict[str, object]:
    """Return a signal as bounded JSON values for the parent."""
    usage = signal.usage and {
        **{name: getattr(signal.usage, name) for name in USAGE}, "key": signal.usage.key[:TEXT],
        "model": signal.usage.model[:NAME], "models": [_packed(use) for use in signal.usage.models[:MODELS]],
    }  # fmt: skip
    return {
        "kind": signal.kind.value,
        "text": signal.text[:TEXT],
        "tool": signal.tool[:TEXT],
        "command": signal.command[:TEXT],
        "paths": [path[:TEXT] for path in signal.paths[:PATHS]],
        "usage": usage,
        "resets_at": signal.resets_at,
        "ok": signal.ok,
        "session": signal.session[:NAME],
    }


def _packed(use: ModelUse) -> list[object]:
    return [use.model[:NAME], use.split, use.written, use.cost, use.window]


def unpack(sent: Mapping[str, Any]) -> Signal:
    """Return the signal from its packed values."""
    usage = _usage(sent["usage"]) if sent["usage"] else None
    given = {**sent, "kind": SignalKind(sent["kind"]), "paths": tuple(sent["paths"]), "usage": usage}
    return Signal(**given)


def _usage(sent: Mapping[str, Any]) -> Usage:
    models = tuple(ModelUse(model, tuple(split), *rest) for model, split, *rest in sent["models"])
    return Usage(**{**sent, "split": tuple(sent["split"]), "models": models})


def _is_noise(line: str) -> bool:
    """Whether a line is neither an event nor the beginning of one: events are JSON objects."""
    return line.lstrip()[:1] not in ("", "{")
