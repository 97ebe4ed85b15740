"""The story of one task for people: its attempts in order, why each was turned down, and what was tried next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ralph.cli.display.lines import clock, duration, sentence, spent
from ralph.cli.display.report import agent_name, one_line_keep, several
from ralph.state.report_model import AttemptRecord, Note, Result, TaskHistory
from ralph.text import clean, one_line, tail
from ralph.verify.levels import SHOWN

ASKED = {"check": "Its own checks, without an agent", "hand over": "Asked for a hand-over note",
         "split": "Asked for smaller tasks"}  # fmt: skip
WORDS = {"agent changed": "another agent"}
LABEL = 10
MOST_TAIL = 12  # lines of a gate's output, of a diff's list of files
MOST_WORDS = 600


def page(story: TaskHistory, width: int, what_next: Callable[[AttemptRecord], str]) -> list[str]:
    """The story as lines of at most `width` columns; `what_next` tells what followed an attempt."""
    tries = [step for step in story.steps if isinstance(step, AttemptRecord) and not step.purpose]
    cost = spent(story.seconds, story.tokens, story.cost, story.about)
    head = f"{story.standing.value} after {several(len(tries), 'attempt')}, {cost} (run {sentence(story.run)})"
    lines = [sentence(story.text) or sentence(story.task), head]
    for attempt in story.steps:
        lines += ["", *(_remark(attempt) if isinstance(attempt, Note) else _attempt(attempt, what_next(attempt)))]
    return [short for line in lines for short in _fit(line, width)]


def _fit(line: str, width: int) -> Iterator[str]:
    """Words are broken at the width; quoted output (`|`) is cut."""
    from textwrap import wrap

    indent = LABEL + 2 if line.startswith("  ") else 0
    if line[indent:].startswith("| ") or len(line) <= width:
        yield one_line_keep(line.rstrip(), width)
        return
    first, *rest = wrap(line[indent:], max(width - indent, 20))
    yield line[:indent] + first
    yield from (" " * indent + item for item in rest)


def _row(label: str, text: str) -> list[str]:
    return [f"  {label:<{LABEL}}{one_line(clean(text), MOST_WORDS)}"] if text else []


def _quoted(text: str) -> list[str]:
    """The end of what somebody printed, marked as quoted."""
    shown = tail(clean(text), lines=MOST_TAIL, chars=3000).splitlines()
    return [f"  {'':<{LABEL}}| {name.expandtabs(4)}" for name in shown]


def _remark(note: Note) -> list[str]:
    word = WORDS.get(note.kind, note.kind)
    commit = f" ({sentence(note.commit)[:7]})" if note.commit else ""
    return [f"{word[:1].upper()}{word[1:]}{commit}, {clock(note.time)}", *_row("why", note.text)]


# ---------------------------------------------------------------- one attempt


def _attempt(attempt: AttemptRecord, what_next: str) -> list[str]:
    return [
        _title(attempt),
        *_row("agent", attempt.how),
        *_changed(attempt),
        *_gates(attempt),
        *_review(attempt),
        *_verdict(attempt),
        *_next(attempt, what_next),
    ]


def _title(attempt: AttemptRecord) -> str:
    what = (
        ASKED.get(attempt.purpose, f"Asked for: {sentence(attempt.purpose)}")
        if attempt.purpose
        else f"Attempt {attempt.attempt}"
    )
    agent = f" by {agent_name(attempt.agent)}" if attempt.agent else ""
    cost = (
        spent(attempt.seconds, attempt.tokens, attempt.cost, attempt.about)
        if attempt.how
        else "no agent was started"
    )
    return f"{what}{agent}, {clock(attempt.begun)}, {cost}: {attempt.result.value}"


def _changed(attempt: AttemptRecord) -> list[str]:
    if attempt.purpose and attempt.result is Result.ASKED:
        return []
    *files, total = [line for line in clean(attempt.stat).splitlines() if line.strip()] or [""]
    listed = [f"  {'':<{LABEL}}| {file.strip()}" for file in files[:MOST_TAIL]]
    if len(files) > MOST_TAIL:
        listed.append(f"  {'':<{LABEL}}| and {len(files) - MOST_TAIL} more")
    return [*_row("changed", total), *listed]


def _gates(attempt: AttemptRecord) -> list[str]:
    lines: list[str] = []
    logs = dict(attempt.logs)
    for gate in attempt.gates:
        label = "gate" if gate.ok or gate.none else "RED"
        more = ", out of time" if gate.timed_out else ", nothing to run" if gate.none else ""
        tests = ", with the tests as they were before" if gate.base_tests else ""
        lines += _row(label, f"{gate.command} ({duration(gate.seconds)}{more}{tests})")
        lines += _quoted(logs[gate.command]) if label == "RED" and gate.command in logs else []
    return lines


def _review(attempt: AttemptRecord) -> list[str]:
    if attempt.reviewer is None:
        return []
    said = {True: "accepted it", False: "refused it", None: "gave no readable answer"}[attempt.reviewer.ok]
    about = f": {attempt.reviewer.text}" if attempt.reviewer.text else ""
    return _row("reviewer", f"{attempt.reviewer.agent} {said}{about}")


def _verdict(attempt: AttemptRecord) -> list[str]:
    lines: list[str] = []
    for finding in sorted(attempt.findings, key=lambda found: not found.rejects):
        lines += _row("rejected" if finding.rejects else "noticed", f"{finding.what.value}: {finding.text}")
    if attempt.commit:
        lines += _row("commit", f"{attempt.commit[:12]}: git show {attempt.commit[:12]}")
        lines += _row("proof", SHOWN.get(attempt.level, ""))
    known = {finding.text for finding in attempt.findings}
    lines += _row("aside", attempt.reason) if attempt.reason and attempt.reason not in known else []
    return lines + (
        _row("kept", f"git diff {attempt.base[:12]} {attempt.work}") if attempt.work and attempt.base else []
    )


def _next(attempt: AttemptRecord, what_next: str) -> list[str]:
    when = f" Not before {clock(attempt.when)}." if attempt.when and attempt.move == "wait" else ""
    return _row("next", what_next + when)
