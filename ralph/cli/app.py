"""The way in: words to a command, everything that goes wrong to a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from ralph.cli.commands import COMMANDS
from ralph.cli.flags import HELP, LATER, arranged, unknown_flag
from ralph.cli.output import open_closed, say
from ralph.config import BUILT_AGENTS
from ralph.errors import Exit, RalphError

INSTEAD = {
    "start": "Start `ralph` inside tmux or screen.",
    "report": "`ralph logs` and `ralph audit` show what happened.",
    "explain": "`ralph review TASK` shows what was tried, `ralph logs TASK` what the agent said.",
    "doctor": "`ralph --dry-run` looks for agent, gates and repository.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code. Never raises, never shows a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    open_closed()
    try:
        return _dispatch(words)
    except RalphError as error:
        return _told(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # the last net: it becomes a log and a sentence
        return _bug(error, words)


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        return _version()
    words = arranged(words)
    name = words[0]
    if name in HELP or (name in ("run", "resume") and any(word in HELP for word in words)):
        return _help()
    if name in LATER:
        raise RalphError(
            f"`ralph {name}` is not built yet", INSTEAD.get(name, "`ralph --help` shows what there is.")
        )
    return _typed(name, words[1:])


def _typed(name: str, words: list[str]) -> int:
    from typer._click.exceptions import ClickException

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(COMMANDS[name]())
    command = typer.main.get_command(app)
    try:
        return int(command.main(words, prog_name=f"ralph {name}", standalone_mode=False) or 0)
    except ClickException as error:
        _usage(error)
    except typer.Abort:
        return Exit.INTERRUPTED


def _usage(error: Any) -> NoReturn:
    """Typer's own complaint as a sentence of ralph's."""
    from typer._click.exceptions import NoSuchOption

    said = error.format_message().rstrip(".")
    if isinstance(error, NoSuchOption) and error.ctx:
        known = [name for one in error.ctx.command.params for name in (*one.opts, *one.secondary_opts)]
        known += [f"--{name}" for name in BUILT_AGENTS if "--agent" in known]
        raise unknown_flag(error.option_name, known) from error
    if said.startswith("Got unexpected extra argument"):
        words = said.partition("(")[2].partition("(")[2].rstrip(")")
        cure = "The command comes first, then its flags: `ralph --help`."
        raise RalphError(f"`{words}` is too much", cure) from error
    raise RalphError(said[:1].lower() + said[1:], "`ralph --help` shows the flags and what they take.") from error


def _version() -> int:
    from ralph import __version__

    say(f"ralph {__version__}")
    return Exit.DONE


def _help() -> int:
    from ralph.cli.help import text

    say(text().rstrip("\n"))
    return Exit.DONE


# ---------------------------------------------------------------- what went wrong


def _told(error: RalphError) -> int:
    """Two lines on stderr, and the exit code."""
    from ralph.text import clean

    say(clean(f"ralph: {error}"), error=True)
    return error.code


def _bug(error: Exception, words: list[str]) -> int:
    from ralph.cli.bug import write_log

    say(f"ralph: a bug of ralph's own: {type(error).__name__}: {error}", error=True)
    say(
        f"  What happened is in {write_log(error, words)}: please report it. The same command continues.",
        error=True,
    )
    return Exit.BUG
