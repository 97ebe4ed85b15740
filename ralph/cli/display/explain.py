"""The story of one task for people: its attempts in order, why each was turned down, and what was tried next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ralph.cli.display.lines import clock, duration, sentence, spent
from ralph.cli.display.report import agent_name, one_line_keep, several
from ralph.state.report_model import AttemptRecord, Note, Result, TaskHistory
from ralph.text import clean, one_line, tail

ASKED = {"check": "Its own checks, without an agent", "hand over": "Asked for a hand-over note",
         "split": "Asked for smaller tasks"}  # fmt: skip
WORDS = {"agent changed": "another agent"}
LABEL = 10
MOST_TAIL = 12  # lines of a gate's output, of a diff's list of files
MOST_WORDS = 600


def page(story: TaskHistory, width: int, what_next: Callable[[AttemptRecord], str]) -> list[str]:
    """The story as lines of at most `width` columns; `what_next` tells what followed an attempt."""
    tries = [one for one in story.steps if isinstance(one, AttemptRecord) and not one.purpose]
    cost = spent(story.seconds, story.tokens, story.cost, story.about)
    head = f"{story.standing.value} after {several(len(tries), 'attempt')}, {cost} (run {sentence(story.run)})"
    lines = [sentence(story.text) or sentence(story.task), head]
    for one in story.steps:
        lines += ["", *(_remark(one) if isinstance(one, Note) else _attempt(one, what_next(one)))]
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
    yield from (" " * indent + one for one in rest)


def _row(label: str, text: str) -> list[str]:
    return [f"  {label:<{LABEL}}{one_line(clean(text), MOST_WORDS)}"] if text else []


def _quoted(text: str) -> list[str]:
    """The end of what somebody printed, marked as quoted."""
    shown = tail(clean(text), lines=MOST_TAIL, chars=3000).splitlines()
    return [f"  {'':<{LABEL}}| {one.expandtabs(4)}" for one in shown]


def _remark(one: Note) -> list[str]:
    word = WORDS.get(one.kind, one.kind)
    commit = f" ({sentence(one.commit)[:7]})" if one.commit else ""
    return [f"{word[:1].upper()}{word[1:]}{commit}, {clock(one.time)}", *_row("why", one.text)]


# ---------------------------------------------------------------- one attempt


def _attempt(one: AttemptRecord, what_next: str) -> list[str]:
    return [_title(one), *_row("agent", one.how), *_changed(one), *_gates(one), *_review(one), *_verdict(one),
            *_next(one, what_next)]  # fmt: skip


def _title(one: AttemptRecord) -> str:
    what = (
        ASKED.get(one.purpose, f"Asked for: {sentence(one.purpose)}") if one.purpose else f"Attempt {one.attempt}"
    )
    agent = f" by {agent_name(one.agent)}" if one.agent else ""
    cost = spent(one.seconds, one.tokens, one.cost, one.about) if one.how else "no agent was started"
    return f"{what}{agent}, {clock(one.begun)}, {cost}: {one.result.value}"


def _changed(one: AttemptRecord) -> list[str]:
    if one.purpose and one.result is Result.ASKED:
        return []
    *files, total = [line for line in clean(one.stat).splitlines() if line.strip()] or [""]
    listed = [f"  {'':<{LABEL}}| {file.strip()}" for file in files[:MOST_TAIL]]
    if len(files) > MOST_TAIL:
        listed.append(f"  {'':<{LABEL}}| and {len(files) - MOST_TAIL} more")
    return [*_row("changed", total), *listed]


def _gates(one: AttemptRecord) -> list[str]:
    lines: list[str] = []
    logs = dict(one.logs)
    for gate in one.gates:
        label = "gate" if gate.ok or gate.none else "RED"
        more = ", out of time" if gate.timed_out else ", nothing to run" if gate.none else ""
        tests = ", with the tests as they were before" if gate.base_tests else ""
        lines += _row(label, f"{gate.command} ({duration(gate.seconds)}{more}{tests})")
        lines += _quoted(logs[gate.command]) if label == "RED" and gate.command in logs else []
    return lines


def _review(one: AttemptRecord) -> list[str]:
    if one.reviewer is None:
        return []
    said = {True: "accepted it", False: "refused it", None: "gave no readable answer"}[one.reviewer.ok]
    about = f": {one.reviewer.text}" if one.reviewer.text else ""
    return _row("reviewer", f"{one.reviewer.agent} {said}{about}")


def _verdict(one: AttemptRecord) -> list[str]:
    lines: list[str] = []
    for finding in sorted(one.findings, key=lambda found: not found.rejects):
        lines += _row("rejected" if finding.rejects else "noticed", f"{finding.what.value}: {finding.text}")
    if one.commit:
        lines += _row("commit", f"{one.commit[:12]}: git show {one.commit[:12]}")
    known = {finding.text for finding in one.findings}
    lines += _row("aside", one.reason) if one.reason and one.reason not in known else []
    return lines + (_row("kept", f"git diff {one.base[:12]} {one.work}") if one.work and one.base else [])


def _next(one: AttemptRecord, what_next: str) -> list[str]:
    when = f" Not before {clock(one.when)}." if one.when and one.move == "wait" else ""
    return _row("next", what_next + when)
