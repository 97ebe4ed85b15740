"""The name of a run in the daily note, and the command that starts it again."""

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
    """Return the settings with both if the run is to be listed: a detached run unless notes are switched off, any
    other run only if they are switched on."""
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
    """Return the command line of this process, from its folder."""
    from ralph.cli.commands.start import words_of

    words = shlex.join(["ralph", *words_of(flags)])
    return mask(clean(f"cd {shlex.quote(str(Path.cwd()))} && {words}"), secrets_of(os.environ))
