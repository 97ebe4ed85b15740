"""Session files that an agent writes: followed while it works, with bounded reads.

The name of a session's file contains its id. Files of its sub-agents name the session at their beginning.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from ralph.agents.model import Signal

PIECE = 4_000_000  # bytes of one file per read
ROUNDS = 100  # reads at the end of a session
LINE = 1_000_000  # bytes of a line; longer ones are ignored
HEAD = 4_000  # bytes at the start of a file that name its session
FILES = 50  # files of one session
LOOKED = 500  # files that are opened in all
ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")

Read = Callable[[str], Sequence[Signal]]


@dataclass
class FollowedFile:
    """One file and its read position."""

    path: Path
    at: int = 0
    rest: bytes = b""
    model: str = ""

    def lines(self) -> Iterator[str]:
        """Yield the newly complete lines, at most PIECE bytes."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                data = file.read(PIECE)
        except OSError:
            return
        self.at += len(data)
        *complete, rest = (self.rest + data).split(b"\n")
        self.rest = rest[: LINE + 1]
        for line in complete:
            if len(line) <= LINE:
                yield line.decode("utf-8", "replace")


class SessionFiles:
    """The files of one session below `folder`, which has a folder per day (2026/11/30)."""

    def __init__(self, folder: Path, read: Read, since: float | None = None) -> None:
        self._folder, self._read = folder, read
        self._since = time.time() if since is None else since
        self._id = ""
        self._files: dict[Path, FollowedFile] = {}
        self._strange: set[Path] = set()  # files of other sessions

    def begin(self, session: str) -> None:
        """Set the id of the session that the agent reported."""
        self._id = self._id or (session if ID.fullmatch(session) else "")

    def look(self) -> list[Signal]:
        """Return the signals written since the last call. The files of two agents never share a key."""
        if not self._id:
            return []
        self._find()
        return [
            self._of(file, signal)
            for file in self._files.values() for line in file.lines() for signal in self._signals(line)
        ]  # fmt: skip

    def whole(self) -> list[Signal]:
        """Return all remaining signals of a session that is over."""
        signals: list[Signal] = []
        for _ in range(ROUNDS):
            before = sum(file.at for file in self._files.values())
            signals += self.look()
            if before == sum(file.at for file in self._files.values()):
                break
        return signals

    def _signals(self, line: str) -> Sequence[Signal]:
        try:
            return self._read(line)
        except Exception:
            return ()

    def _of(self, file: FollowedFile, signal: Signal) -> Signal:
        """Return the signal with a key of its file and the model that the file named last."""
        usage = signal.usage
        if usage is None:
            return signal
        file.model = usage.model or file.model
        own = self._id in file.path.name
        key = file.path.name if usage.tokens or not own else ""
        return replace(signal, usage=replace(usage, key=key, model=file.model))

    def _find(self) -> None:
        for day in _days(self._since):
            for path in _files(self._folder / f"{day:%Y/%m/%d}"):
                if path in self._files or path in self._strange or len(self._files) >= FILES:
                    continue
                if len(self._strange) < LOOKED and self._is_own(path):
                    self._files[path] = FollowedFile(path)
                else:
                    self._strange.add(path)

    def _is_own(self, path: Path) -> bool:
        if self._id in path.name:
            return True
        try:
            if path.stat().st_mtime < self._since - 1:
                return False
            with path.open("rb") as file:
                return self._id.encode() in file.read(HEAD)
        except OSError:
            return False


def _days(since: float) -> list[date]:
    """Return the days from the one before the start to tomorrow, at most a week: the agent's clock may differ."""
    first, last = date.fromtimestamp(since), date.fromtimestamp(time.time())  # noqa: DTZ012 - as its folders are named
    span = min((last - first).days, 5)
    return [first + timedelta(days=number) for number in range(-1, span + 2)]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.jsonl"), key=lambda path: path.name, reverse=True)
    except OSError:
        return []


def place(agent_folder: str, env: Mapping[str, str], here: Path) -> Path | None:
    """Return the folder that an adapter names, `$NAME/...` or relative to the home folder, or None."""
    first, _, rest = agent_folder.partition("/")
    if not agent_folder:
        return None
    if first.startswith("$"):
        return here / env[first[1:]] / rest if env.get(first[1:]) else None
    return Path(env["HOME"]) / agent_folder if env.get("HOME") else None
