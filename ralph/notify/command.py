"""Delivery by the user's notify command, bounded in time and output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from ralph.notify.message import Message
from ralph.process import command as proc
from ralph.process.supervisor import Link
from ralph.text import clean, mask, one_line

TAIL = 400  # characters of its output that are read


def deliver(
    letter: Message, link: Link, *, command: str, cwd: Path, env: Mapping[str, str], secrets: Sequence[str]
) -> str:  # fmt: skip
    """Run the command by `sh -c`, in a runner process, with the event as one line of JSON on standard input.

    Its environment is `env` with the event's name in RALPH_EVENT and one line for people in RALPH_MESSAGE. Its
    child processes end with it. Return "" or a sentence about the error.
    """
    environment = {**env, "RALPH_EVENT": str(letter.data.get("event", "")), "RALPH_MESSAGE": letter.line}
    try:
        with TemporaryFile("w+", prefix="ralph-notify-", encoding="utf-8") as file:
            file.write(json.dumps(letter.data, ensure_ascii=False, default=str) + "\n")
            file.seek(0)
            words = ["sh", "-c", command]
            done = proc.keep(link, words, cwd, environment, tail=TAIL, secrets=secrets, stdin=file.fileno())
    except (OSError, ValueError) as error:
        return f"it could not be run: {_said(str(error), secrets)}"
    return _complaint(done["code"], _said(done["tail"], secrets))


def _complaint(code: int | None, output: str) -> str:
    if code == 0:
        return ""
    how = f"with exit code {code}" if code is not None else "with its runner"
    return f"it ended {how}{': ' if output else '.'}{output}"


def _said(text: str, secrets: Sequence[str]) -> str:
    return one_line(mask(clean(text), secrets))
