"""`ralph`: the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ralph.cli.output import say
from ralph.config import load
from ralph.errors import Exit


def run(flags: Mapping[str, Any], resume: str = "") -> int:
    """Work through the PRD, or print the plan with `--dry-run`. Return the exit code."""
    from ralph.git.repository import discover

    here = Path.cwd()
    repo = discover(here)
    settings = replace(load(repo.root, flags), resume=resume)
    if settings.dry_run:
        from ralph.engine.dry_run import dry_run

        say(dry_run(settings, here))
        return Exit.DONE
    from ralph.cli.commands.resume_command import noted
    from ralph.cli.display.screen import Screen
    from ralph.engine import loop

    settings = noted(settings, flags)
    with Screen(settings, repo.state) as screen:
        code = loop.run(settings, here, screen.tell, screen.beat)
    screen.end()
    return code
