"""`ralph notify --test`: tell everybody now, and say who took it."""

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
    """A message to each receiver; exit code 1 where one did not take it."""
    if not test:
        raise RalphError("notify only tries the receivers", "Say `ralph notify --test`.")
    where = locate(asked)
    root = where.repo.root if where.repo else Path.cwd()
    known = everybody(load(root, {"prd": asked}), Path.cwd(), os.environ)
    if not known:
        raise RalphError("nobody is to be notified", NOBODY)
    said = deliver_now(trial(root.name), known, PATIENCE)
    width = max(len(name) for name, _, _ in said)
    for name, wrong, seconds in said:
        say(f"{name:<{width}}  {clean(wrong) or f'ok ({seconds:.1f}s)'}")
    return Exit.PARKED if any(wrong for _, wrong, _ in said) else Exit.DONE


def trial(place: str) -> Message:
    """What they get."""
    data = {"event": "test", "time": round(time.time(), 3)}
    return notices.letter([notices.Notification("a test", "Notifications arrive here.", data, "success")], place)
