"""Who is told when a human is needed: receivers from the settings, words from `core.notices`, sent by a courier.

Only the parent of a run tells; attempts in worktrees do not. Nothing here holds up a run.
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
from ralph.engine.context import RunContext, notify_nobody
from ralph.errors import Exit
from ralph.notify import apprise as post
from ralph.notify import command as hook
from ralph.notify import messages as notices
from ralph.notify.courier import Courier, Receiver
from ralph.notify.message import Message
from ralph.notify.messages import Batch, Notification
from ralph.state.events import Event, RunEnded
from ralph.text import secrets_of

VARIABLE = "RALPH_NOTIFY_URLS"
CTRL_C = 2.0  # seconds that are left for the last message where somebody pressed Ctrl-C


@contextmanager
def notifying(run: RunContext) -> Iterator[None]:
    """Until the end of the block whoever is to be told is told; at its end the last message gets a few seconds."""
    known = receivers(run.settings, run.here, os.environ)
    if not known:
        yield
        return
    if missing(run.settings, os.environ):
        run.say(f"Addresses to notify are set, but {post.MISSING}", loud=True)
    bell = Notifier(run, Courier(PendingMessages(run.root.name), known))
    run.ring = bell.ring
    try:
        yield
    except Exception as error:
        bell.ring(RunEnded(Exit.BUG, f"A bug of ralph's own: {type(error).__name__}.", round(run.seconds, 1)))
        raise
    finally:
        run.ring = notify_nobody
        bell.end()


class Notifier:
    """Rings where an event calls a human."""

    def __init__(self, run: RunContext, courier: Courier) -> None:
        self._run, self._courier = run, courier

    def ring(self, event: Event) -> list[str]:
        """Hand it to the courier. Returns what went wrong with earlier ones."""
        notice = notices.of(event, time.time(), self._run.secrets)
        if notice is not None:
            self._courier.tell(packed(notice))
        return complaints(self._courier.heard())

    def end(self) -> None:
        """A few seconds for what is under way; a second Ctrl-C leaves at once."""
        began = time.monotonic()

        def hurried() -> bool:
            stop = self._run.stop
            return stop.asked > 1 or (bool(stop) and time.monotonic() - began > CTRL_C)

        for said in complaints(self._courier.close(hurried)):
            with suppress(OSError):  # a full disk ended the run
                self._run.say(said, loud=True)


def complaints(said: Sequence[tuple[str, str]]) -> list[str]:
    return [f"A notification did not arrive ({name}): {why}" for name, why in said]


class PendingMessages:
    """What the courier holds until it is time."""

    def __init__(self, place: str, held: Batch | None = None) -> None:
        self._place, self._held = place, held or Batch()

    def take(self, line: str) -> None:
        self._held = self._held.take(unpacked(line))

    def due(self) -> float | None:
        return self._held.due

    def leave(self, *, last: bool) -> Message | None:
        self._held, told = self._held.leave(time.monotonic(), last=last)
        return notices.letter(told, self._place) if told else None


def packed(notice: Notification) -> dict[str, Any]:
    return {"what": notice.what, "text": notice.text, "data": dict(notice.data), "mood": notice.mood}


def unpacked(line: str) -> Notification:
    import json

    return Notification(**json.loads(line))


# ---------------------------------------------------------------- receivers


def receivers(settings: Settings, here: Path, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    """The command and the addresses that are set; without apprise the command alone."""
    secrets = (*secrets_of(env), *notices.secrets_in(urls(settings, env)))
    told = {name: value for name, value in env.items() if name != VARIABLE}
    command = partial(hook.deliver, command=settings.notify, cwd=here, env=told, secrets=secrets)
    first = (Receiver("command", command),) if settings.notify else ()
    return (*first, *(() if missing(settings, env) else _posts(settings, env)))


def everybody(settings: Settings, here: Path, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    """The same with the addresses, also where apprise is missing: each then tells how to get it."""
    known = receivers(settings, here, env)
    return (*known, *_posts(settings, env)) if missing(settings, env) else known


def _posts(settings: Settings, env: Mapping[str, str]) -> tuple[Receiver, ...]:
    known = urls(settings, env)
    names = notices.receiver_names(known)
    return tuple(
        Receiver(name, partial(post.deliver, address=text)) for name, text in zip(names, known, strict=True)
    )  # fmt: skip


def urls(settings: Settings, env: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses of ralph.toml and of the environment."""
    return notices.addresses(*settings.notify_urls, env.get(VARIABLE, ""))


def missing(settings: Settings, env: Mapping[str, str]) -> bool:
    """Addresses are set, and what sends to them is not installed."""
    return bool(urls(settings, env)) and not post.installed()
