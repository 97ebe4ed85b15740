"""Entry point: runs a command line and turns every error into a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ralph.cli.output import open_closed, say
from ralph.errors import Exit, RalphError

if TYPE_CHECKING:
    from ralph.cli.registry import Command

HELP = ("--help", "-h")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line. Return its exit code. Never raise, never show a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    open_closed()
    try:
        return _dispatch(words)
    except RalphError as error:
        return _told(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # a bug: it becomes a log and a sentence
        return _bug(error, words)


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        return _version()
    if words[:1] == ["--complete"]:
        return _complete(words[1:])
    from ralph.cli.registry import COMMANDS, split_command

    name, words = split_command(words)
    if name in ("run", "resume") and any(word in HELP for word in words):
        return _help()
    return _typed(name, COMMANDS[name], words)


def _typed(name: str, command: Command, words: list[str]) -> int:
    from ralph.cli.arguments import apart, read_flags
    from ralph.cli.registry import text_of

    flags, texts = apart(command.options, words)
    if any(word in HELP for word in flags):
        return _help(name)
    said = read_flags(command.options, flags)
    return int(command.start(**said, **text_of(command, texts)))


def _version() -> int:
    from ralph import __version__

    say(f"ralph {__version__}")
    return Exit.DONE


def _complete(words: list[str]) -> int:
    from ralph.cli.completion.candidates import complete

    return complete(words)


def _help(command: str = "") -> int:
    from ralph.cli import help as pages

    say((pages.of(command) if command else pages.text()).rstrip("\n"))
    return Exit.DONE


# ---------------------------------------------------------------- errors


def _told(error: RalphError) -> int:
    """Print two lines on stderr. Return the exit code."""
    from ralph.text import clean

    say(clean(f"ralph: {error}"), error=True)
    return error.code


def _bug(error: Exception, words: list[str]) -> int:
    from ralph.cli.crash_log import write_log

    say(f"ralph: a bug of ralph's own: {type(error).__name__}: {error}", error=True)
    say(
        f"  What happened is in {write_log(error, words)}: please report it. The same command continues.",
        error=True,
    )
    return Exit.BUG
