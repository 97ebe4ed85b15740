"""A report as one HTML page without scripts and network access. All text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from string import Template

from ralph.cli.display.lines import clock, count, duration, spent
from ralph.cli.display.report import (
    agent_name,
    ending,
    found,
    label,
    lanes,
    mark_of,
    next_step,
    period,
    several,
    task_line,
    title,
)
from ralph.state.report_model import AttemptRecord, Report, Result, TaskState, TaskSummary
from ralph.text import clean, money, one_line

TONES = {
    TaskState.DONE: "good", TaskState.PARKED: "warn", TaskState.SPLIT: "dull", TaskState.WORKING: "busy",
    TaskState.OPEN: "dull",
}  # fmt: skip
RESULTS = {
    Result.ACCEPTED: "good", Result.REJECTED: "bad", Result.TAKEN_BACK: "bad", Result.WORKING: "busy",
    Result.BROKE_OFF: "dull", Result.ASKED: "dull",
}  # fmt: skip
MOST_QUOTE = 20_000  # characters of a prompt or an output
MOST_WORDS = 600


def page(report: Report, template: str) -> str:
    """Return the page. `template` has `$title`, `$period`, `$ending`, `$numbers`, `$body` and `$written`."""
    sections = (_parked(report), _tasks(report), _timeline(report), _failed(report), _tries(report))
    body = "\n".join(filter(None, sections))
    return Template(template).substitute(
        title=text(title(report.runs)), period=text(period(report)), ending=text(ending(report)),
        numbers=_numbers(report), body=body, written=text(clock(report.ended)),
    )  # fmt: skip


def text(words: str, most: int = MOST_WORDS) -> str:
    """Return untrusted text on one line, escaped for an element or a quoted attribute."""
    return html.escape(one_line(clean(words), most))


def quoted(words: str) -> str:
    """Return untrusted lines as preformatted text, cut to MOST_QUOTE characters."""
    shown = clean(words).strip("\n").rstrip()
    kept = shown if len(shown) <= MOST_QUOTE else shown[:MOST_QUOTE] + "\n…"
    return f"<pre>{html.escape(kept)}</pre>"


def _section(heading: str, parts: Iterable[str]) -> str:
    inside = "\n".join(parts)
    return f"<section><h2>{heading}</h2>\n{inside}</section>" if inside else ""


def _tag(word: str, tone: str) -> str:
    return f'<span class="tag {tone}">{text(word)}</span>'


# ---------------------------------------------------------------- numbers and tasks


def _numbers(report: Report) -> str:
    still = len(report.standing(TaskState.OPEN, TaskState.WORKING))
    tokens = f"{count(report.tokens)} tokens" if report.tokens else "the agents did not tell"
    lies = several(report.false_claims, "agent said", "times an agent said") + " “done” and was not"
    numbers = (
        ("Done", str(len(report.standing(TaskState.DONE))), f"of {several(len(report.rows), 'task')}"),
        ("Parked", str(len(report.standing(TaskState.PARKED))), "wait for a human"),
        ("Open", str(still), "still to do"),
        (
            "Attempts",
            str(report.attempts),
            f"in {duration(report.seconds)}; agents worked {duration(report.worked)}",
        ),
        ("Cost", money(report.cost, report.about) or "not known", tokens),
        ("Found out", str(report.false_claims), lies if report.false_claims else "no false claim"),
    )
    return "".join(f"<div><dt>{head}</dt><dd>{text(value)}<small>{text(more)}</small></dd></div>"
                   for head, value, more in numbers)  # fmt: skip


def _tasks(report: Report) -> str:
    if not report.rows:
        return ""
    head = "".join(f"<th{' class=number' if name in NUMBERS else ''}>{name}</th>" for name in COLUMNS)
    rows = "\n".join(map(_row, report.rows))
    return _section("Tasks", [f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"])


COLUMNS = ("Verdict", "Task", "Tries", "Cost", "Time", "Commit")
NUMBERS = ("Tries", "Cost", "Time")


def _row(row: TaskSummary) -> str:
    mark = f' <small class="soft">{text(mark_of(row))}</small>' if mark_of(row) else ""
    numbers = (str(row.tries), money(row.cost, row.about), duration(row.seconds)) if row.tries else ("", "", "")
    cells = "".join(f'<td class="number" data-name="{head.lower()}">{text(value)}</td>'
                    for head, value in zip(NUMBERS, numbers, strict=True))  # fmt: skip
    commit = f"<code>{text(row.commit)[:7]}</code>" if row.commit else ""
    return (
        f"<tr><td>{_tag(row.standing.value, TONES[row.standing])}{mark}</td>"
        f'<td class="task">{text(task_line(row))}</td>{cells}<td class="commit">{commit}</td></tr>'
    )


def _parked(report: Report) -> str:
    return _section("Needs a human", [_card(row) for row in report.standing(TaskState.PARKED)])


def _card(row: TaskSummary) -> str:
    findings = "".join(f"<li>{text(word)}</li>" for word in found(row))
    listed = f"<ul>{findings}</ul>" if findings else ""
    why = text(row.reason) or "It does not say why."
    steps = quoted("\n".join(next_step(row, row.prd)))
    head = f"<h3>{text(task_line(row))}</h3><p>{why}</p>"
    return f'<article class="card look">{head}{listed}<p class="soft">Next:</p>{steps}</article>'


def _failed(report: Report) -> str:
    most = max((number for _, number in report.failures), default=1)
    return _section("Why attempts failed", [
        f'<div class="meter"><span>{text(kind)}</span><span><i style="width:{number / most * 100:.1f}%"></i></span>'
        f"<span class=number>{number}</span></div>" for kind, number in report.failures])  # fmt: skip


# ---------------------------------------------------------------- timeline


def _timeline(report: Report) -> str:
    parts = []
    for agent, tries in lanes(report).items():
        parts.append(f"<h3>{text(agent)} <span class=soft>{several(len(tries), 'attempt')}</span></h3>")
        parts += [_lane(lane, report) for lane in beside(tries, report.ended)]
    scale = (
        f"<div class=scale><span>{text(clock(report.begun))}</span><span>{text(clock(report.ended))}</span></div>"
    )
    return _section("Timeline", [*parts, scale, LEGEND] if parts else [])


LEGEND = f'<p class="soft">{" ".join(_tag(result.value, tone) for result, tone in RESULTS.items())}</p>'


def beside(tries: Sequence[AttemptRecord], now: float) -> list[list[AttemptRecord]]:
    """Return the attempts in as few lanes as possible without an overlap in time."""
    side: list[list[AttemptRecord]] = []
    for other_attempt in sorted(tries, key=lambda attempt: attempt.begun):
        free = (lane for lane in side if (lane[-1].ended or now) <= other_attempt.begun)
        lane = next(free, None)
        if lane is None:
            side.append([other_attempt])
        else:
            lane.append(other_attempt)
    return side


def _lane(tries: Sequence[AttemptRecord], report: Report) -> str:
    return f'<div class="lane">{"".join(_bar(attempt, report) for attempt in tries)}</div>'


def _bar(attempt: AttemptRecord, report: Report) -> str:
    whole = max(report.ended - report.begun, 0.001)
    left = min(max((attempt.begun - report.begun) / whole, 0.0), 1.0)
    right = min(max(((attempt.ended or report.ended) - report.begun) / whole, left), 1.0)
    seconds = max(0.0, (attempt.ended or report.ended) - attempt.begun)
    about = text(f"{label(attempt)}: {attempt.result.value}, {duration(seconds)}")
    return (f'<a class="{RESULTS[attempt.result]}" href="#{_anchor(attempt)}" title="{about}" aria-label="{about}" '
            f'style="left:{left * 100:.2f}%;width:{(right - left) * 100:.2f}%"></a>')  # fmt: skip


def _anchor(attempt: AttemptRecord) -> str:
    return f"try-{''.join(char for char in attempt.run if char.isascii() and char.isalnum())}-{attempt.n}"


# ---------------------------------------------------------------- attempts


def _tries(report: Report) -> str:
    return _section("Attempts", [_attempt(attempt) for attempt in report.tries])


def _attempt(attempt: AttemptRecord) -> str:
    cost = spent(attempt.seconds, attempt.tokens, attempt.cost, attempt.about)
    head = (
        f"{_tag(attempt.result.value, RESULTS[attempt.result])}<span>{text(task_line(attempt))}</span>"
        f"<span class=soft>{text(label(attempt))}, {text(agent_name(attempt.agent))}, {text(cost)}</span>"
    )
    inside = "".join(
        (
            _sentences(attempt),
            _folded("What it changed", attempt.stat),
            _folded("Its last words", attempt.said),
            "" if attempt.said == attempt.tail else _folded("The last of its output", attempt.tail),
            *(_folded(f"Output of {command}", log) for command, log in attempt.logs),
            _folded("Its prompt", attempt.prompt),
        )
    )
    return f'<details class="attempt" id="{_anchor(attempt)}"><summary>{head}</summary>{inside}</details>'


def _sentences(attempt: AttemptRecord) -> str:
    begun = f"{clock(attempt.begun)}. {attempt.how}"
    findings = [f"<li>{_tag('rejected' if found.rejects else 'noticed', 'bad' if found.rejects else 'dull')} "
                f"{text(f'{found.what.value}: {found.text}')}</li>" for found in attempt.findings]  # fmt: skip
    gates = [
        f"<li>{_tag('gate' if gate.ok or gate.none else 'red', 'good' if gate.ok or gate.none else 'bad')} "
        f"<code>{text(gate.command)}</code> {duration(gate.seconds)}</li>"
        for gate in attempt.gates
    ]
    aside = attempt.reason if attempt.reason not in {found.text for found in attempt.findings} else ""
    last = [f"<p>{text(aside)}</p>" if aside else "",
            f"<p>Commit <code>{text(attempt.commit)}</code></p>" if attempt.commit else "",
            f"<p>Its work is kept: <code>{text(attempt.work)}</code></p>" if attempt.work else ""]  # fmt: skip
    listed = "".join((*gates, *findings))
    return f"<p class=soft>{text(begun)}</p>{f'<ul>{listed}</ul>' if listed else ''}{''.join(last)}"


def _folded(heading: str, words: str) -> str:
    return f"<details><summary>{text(heading, 160)}</summary>{quoted(words)}</details>" if words.strip() else ""
