"""Under which name the daily note lists a run, and with which command it could be started again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ralph.config import Settings
from ralph.text import clean, mask, secrets_of


def noted(settings: Settings, flags: Mapping[str, Any]) -> Settings:
    """The settings with both, where it is to be listed: a detached run unless it is switched off, any other one
    if it is switched on."""
    if settings.daily_notes is False:
        return settings
    from ralph.state import sessions

    sheet = sessions.of_process(sessions.state_folder(os.environ), os.getpid())
    if sheet:
        from ralph.cli.commands.session_registry import again

        return replace(settings, session=sheet.name, again=again(sheet))
    if not settings.daily_notes:
        return settings
    return replace(settings, session=f"ralph (pid {os.getpid()})", again=_here(flags))


def _here(flags: Mapping[str, Any]) -> str:
    """The command line of this process, from its folder."""
    from ralph.cli.commands.start import words_of

    words = shlex.join(["ralph", *words_of(flags)])
    return mask(clean(f"cd {shlex.quote(str(Path.cwd()))} && {words}"), secrets_of(os.environ))
