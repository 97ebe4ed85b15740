"""The way in: words to a command, everything that goes wrong to a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer

from ralph.cli.flags import HELP, LATER, arranged, signature, unknown_flag
from ralph.cli.output import say
from ralph.config import BUILT_AGENTS
from ralph.errors import Exit, RalphError

INSTEAD = {
    "retry": "Remove the `- Parked:` line under the task, then run `ralph` again.",
    "skip": "Start with `--only TASK`, or leave the task out of the PRD for now.",
    "pause": "Press Ctrl-C in its terminal: the same command continues later.",
    "stop": "Press Ctrl-C in its terminal: the attempt ends and the files are put back.",
    "start": "Start `ralph` inside tmux or screen.",
    "report": "`ralph logs` and `ralph audit` show what happened.",
    "review": "`ralph status` shows what is parked, and why.",
    "explain": "`ralph logs TASK` shows what the agent said.",
    "init": "Write a PRD.md (a line `- [ ] what to do` is enough), then run `ralph`.",
    "lint": "`ralph --dry-run` shows how the PRD is read; `ralph status` lists lines that look like tasks.",
    "doctor": "`ralph --dry-run` looks for agent, gates and repository.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code. Never raises, never shows a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
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


# ---------------------------------------------------------------- the commands; what each needs is imported in it


def _run() -> Callable[..., int]:
    def command(**flags: Any) -> int:
        """Work through the PRD."""
        from ralph.cli.run import run

        return run(flags)

    return _with_flags(command)


def _resume() -> Callable[..., int]:
    def command(*, set_aside: bool | None = None, keep: bool | None = None, **flags: Any) -> int:
        """Continue after a crash, when files were changed since."""
        from ralph.cli.run import run

        if set_aside and keep:
            raise RalphError("--set-aside and --keep are both given", "Keep the one that you mean.")
        return run(flags, resume="set-aside" if set_aside else "keep" if keep else "")

    return _with_flags(command, "set_aside", "keep")


def _with_flags(command: Callable[..., int], *more: str) -> Callable[..., int]:
    from inspect import Parameter

    rows = signature()
    switches = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=bool | None) for name in more]
    described: Any = command
    described.__signature__ = rows.replace(parameters=[*switches, *rows.parameters.values()])
    described.__annotations__ = {}
    return command


Prd = Annotated[str | None, typer.Option("--prd", metavar="PATH", help="the PRD (default PRD.md)")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


def _status() -> Callable[..., int]:
    def status(prd: Prd = None, as_json: Json = False) -> int:
        """Which task stands where, and whether a run is going on."""
        from ralph.cli.status import status

        return status(prd, as_json=as_json)

    return status


def _logs() -> Callable[..., int]:
    def logs(
        task: Annotated[
            str, typer.Argument(help="a task's id, number, or how its text begins", show_default=False)
        ] = "",
        follow: Annotated[bool, typer.Option("--follow", "-f", help="wait for more")] = False,
        verbose: Annotated[bool, typer.Option("--verbose", help="with what the agent did")] = False,
        prd: Prd = None,
        as_json: Json = False,
    ) -> int:
        """The diary of the last run; with a task, what the agent printed in its last attempt."""
        from ralph.cli.logs import logs

        return logs(task, prd, follow=follow, verbose=verbose, as_json=as_json)

    return logs


def _audit() -> Callable[..., int]:
    def audit(
        path: Annotated[str, typer.Argument(help="the PRD (default PRD.md)", show_default=False)] = "",
        prd: Prd = None,
        as_json: Json = False,
    ) -> int:
        """For each ticked box the commit and the gates that prove it; exit code 1 where nothing does."""
        from ralph.cli.audit import audit

        return audit(path or prd, as_json=as_json)

    return audit


def _demo() -> Callable[..., int]:
    def demo(
        keep: Annotated[
            str, typer.Option("--keep", metavar="DIR", help="leave the repository there", show_default=False)
        ] = "",
    ) -> int:
        """The whole loop on an example, with a scripted agent."""
        from ralph.cli.demo import demo

        return demo(keep)

    return demo


COMMANDS: dict[str, Callable[[], Callable[..., int]]] = {
    "run": _run, "resume": _resume, "status": _status, "logs": _logs, "audit": _audit, "demo": _demo,
}  # fmt: skip


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
