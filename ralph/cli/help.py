"""What `--help` shows: the commands that are there, the flags of the loop from their schema; one command's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from textwrap import fill

from ralph.cli.arguments import SHORT, agent_names
from ralph.cli.registry import COMMANDS, TextArgument
from ralph.config import OPTIONS
from ralph.config_values import Option

HEAD = """\
Usage: ralph [--prd PRD.md] [flags]     work through the PRD
       ralph COMMAND [flags]

ralph works through the checkboxes of a Markdown PRD with a coding agent, or several, and ticks only what git
and the gates (tests, linters) prove.

Commands:
  demo      see the whole loop on an example: no API key, no network
  init      write a first PRD.md, memory file and ralph.toml
  clean     drop old refs, logs and worktrees of runs that are over; --dry-run lists them
  completion  bash, zsh or fish: the script for your shell's Tab key
  doctor    what is installed, logged in, missing, with its cure
  lint      what is wrong or risky in the PRD, with its cure
  notify    --test: a message to everybody who is to be told when you are needed

To read, also while a run is going on:
  status    which task stands where; whether a run is going on
  logs      the diary of the last run; `logs TASK` shows what the agent said; -f follows
  review    what is parked and why; `review TASK` shows all that was tried
  explain   the attempts at a task: what each changed, why it was turned down, what came next
  report    what the last run came to, or --since 12h; --html FILE writes one page
  audit     what proves each ticked box

To steer, from another terminal:
  pause     start nothing more, until `resume`
  resume    let a paused run go on; after a crash, continue on changed files (--set-aside or --keep)
  skip      leave a task out of this run
  accept    confirm that a task changes what tests expect
  retry     put a parked task back; --note TEXT goes into its next prompt
  stop      end the run when what is being worked on is over; --now: at once

Without a terminal that stays open:
  start     the same loop in tmux (--detach: without); `start NAME`, with all flags below
  attach    see it; Ctrl-b d leaves it again
  ls        which of them are alive, ended or dead, and what to do
  tail      follow the lines of one
"""
TAIL = """\
An on/off flag has an opposite (--no-strict). A flag beats ralph.toml ([tool.ralph] in pyproject.toml), which has
the same names without dashes in front and beats the default. Times: 90s, 10m, 8h.

Exit codes: 0 every task is done (the last sentence names ticks without proof), 1 something is parked for a human,
2 refused and nothing changed, 3 stopped with work left, 70 a bug of ralph's, 130 interrupted."""
INDENT = 28


def text() -> str:
    """The page, 116 columns at most."""
    shown = [option for option in OPTIONS.values() if option.flag]
    groups = groupby(shown, key=lambda option: option.group)
    parts = [HEAD, *("\n".join([f"{name}:", *map(_row, rows)]) + "\n" for name, rows in groups), TAIL]
    return "\n".join(parts)


def _row(option: Option) -> str:
    left = f"  {option.flag_name} {option.value}".rstrip()
    said = option.help
    if option.name == "agent":
        said += f"; also {' '.join(f'--{name}' for name in agent_names())}"
    return fill(said, 116, initial_indent=left.ljust(INDENT - 2) + "  ", subsequent_indent=" " * INDENT)


# ---------------------------------------------------------------- one command


def of(name: str) -> str:
    """The page of one command, 78 columns wide."""
    command = COMMANDS[name]
    usage = f"Usage: ralph {name} [OPTIONS]{_usage(command.text)}"
    said = fill(command.start.__doc__ or "", 78, initial_indent="  ", subsequent_indent="  ")
    flags = [
        *((_typed(option), option.help) for option in command.options),
        ("--help", "Show this message and exit."),
    ]
    parts = [usage, said, _table("Options", flags)]
    if text := command.text:
        parts[2:2] = [_table("Arguments", [(text.name, text.help + ("  [required]" if text.required else ""))])]
    return "\n\n".join(parts)


def _usage(text: TextArgument | None) -> str:
    if text is None:
        return ""
    return f" {{{text.name}}}" if text.required else f" [{text.name}]"


def _typed(option: Option) -> str:
    short = f"{SHORT[option.name]}, " if option.name in SHORT else ""
    return f"{short}{option.flag_name} {option.value}".rstrip()


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join([f"{title}:", *(f"  {left:<{width}}  {right}" for left, right in rows)])
