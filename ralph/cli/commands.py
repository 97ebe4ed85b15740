"""The commands as Typer reads them. What each one needs is imported in it: start-up time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ralph.cli.flags import signature
from ralph.errors import RalphError

CALLED = "a task's id, number, or how its text begins"
Prd = Annotated[str | None, typer.Option("--prd", metavar="PATH", help="the PRD (default PRD.md)")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]
Path = Annotated[str, typer.Argument(help="the PRD (default PRD.md)", show_default=False)]
TheTask = Annotated[str, typer.Argument(help=CALLED, show_default=False)]
MaybeTask = Annotated[str, typer.Argument(help=CALLED, show_default=False)]


# ---------------------------------------------------------------- the loop


def _run() -> Callable[..., int]:
    def command(**flags: Any) -> int:
        """Work through the PRD."""
        from ralph.cli.run import run

        return run(flags)

    return _with_flags(command)


def _resume() -> Callable[..., int]:
    def command(*, set_aside: bool | None = None, keep: bool | None = None, **flags: Any) -> int:
        """Let a paused run go on; after a crash, continue although files were changed since."""
        from ralph.cli.steer import resume

        if set_aside and keep:
            raise RalphError("--set-aside and --keep are both given", "Keep the one that you mean.")
        return resume(flags, "set-aside" if set_aside else "keep" if keep else "")

    return _with_flags(command, "set_aside", "keep")


def _with_flags(command: Callable[..., int], *more: str) -> Callable[..., int]:
    from inspect import Parameter

    rows = signature()
    switches = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=bool | None) for name in more]
    described: Any = command
    described.__signature__ = rows.replace(parameters=[*switches, *rows.parameters.values()])
    described.__annotations__ = {}
    return command


# ---------------------------------------------------------------- to read


def _status() -> Callable[..., int]:
    def status(prd: Prd = None, as_json: Json = False) -> int:
        """Which task stands where, and whether a run is going on."""
        from ralph.cli.status import status

        return status(prd, as_json=as_json)

    return status


def _logs() -> Callable[..., int]:
    def logs(
        task: MaybeTask = "",
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
        path: Path = "",
        prd: Prd = None,
        as_json: Json = False,
    ) -> int:
        """For each ticked box the commit and the gates that prove it; exit code 1 where nothing does."""
        from ralph.cli.audit import audit

        return audit(path or prd, as_json=as_json)

    return audit


def _review() -> Callable[..., int]:
    def review(task: MaybeTask = "", prd: Prd = None, as_json: Json = False) -> int:
        """What is parked and why; with a task, all that was tried and what can be done now."""
        from ralph.cli.review import review

        return review(task, prd, as_json=as_json)

    return review


def _lint() -> Callable[..., int]:
    def lint(path: Path = "", prd: Prd = None, as_json: Json = False) -> int:
        """What is wrong or risky in the PRD, each with its line and a cure; exit code 1 for errors."""
        from ralph.cli.lint import lint

        return lint(path or prd, as_json=as_json)

    return lint


# ---------------------------------------------------------------- to steer


def _pause() -> Callable[..., int]:
    def pause(prd: Prd = None) -> int:
        """Start nothing more in the run that is going on, until `ralph resume`."""
        from ralph.cli.steer import pause

        return pause(prd)

    return pause


def _stop() -> Callable[..., int]:
    def stop(
        now: Annotated[bool, typer.Option("--now", help="end the agent that works, too")] = False,
        prd: Prd = None,
    ) -> int:
        """End the run when its attempt is over. The same command continues it."""
        from ralph.cli.steer import stop

        return stop(prd, now=now)

    return stop


def _skip() -> Callable[..., int]:
    def skip(task: TheTask, prd: Prd = None) -> int:
        """Leave a task out of the run that is going on; its box stays empty."""
        from ralph.cli.steer import skip

        return skip(task, prd)

    return skip


def _retry() -> Callable[..., int]:
    def retry(
        task: TheTask,
        note: Annotated[
            str, typer.Option("--note", metavar="TEXT", help="for its next prompt", show_default=False)
        ] = "",
        prd: Prd = None,
    ) -> int:
        """Put a parked task back: its `- Parked:` line goes."""
        from ralph.cli.steer import retry

        return retry(task, prd, note=note)

    return retry


# ---------------------------------------------------------------- to begin


def _init() -> Callable[..., int]:
    def init(
        agent: Annotated[
            str, typer.Option("--agent", metavar="NAME", help="the agent to use", show_default=False)
        ] = "",
    ) -> int:
        """Write a first PRD.md, memory file and ralph.toml; never over what is there."""
        from ralph.cli.init import init

        return init(agent)

    return init


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
    "run": _run, "resume": _resume, "status": _status, "logs": _logs, "audit": _audit, "review": _review,
    "lint": _lint, "pause": _pause, "stop": _stop, "skip": _skip, "retry": _retry, "init": _init, "demo": _demo,
}  # fmt: skip
