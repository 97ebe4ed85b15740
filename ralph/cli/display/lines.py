"""Events as plain lines: good to follow, good to grep, good to read in the morning."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from ralph.state import events
from ralph.state.events import Event
from ralph.text import clean, money, one_line
from ralph.verify.levels import SHOWN

LABEL = 9  # columns of the first word
LONGEST = 300  # characters of one sentence; the whole of it stands in the journal
MOST = 8  # findings of one attempt
STYLES = {"done": "green", "rejected": "yellow", "PARKED": "bold yellow", "LOOK": "bold yellow", "RED": "red",
          "WARNING": "bold red", "task": "bold", "end": "bold"}  # fmt: skip
LABELS = re.compile(
    rf"(?:\d\d:\d\d:\d\d )?(?P<whose>\S+ +| {{5,}})??(?P<label>{'|'.join(f'{style:<{LABEL}}' for style in STYLES)})"
)


def lines(event: Event, verbose: bool = False) -> list[str]:
    """What to show of one event: no line, or a few. No control character of an agent's is left in them."""
    describe = _TABLE.get(type(event))
    return describe(event, verbose) if describe else []


def labelled(label: str, text: str, *more: str) -> list[str]:
    """`label    text`, and lines below it at the same column."""
    first = f"{label:<{LABEL}}{sentence(text)}".rstrip()
    return [first, *(" " * LABEL + sentence(name) for name in more)]


def sentence(text: str) -> str:
    return one_line(clean(text), LONGEST)


def duration(seconds: float) -> str:
    """`0.04s`, `3.2s`, `58s`, `12m 3s`, `8h 0m`."""
    if seconds < 10:
        return f"{seconds:.2f}s" if seconds < 1 else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def count(tokens: int) -> str:
    """`950`, `12.4k`, `3.1M`."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= size:
            return f"{tokens / size:.1f}{unit}"
    return str(tokens)


def spent(seconds: float, tokens: int, cost: float | None, about: bool = False) -> str:
    """`58s, 12.4k tokens, $0.21`: what is known of it. An estimate is called one: `about $0.21`."""
    return ", ".join(filter(None, (duration(seconds), *used(tokens, cost, about))))


def used(tokens: int, cost: float | None, about: bool = False) -> tuple[str, str]:
    """Tokens and money; where no price is known, `about` stands before the tokens."""
    guessed = "about " if about and cost is None else ""
    return f"{guessed}{count(tokens)} tokens" if tokens else "", money(cost, about)


def title_with_id(task: str, text: str) -> str:
    """A task by its text, with its id where the text does not begin with it."""
    return text if not text or text.startswith(task) else f"{text} ({task})"


def with_level(text: str, level: str) -> str:
    """The text with the level of proof behind it, if that is known: `T1 (proven)`."""
    return f"{text} ({SHOWN[level]})" if SHOWN.get(level) else text


def printer(stream: TextIO) -> Callable[[str], None]:
    """How to print a line in colours on this terminal; only called for one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False)

    def show(line: str) -> None:
        text = Text(line)
        if found := LABELS.match(line):
            word = found["label"].rstrip()
            text.stylize(STYLES[word], found.start("label"), found.start("label") + len(word))
        console.print(text, soft_wrap=True)

    return show


# ---------------------------------------------------------------- one function for each event


PURPOSES = {
    "check": "{}: all below it is done, so its own checks may prove it",
    "hand over": "{}: an agent is asked for a hand-over note",
    "split": "{}: an agent is asked for smaller tasks",
}


def clock(when: float) -> str:
    """A moment as people here tell it: with its date."""
    return f"{datetime.fromtimestamp(when).astimezone():%Y-%m-%d %H:%M:%S}"


def _run_started(event: events.RunStarted, _: bool) -> list[str]:
    agent = "your command" if event.agent == "command" else event.agent
    start = f"{event.prd} with {agent}, on branch {event.branch}"
    if event.home != event.branch:
        start += f" (from {event.home} at {event.base[:7]})"
    gates = f"gates: {'; '.join(event.gates)}" if event.gates else "gates: none"
    return labelled("resumed" if event.resumed else "run", start, *_where(event.at_once), gates, *event.said)


def _where(at_once: int) -> list[str]:
    if at_once > 1:
        return [f"up to {at_once} agents at once, in worktrees"]
    return ["one agent at a time, in a worktree"] if at_once else []


def _run_ended(event: events.RunEnded, _: bool) -> list[str]:
    return labelled("end", f"{event.why} ({spent(event.seconds, event.tokens, event.cost, event.about)})")


def _continued(event: events.Continued, _: bool) -> list[str]:
    text = f"This run was cut off {duration(event.away)} ago. That time does not count for --max-time."
    return labelled("note", text)


def _chosen(event: events.Chosen, _: bool) -> list[str]:
    if event.purpose:
        return [
            "",
            *labelled(
                "task", PURPOSES.get(event.purpose, event.purpose).format(title_with_id(event.task, event.text))
            ),
        ]
    again = f"attempt {event.attempt}: " if event.attempt > 1 else ""
    return ["", *labelled("task", again + title_with_id(event.task, event.text))]


def _reported(event: events.AgentReported, verbose: bool) -> list[str]:
    return labelled("agent", event.action) if verbose and event.action else []


def _stopped(event: events.AgentStopped, _: bool) -> list[str]:
    if event.ended and not event.seconds:
        return []  # no agent was started
    code = f" with {event.code}" if event.why == "exited" and event.code is not None else ""
    trouble = [f"{event.failure}: {event.message}".rstrip(": ")] if event.failure else []
    seen = [event.detail] if event.detail else []
    took = spent(event.seconds, event.tokens, event.cost, event.about)
    return labelled("agent", f"{event.why}{code} after {took}", *seen, *trouble)


