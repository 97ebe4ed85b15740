"""Does a process outlive the logout of its user? systemd's logind may end what belongs to a login session."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

PROC = Path("/proc")
PATIENCE = 5.0  # seconds that loginctl has
KILLED = (
    "logind ends it when you log out (KillUserProcesses=yes)",
    "Once: `loginctl enable-linger`. Then start it outside of this login: "
    "`systemd-run --user --scope ralph start ...`.",
)
NO_LINGER = (
    "it ends with your last login: it belongs to your systemd user manager",
    "Once: `loginctl enable-linger`.",
)


def ends_at_logout(pid: int) -> tuple[str, str] | None:
    """(what will happen, the cure) where a process will be ended at the logout; None: not, or nobody can tell."""
    group = _group(pid)
    if re.search(r"/session-[^/\n]+\.scope", group):
        return KILLED if _kills() else None
    if re.search(r"/user@\d+\.service(?:/|\n|$)", group):
        return NO_LINGER if _asked(["show-user", getpass.getuser()], "Linger").get("Linger") == "no" else None
    return None


def _group(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""


def _kills() -> bool:
    """As logind decides it: the excluded users first, then the only ones."""
    said = _asked(["show-session"], "KillUserProcesses", "KillExcludeUsers", "KillOnlyUsers")
    me, only = getpass.getuser(), said.get("KillOnlyUsers", "").split()
    excluded = me in said.get("KillExcludeUsers", "").split()
    return said.get("KillUserProcesses") == "yes" and not excluded and (not only or me in only)


def _asked(words: list[str], *names: str) -> dict[str, str]:
    """Properties, as loginctl tells them; without a session those of logind itself."""
    argv = ["loginctl", *words, *(f"--property={name}" for name in names)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
