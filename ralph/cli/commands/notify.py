"""`ralph notify --test`: sends a test message to all receivers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ralph.cli.locate import locate
from ralph.cli.output import say
from ralph.config import load
from ralph.engine.notifications import everybody
from ralph.errors import Exit, RalphError
from ralph.notify import messages as notices
from ralph.notify.courier import PATIENCE, deliver_now
from ralph.notify.message import Message
from ralph.text import clean

NOBODY = 'Put `notify-urls = ["mailto://..."]` or `notify = "COMMAND"` into ralph.toml, or set RALPH_NOTIFY_URLS.'


def notify(asked: str | None, *, test: bool) -> int:
    """Send a message to each receiver. Return 1 if a delivery failed."""
    if not test:
        raise RalphError("notify only tries the receivers", "Say `ralph notify --test`.")
    where = locate(asked)
    root = where.repo.root if where.repo else Path.cwd()
    known = everybody(load(root, {"prd": asked}), Path.cwd(), os.environ)
    if not known:
        raise RalphError("nobody is to be notified", NOBODY)
    results = deliver_now(trial(root.name), known, PATIENCE)
    width = max(len(name) for name, _, _ in results)
    for name, wrong, seconds in results:
        say(f"{name:<{width}}  {clean(wrong) or f'ok ({seconds:.1f}s)'}")
    return Exit.PARKED if any(wrong for _, wrong, _ in results) else Exit.DONE


def trial(place: str) -> Message:
    """Return the test message."""
    data = {"event": "test", "time": round(time.time(), 3)}
    return notices.letter([notices.Notification("a test", "Notifications arrive here.", data, "success")], place)