def _gate(event: events.GateRan, _: bool) -> list[str]:
    base = ", with the tests as they were before" if event.base_tests else ""
    took = f"{event.command} ({duration(event.seconds)}{base})"
    if event.none:
        return labelled("gate", f"nothing to run yet: {event.command}")
    if event.timed_out:
        return labelled("RED", f"out of time: {took}")
    return labelled("gate" if event.ok else "RED", took)


def _judged(event: events.Judged, _: bool) -> list[str]:
    """The reasons. A sentence says for itself of what kind it is."""
    shown = [labelled("rejected" if rejects else "note", text)[0] for _, text, rejects in event.findings[:MOST]]
    more = len(event.findings) - MOST
    return [*shown, *(labelled("", f"and {more} more") if more > 0 else [])]


def _recorded(event: events.Recorded, _: bool) -> list[str]:
    levels = event.levels
    also = f", and with it {', '.join(with_level(name, levels[name]) for name in event.also)}" if event.also else ""
    how = "" if event.proved else ": done, nothing proved it (no gate and no Check passed)"
    own = with_level(f"{event.task} is commit {event.commit[:7]}", event.level if event.proved else "")
    return labelled("done", f"{own}{also}{how}")


def _set_aside(event: events.SetAside, _: bool) -> list[str]:
    kept = [f"its work is kept: git show {event.work}"] if event.work else []
    told = event.counted or event.move not in ("", "retry", "stop")  # as rejected, or by the line that follows
    why = [] if told else [f"{event.reason} (no try is used up)"]
    cost = ", ".join(filter(None, used(event.tokens, event.cost, event.about)))
    why += [f"until then it had spent {cost}"] if cost else []
    return labelled("aside", *why, *kept) if why or kept else []


def _parked(event: events.Parked, _: bool) -> list[str]:
    return labelled("PARKED", f"{title_with_id(event.task, event.text)}: {event.reason}")


def _reopened(event: events.Reopened, _: bool) -> list[str]:
    return labelled("reopened", f"{title_with_id(event.task, event.text)}: {event.reason}")


def _waiting(event: events.Waiting, _: bool) -> list[str]:
    return labelled("waiting", f"{event.reason} Until {clock(event.until)}.")


def _waited(event: events.Waited, _: bool) -> list[str]:
    return labelled("waited", f"{duration(event.seconds)}{': ' if event.why else ''}{event.why}")


def _split(event: events.Split, _: bool) -> list[str]:
    return labelled("split", f"{title_with_id(event.task, event.text)}, into {len(event.into)} tasks:", *event.into)


def _changed(event: events.AgentChanged, _: bool) -> list[str]:
    return labelled("agent", f"{event.agent} does {event.task} now. {event.reason}")


def _paused(event: events.Paused, _: bool) -> list[str]:
    until = f"Until {clock(event.until)}, then the run ends." if event.until else ""
    return labelled("LOOK" if event.checkpoint else "paused", event.reason, *([until] if until else []))


def _resumed(event: events.Resumed, _: bool) -> list[str]:
    return labelled("resumed", f"after {duration(event.seconds)}")


def _skipped(event: events.Skipped, _: bool) -> list[str]:
    return labelled("skipped", title_with_id(event.task, event.text))


def _reviewed(event: events.Reviewed, _: bool) -> list[str]:
    answer = {True: "accepts it", False: "refuses it", None: "gave no readable answer"}[event.ok]
    said = [event.text] if event.text else []
    took = spent(event.seconds, event.tokens, event.cost, event.about)
    return labelled("review", f"{event.agent} {answer} ({took})", *said)


def _learned(event: events.Learned, verbose: bool) -> list[str]:
    window = f"its context window holds {event.window:,} tokens" if event.window else ""
    price = f"a million tokens cost {', '.join(f'${entry:g}' for entry in event.price)} (input, cached, output)"
    what = "; ".join(filter(None, (window, price if event.price else "")))
    return labelled("note", f"{event.agent} reports of {event.model}: {what}") if verbose else []


def _moved(event: events.Moved, verbose: bool) -> list[str]:
    commit = f" ({event.commit[:7]})" if event.commit else ""
    return labelled("commit", event.subject + commit) if verbose or not event.subject.startswith("chore(") else []


def _noted(event: events.Noted, verbose: bool) -> list[str]:
    detail = event.detail.splitlines()[:20] if verbose or event.loud else []
    return labelled("WARNING" if event.loud else "note", event.text, *detail)


def _ready(event: events.WorkspaceReady, verbose: bool) -> list[str]:
    return (
        labelled("note", f"not protected, too large: {', '.join(event.unsaved)}")
        if verbose and event.unsaved
        else []
    )


_TABLE: dict[type[Event], Callable[..., list[str]]] = {
    events.RunStarted: _run_started, events.RunEnded: _run_ended, events.Continued: _continued, events.Chosen:
    _chosen, events.WorkspaceReady: _ready, events.AgentReported: _reported, events.AgentStopped: _stopped,
    events.GateRan: _gate, events.Judged: _judged, events.Recorded: _recorded, events.SetAside: _set_aside,
    events.Parked: _parked, events.Reopened: _reopened, events.Moved: _moved, events.Noted: _noted,
    events.Waiting: _waiting, events.Waited: _waited, events.Split: _split, events.AgentChanged: _changed,
    events.Paused: _paused, events.Resumed: _resumed, events.Skipped: _skipped, events.Reviewed: _reviewed,
    events.Learned: _learned,
}  # fmt: skip
