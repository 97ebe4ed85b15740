"""The entry point of a run in the background. `background_run` starts it; no module imports it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ralph.cli.main import main as run_words
from ralph.errors import Exit
from ralph.state import sessions


def main(session_file: str, words: Sequence[str]) -> int:
    """Run the loop with these arguments. Write its start and its exit code to the session's file."""
    path, code = Path(session_file), int(Exit.BUG)
    sessions.note_begin(path)
    try:
        code = run_words(["run", *words])
    finally:
        sessions.note_end(path, code)
    return code
