"""The user's notify command: told of an event, bounded in time and output, never a reason for a run to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ralph.system import proc
from ralph.text import clean, mask, one_line, secrets_of

STARTED = 'exec sh -c "$1" <"$2"'  # the command is an argument, the event a file: neither is ever put into a script


def notify(
    command: str, event: Mapping[str, Any], cwd: Path, env: Mapping[str, str], patience: float = 10.0,
    stop: Callable[[], bool] = lambda: False,
) -> str:  # fmt: skip
    """Run it by `sh -c` with the event as one line of JSON on standard input, its name in RALPH_EVENT.

    Texts are cleaned and secrets of `env` masked in what it gets. After `patience` seconds, and when `stop` says
    so, it is ended; whatever it started ends with it. Returns "" or a sentence of what went wrong; never raises.
    """
    secrets = secrets_of(env)
    told = _safe(event, secrets)
    try:
        with NamedTemporaryFile("w", prefix="ralph-notify-", encoding="utf-8") as file:
            file.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
            file.flush()
            done = proc.run(
                ["sh", "-c", STARTED, "notify", command, file.name], cwd=cwd, timeout=patience, tail=400, stop=stop,
                secrets=secrets, env={**env, "RALPH_EVENT": str(told.get("event", ""))},
            )  # fmt: skip
    except (OSError, RuntimeError) as error:
        return f"The notify command could not be run: {_said(str(error), secrets)}"
    return _complaint(done, patience, secrets)


def _safe(value: Any, secrets: tuple[str, ...]) -> Any:
    """The same, with every text cleaned and masked: what is in an event comes from agents, too."""
    if isinstance(value, str):
        return mask(clean(value), secrets)
    if isinstance(value, Mapping):
        return {str(name): _safe(one, secrets) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_safe(one, secrets) for one in value]
    return value


def _complaint(done: proc.Done, patience: float, secrets: tuple[str, ...]) -> str:
    if done.timed_out:
        return f"The notify command took longer than {patience:g} s and was ended."
    if done.code == 0 or done.stopped:
        return ""
    said = _said(done.tail, secrets)
    how = f"with exit code {done.code}" if done.code is not None else "with its runner"
    return f"The notify command ended {how}{': ' if said else '.'}{said}"


def _said(text: str, secrets: tuple[str, ...]) -> str:
    return one_line(mask(clean(text), secrets))
