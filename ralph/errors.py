"""How ralph says that something is wrong: a sentence with a next step, and the exit codes."""

from __future__ import annotations

import errno
from enum import IntEnum

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)  # nothing can be written any more


class Exit(IntEnum):
    """The exit codes that scripts rely on."""

    DONE = 0  # every task is done; the last sentence names the ticks that have no proof
    PARKED = 1  # finished, but something waits for a human
    REFUSED = 2  # wrong usage or a failed pre-flight: nothing was changed
    STOPPED = 3  # stopped with work left
    BUG = 70  # a bug of ralph's, with a log to report
    INTERRUPTED = 130


class RalphError(Exception):
    """What happened, where, and what to do now. Shown as two lines, never as a traceback."""

    def __init__(self, what: str, now: str = "", *, where: str = "", code: Exit = Exit.REFUSED) -> None:
        super().__init__(what)
        self.what, self.where, self.now, self.code = what, where, now, code

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f"\n  {self.now}" if self.now else ""
        return f"{place}{self.what}{cure}"
