"""Start of a run in the background.

tmux gives a new pane the environment of its server, which comes from an earlier terminal. So the pane starts with a
few lines that read the environment of the current terminal from a file (0600, deleted at once) and exec the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ralph.state import sessions

#: In the pane: environment and folder of the terminal; of tmux's own what belongs to the pane. Nobody types here.
TAKE = """\
import json, os, sys
with open(sys.argv[1]) as file:
    said = json.load(file)
os.unlink(sys.argv[1])
own = {name: os.environ[name] for name in ("TERM", "TMUX", "TMUX_PANE") if name in os.environ}
os.chdir(said["here"])
os.umask(said["umask"])
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.execve(said["argv"][0], said["argv"], {**said["env"], **own})
"""
#: The package that runs now, also where another one is installed; never one that lies in the folder of the run.
BECOME = """\
import sys
if {home!r} not in sys.path:
    sys.path.insert(0, {home!r})
from ralph.cli.background_main import main
sys.exit(main(sys.argv[1], sys.argv[2:]))
"""


def run_words(sheet: Path, words: Sequence[str]) -> list[str]:
    """Return the command line of a session's run."""
    home = str(Path(__file__).resolve().parents[3])
    return [sys.executable, "-P", "-c", BECOME.format(home=home), str(sheet), *words]


def pane_words(sheet: Path, words: Sequence[str]) -> list[str]:
    """Return the command line for a pane: the run, in this folder and with this environment."""
    env = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    given = sheet.with_suffix(".env")
    os.umask(mask := os.umask(0o077))
    said = {"argv": run_words(sheet, words), "here": str(Path.cwd()), "umask": mask, "env": env}
    sessions.write(given, said)
    return [sys.executable, "-I", "-c", TAKE, str(given)]


def detach(sheet: Path, words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the run as a plain process in its own session. Its output goes to the file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(log, flags, 0o600), "wb") as out:
        return subprocess.Popen(  # it outlives this process
            run_words(sheet, words), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
