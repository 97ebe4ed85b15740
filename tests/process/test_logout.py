"""What logind does to a run when its user logs out; loginctl is a script that says what it is told to."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from ralph.process import logout
from ralph.process.logout import KILLED, NO_LINGER, ends_at_logout

ME = getpass.getuser()
SESSION = "0::/user.slice/user-1000.slice/session-2.scope\n"
OLD = "2:cpu:/\n1:name=systemd:/user.slice/user-1000.slice/session-c1.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r12.scope\n"
SERVICE = "0::/system.slice/ssh.service\n"
KILLS, KEEPS = "KillUserProcesses=yes\n", "KillUserProcesses=no\nKillExcludeUsers=root\n"


@pytest.mark.parametrize(
    ("group", "says", "expected"),
    [
        (SESSION, KILLS, KILLED),
        (OLD, KILLS, KILLED),
        (SESSION, KEEPS, None),
        (SESSION, f"{KILLS}KillExcludeUsers=ada {ME}\n", None),
        (SESSION, f"{KILLS}KillOnlyUsers=ada\n", None),
        (SESSION, f"{KILLS}KillOnlyUsers=ada {ME}\n", KILLED),
        (SESSION, "", None),
        (MANAGER, "Linger=no\n", NO_LINGER),
        (MANAGER, f"Linger=yes\n{KILLS}", None),
        (SERVICE, f"Linger=no\n{KILLS}", None),
        ("", f"Linger=no\n{KILLS}", None),
    ],
)
def test_what_ends_with_the_login(
    group: str, says: str, expected: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(group)
    program = tmp_path / "loginctl"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\ncat <<'END'\n{says}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ends_at_logout(7) == expected
    if expected is KILLED:
        asked = "show-session --property=KillUserProcesses --property=KillExcludeUsers --property=KillOnlyUsers\n"
        assert (tmp_path / "asked").read_text() == asked
    if expected is NO_LINGER:
        assert (tmp_path / "asked").read_text() == f"show-user {ME} --property=Linger\n"


def test_where_there_is_no_logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logout, "PROC", tmp_path)
    assert ends_at_logout(7) is None
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(SESSION)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ends_at_logout(7) is None
