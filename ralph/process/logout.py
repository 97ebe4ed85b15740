"""Whether a process outlives the logout of its user: systemd's logind may end the processes of a login session."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

PROC = Path("/proc")
PATIENCE = 5.0  # seconds for loginctl
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
    """Return (effect, cure) if a process will be ended at the logout; None if not, or if that is unknown."""
    group = _group(pid)
    if re.search(r"/session-[^/\n]+\.scope", group):
        return KILLED if _kills() else None
    if re.search(r"/user@\d+\.service(?:/|\n|$)", group):
        return NO_LINGER if _properties(["show-user", getpass.getuser()], "Linger").get("Linger") == "no" else None
    return None


def _group(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""


def _kills() -> bool:
    """Return whether logind kills this user's processes: excluded users first, then the only ones."""
    properties = _properties(["show-session"], "KillUserProcesses", "KillExcludeUsers", "KillOnlyUsers")
    me, only = getpass.getuser(), properties.get("KillOnlyUsers", "").split()
    excluded = me in properties.get("KillExcludeUsers", "").split()
    return properties.get("KillUserProcesses") == "yes" and not excluded and (not only or me in only)


def _properties(command: list[str], *names: str) -> dict[str, str]:
    """Return properties from loginctl: those of a session, otherwise those of logind."""
    argv = ["loginctl", *command, *(f"--property={name}" for name in names)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
