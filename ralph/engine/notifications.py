"""Notifications of a run: receivers from the settings, texts from `notify.messages`, sent by a courier process.

Only the parent process of a run notifies, not its workers. Nothing here delays a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ralph.config import Settings
from ralph.engine.context import RunContext
from ralph.engine.run_state import notify_nobody
from ralph.errors import Exit
from ralph.notify import apprise, messages
from ralph.notify import command as hook
from ralph.notify.courier import Courier, Receiver
from ralph.notify.message import Message
from ralph.notify.messages import Batch, Notification
from ralph.state.events import Event, RunEnded
from ralph.text import secrets_of

VARIABLE = "RALPH_NOTIFY_URLS"
CTRL_C = 2.0  # seconds for the last message after Ctrl-C


@contextmanager
def notifying(run: RunContext) -> Iterator[None]:
    """Send notifications while the block runs. On exit, wait a few seconds for the last one."""
    known = receivers(run.settings, run.here, os.environ)
    if not known:
        yield
        return
    if missing(run.settings, os.environ):
        run.say(f"Addresses to notify are set, but {apprise.MISSING}", loud=True)
    notifier = Notifier(run, Courier(PendingMessages(run.root.name), known))
    run.state.notify = notifier.ring
    try:
        yield
    except Exception as error:
        notifier.ring(RunEnded(Exit.BUG, f"A bug of ralph's own: {type(error).__name__}.", round(run.seconds, 1)))
        raise
    finally:
        run.state.notify = notify_nobody
        notifier.end()


class Notifier:
    """Sends a notification for each event that calls for a human."""

    def __init__(self, run: RunContext, courier: Courier) -> None:
        self._run, self._courier = run, courier

    def ring(self, event: Event) -> list[str]:
        """Hand an event to the courier. Return complaints about earlier deliveries."""
        notice = messages.of(event, time.time(), self._run.secrets)
        if notice is not None:
            self._courier.tell(packed(notice))
        return complaints(self._courier.heard())

    def end(self) -> None:
        """Wait a few seconds for deliveries in progress. A second Ctrl-C ends the wait."""
        began = time.monotonic()

        def hurried() -> bool:
            stop = self._run.stop
            return stop.asked > 1 or (bool(stop) and time.monotonic() - began > CTRL_C)

        for complaint in complaints(self._courier.close(hurried)):
            with suppress(OSError):  # a full disk ended the run
                self._run.say(complaint, loud=True)


def complaints(said: Sequence[tuple[str, str]]) -> list[str]:
    return [f"A notification did not arrive ({name}): {why}" for name, why in said]


class PendingMessages:
    """The notifications that the courier holds until a message is due."""

    def __init__(self, place: str, held: Batch | None = None) -> None:
        self._place, self._held = place, held or Batch()

    def take(self, line: str) -> None:
        self._held = self._held.take(unpacked(line))

    def due(self) -> float | None:
        return self._held.due

    def leave(self, *, last: bool) -> Message | None:
        self._held, notifications = self._held.leave(time.monotonic(), last=last)
        return messages.letter(notifications, self._place) if notifications else None


def packed(notice: Notification) -> dict[str, Any]:
    return {"what": notice.what, "text": notice.text, "data": dict(notice.data), "mood": notice.mood}


def unpacked(line: str) -> Notification:
    import json

    return Notification(**json.loads(line))


# ---------------------------------------------------------------- receivers


def receivers(settings: Settings, here: Path, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return the receivers: the configured command and addresses; without apprise, the command alone."""
    secrets = (*secrets_of(env), *messages.secrets_in(urls(settings, env)))
    environment = {name: value for name, value in env.items() if name != VARIABLE}
    command = partial(hook.deliver, command=settings.notify, cwd=here, env=environment, secrets=secrets)
    first = (Receiver("command", command),) if settings.notify else ()
    return (*first, *(() if missing(settings, env) else _posts(settings, env)))


def everybody(settings: Settings, here: Path, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return all receivers, also without apprise: the addresses then report how to install it."""
    known = receivers(settings, here, env)
    return (*known, *_posts(settings, env)) if missing(settings, env) else known


def _posts(settings: Settings, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    known = urls(settings, env)
    names = messages.receiver_names(known)
    return tuple(
        Receiver(name, partial(apprise.deliver, address=text)) for name, text in zip(names, known, strict=True)
    )  # fmt: skip


def urls(settings: Settings, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of ralph.toml and of the environment."""
    return messages.addresses(*settings.notify_urls, env.get(VARIABLE, ""))


def missing(settings: Settings, env: Mapping[str, str]) -> bool:
    """Whether addresses are configured, but apprise is not installed."""
    return bool(urls(settings, env)) and not apprise.installed()
