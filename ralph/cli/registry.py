"""The commands: how each is called, and where it begins. What it needs is imported in it: start-up time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ralph.cli.arguments import did_you_mean, misused
from ralph.config import OPTIONS
from ralph.config_values import Option, ValueKind
from ralph.errors import RalphError
from ralph.immutable import immutable


@immutable
class TextArgument:
    """The one text that a command may take beside its flags."""

    name: str
    help: str
    required: bool = False


@immutable
class Command:
    """`start` gets by name what was typed, and nothing else; its docstring is the help."""

    start: Callable[..., int]
    options: tuple[Option, ...]
    text: TextArgument | None = None


# ---------------------------------------------------------------- the loop


def _run(**flags: Any) -> int:
    """Work through the PRD."""
    from ralph.cli.commands.run import run

    return run(flags)


def _resume(set_aside: bool = False, keep: bool = False, **flags: Any) -> int:
    """Let a paused run go on; after a crash, continue although files were changed since."""
    from ralph.cli.commands.control import resume

    if set_aside and keep:
        raise RalphError("--set-aside and --keep are both given", "Keep the one that you mean.")
    return resume(flags, "set-aside" if set_aside else "keep" if keep else "")


# ---------------------------------------------------------------- to read


def _status(prd: str | None = None, json: bool = False) -> int:
    """Which task stands where, and whether a run is going on."""
    from ralph.cli.commands.status import status

    return status(prd, as_json=json)


def _logs(
    task: str = "", prd: str | None = None, follow: bool = False, verbose: bool = False, json: bool = False
) -> int:
    """The diary of the last run; with a task, what the agent printed in its last attempt."""
    from ralph.cli.commands.logs import logs

    return logs(task, prd, follow=follow, verbose=verbose, as_json=json)


def _audit(
    path: str = "", prd: str | None = None, run_gates: bool = False, fresh: bool = False, strict: bool = False,
    json: bool = False,
) -> int:  # fmt: skip
    """For each ticked box the commit and the gates that prove it; exit code 1 where nothing does."""
    from ralph.cli.commands.audit import audit

    return audit(path or prd, run_gates=run_gates, fresh=fresh, strict=strict, as_json=json)


def _review(task: str = "", prd: str | None = None, json: bool = False) -> int:
    """What is parked and why; with a task, all that was tried and what can be done now."""
    from ralph.cli.commands.review import review

    return review(task, prd, as_json=json)


def _lint(path: str = "", prd: str | None = None, json: bool = False) -> int:
    """What is wrong or risky in the PRD, each with its line and a cure; exit code 1 for errors."""
    from ralph.cli.commands.lint import lint

    return lint(path or prd, as_json=json)


def _report(
    prd: str | None = None, since: str = "", html: str = "", markdown: bool = False, json: bool = False
) -> int:
    """What the last run came to: tasks, cost, what was turned down and why; --html writes one page."""
    from ralph.cli.commands.report import report

    return report(prd, html=html, markdown=markdown, since=since, as_json=json)


def _explain(task: str, prd: str | None = None, json: bool = False) -> int:
    """The attempts at a task in order: what each changed, why it was turned down, what was tried next."""
    from ralph.cli.commands.explain import explain

    return explain(task, prd, as_json=json)


# ---------------------------------------------------------------- to steer


def _pause(prd: str | None = None) -> int:
    """Start nothing more in the run that is going on, until `ralph resume`."""
    from ralph.cli.commands.control import pause

    return pause(prd)


def _stop(name: str = "", prd: str | None = None, now: bool = False) -> int:
    """End the run here, or that of a session, when its attempt is over. The same command continues it."""
    from ralph.cli.commands.control import stop

    return stop(name, prd, now=now)


def _skip(task: str, prd: str | None = None) -> int:
    """Leave a task out of the run that is going on; its box stays empty."""
    from ralph.cli.commands.control import skip

    return skip(task, prd)


def _accept(task: str, prd: str | None = None) -> int:
    """Confirm that a task changes what tests expect, and put it back if it is parked."""
    from ralph.cli.commands.control import accept

    return accept(task, prd)


def _retry(task: str, prd: str | None = None, note: str = "") -> int:
    """Put a parked task back: its `- Parked:` line goes."""
    from ralph.cli.commands.control import retry

    return retry(task, prd, note=note)


# ---------------------------------------------------------------- without a terminal


def _start(name: str = "", detach: bool = False, **flags: Any) -> int:
    """The loop in a tmux session, so that this terminal may close. It takes all flags of `ralph`."""
    from ralph.cli.commands.start import start

    return start(name, flags, plain=detach)


def _attach(name: str = "") -> int:
    """Show a session in this terminal; Ctrl-b d leaves it, and it goes on."""
    from ralph.cli.commands.start import attach

    return attach(name)


def _ls(clean: bool = False, json: bool = False) -> int:
    """Your detached runs: alive, ended or dead, and what can be done."""
    from ralph.cli.commands.sessions import listed

    return listed(forget=clean, as_json=json)


def _tail(name: str = "", follow: bool = True) -> int:
    """The lines of a detached run, until it ends or Ctrl-C."""
    from ralph.cli.commands.sessions import follow as lines

    return lines(name, wait=follow)


# ---------------------------------------------------------------- to begin


def _init(agent: str = "") -> int:
    """Write a first PRD.md, memory file and ralph.toml; never over what is there."""
    from ralph.cli.commands.init import init

    return init(agent)


def _completion(shell: str) -> int:
    """Print the script that completes commands, flags, tasks and files: eval "$(ralph completion bash)"."""
    from ralph.cli.completion.scripts import completion

    return completion(shell)


def _clean(
    older_than: str = "", all: bool = False, dry_run: bool = False, json: bool = False  # noqa: A002
) -> int:  # fmt: skip
    """Drop refs, logs and worktrees of runs that are long over; never what a run or a parked task needs."""
    from ralph.cli.commands.clean import clean

    return clean(older_than=older_than, everything=all, dry_run=dry_run, as_json=json)


def _doctor(json: bool = False) -> int:
    """What is installed, logged in, missing, each with its cure; exit code 1 for a problem."""
    from ralph.cli.commands.doctor import doctor

    return doctor(as_json=json)


def _notify(test: bool = False, prd: str | None = None) -> int:
    """Try the notifications now: says for each receiver whether it took one; exit code 1 where one did not."""
    from ralph.cli.commands.notify import notify

    return notify(prd, test=test)


def _demo(keep: str = "") -> int:
    """The whole loop on an example, with a scripted agent."""
    from ralph.cli.commands.demo import demo

    return demo(keep)


# ---------------------------------------------------------------- how they are called


def _text(name: str, said: str, value: str) -> Option:
    return Option(name, ValueKind.TEXT, "", said, value)


def _switch(name: str, said: str) -> Option:
    return Option(name, ValueKind.SWITCH, "", said)


LOOP = tuple(option for option in OPTIONS.values() if option.flag)
PRD = _text("prd", "the PRD (default PRD.md)", "PATH")
JSON = _switch("json", "for programs")
FILE = TextArgument("path", PRD.help)
TASK = TextArgument("task", "a task's id, number, or how its text begins")
NAME = TextArgument("name", "a session's name (default: the one of this repository)")
SESSION = TextArgument("name", "a session's name, in any folder (default: the run here)")
REPORT = (
    _text("since", "all of this time (12h), not only the last run", "DUR"),
    _text("html", "write one page, for any browser", "FILE"),
    _switch("markdown", "as Markdown"),
)
CLEAN = (
    _text("older_than", "of runs that are over for so long (default 14d)", "DUR"),
    _switch("all", "of all runs that are over"),
    _switch("dry_run", "only list it"),
)
AUDIT = (
    _switch("run_gates", "run the gates now, on HEAD"),
    _switch("fresh", "in a fresh checkout of it"),
    _switch("strict", "fail also where commits were rebased or amended"),
)
THE_TASK = TextArgument(TASK.name, TASK.help, required=True)

COMMANDS = {
    "run": Command(_run, LOOP),
    "resume": Command(_resume, (_switch("set_aside", ""), _switch("keep", ""), *LOOP)),
    "status": Command(_status, (PRD, JSON)),
    "logs": Command(
        _logs, (_switch("follow", "wait for more"), _switch("verbose", "with what the agent did"), PRD, JSON), TASK
    ),
    "audit": Command(_audit, (*AUDIT, PRD, JSON), FILE),
    "review": Command(_review, (PRD, JSON), TASK),
    "report": Command(_report, (*REPORT, PRD, JSON)),
    "explain": Command(_explain, (PRD, JSON), THE_TASK),
    "lint": Command(_lint, (PRD, JSON), FILE),
    "pause": Command(_pause, (PRD,)),
    "stop": Command(_stop, (_switch("now", "end the agent that works, too"), PRD), SESSION),
    "skip": Command(_skip, (PRD,), THE_TASK),
    "accept": Command(_accept, (PRD,), THE_TASK),
    "retry": Command(_retry, (_text("note", "for its next prompt", "TEXT"), PRD), THE_TASK),
    "start": Command(_start, (_switch("detach", "without tmux, as a plain process"), *LOOP), NAME),
    "attach": Command(_attach, (), NAME),
    "ls": Command(_ls, (_switch("clean", "forget those that are over"), JSON)),
    "tail": Command(_tail, (_switch("follow", "wait for more (default on)"),), NAME),
    "init": Command(_init, (_text("agent", "the agent to use", "NAME"),)),
    "clean": Command(_clean, (*CLEAN, JSON)),
    "completion": Command(_completion, (), TextArgument("shell", "bash, zsh or fish", required=True)),
    "doctor": Command(_doctor, (JSON,)),
    "notify": Command(_notify, (_switch("test", "send one to every receiver"), PRD)),
    "demo": Command(_demo, (_text("keep", "leave the repository there", "DIR"),)),
}


def split_command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The command, `run` where none was named, and its words."""
    if not argv or argv[0].startswith("-"):
        return "run", list(argv)
    if argv[0] not in COMMANDS:
        raise _unknown(argv[0])
    return argv[0], list(argv[1:])


def text_of(command: Command, texts: Sequence[str]) -> dict[str, str]:
    """The text that the command takes, under its name. RalphError for one too many, or none where it needs one."""
    wanted = command.text
    if too_much := texts[1 if wanted else 0 :]:
        cure = "The command comes first, then its flags: `ralph --help`."
        if _is_path(too_much[0]):
            cure = f"To name the PRD: `--prd {too_much[0]}`."
        raise RalphError(f"`{' '.join(too_much)}` is too much", cure)
    if wanted and wanted.required and not texts:
        raise misused(f"missing argument '{wanted.name}'")
    return {wanted.name: texts[0]} if wanted and texts else {}


def _unknown(word: str) -> RalphError:
    cure = f"{did_you_mean(word, COMMANDS)}`ralph --help` shows them all."
    if _is_path(word):
        cure = f"To work through that file: `ralph --prd {word}`."
    return RalphError(f"there is no command `{word}`", cure)


def _is_path(word: str) -> bool:
    return word.endswith(".md") or "/" in word
