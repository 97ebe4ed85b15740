"""A report for people, as plain text of any width and as Markdown. What others wrote is cleaned, cut and quoted."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap

from ralph.cli.display.lines import clock, duration, sentence, spent, title_with_id, used
from ralph.state.report_model import AttemptRecord, Report, RunRecord, TaskState, TaskSummary
from ralph.text import clean, money, one_line
from ralph.verify.levels import SHOWN

LEAST, MOST = 40, 120  # columns
NARROW = 80  # below that a task takes two lines
MOST_FINDINGS = 5  # of one task
MOST_WORDS = 400  # characters of one sentence of others
LABEL = 11


def page(report: Report, width: int) -> list[str]:
    """The report as lines of at most `width` columns."""
    width = min(max(width, LEAST), MOST)
    parts = [_head(report), _numbers(report), _tasks(report, width), _parked(report), _failed(report),
             _timeline(report, width)]  # fmt: skip
    lines = [line for part in parts if part for line in ("", *part)]
    return [short for line in lines[1:] for short in _fit(line, width)]


def _fit(line: str, width: int) -> list[str]:
    """The line, broken where it is too long; what follows stands below its last column of words."""
    if len(line) <= width:
        return [line.rstrip()]
    margin = re.match(rf" *(?:\S[^ ]*(?: \S+)*  +)?(?=\S)|.{{{LABEL}}}", line)
    indent = min(len(margin[0]) if margin else 0, width // 2)
    return [line[:indent] + text if not number else " " * indent + text
            for number, text in enumerate(wrap(line[indent:], width - indent))]  # fmt: skip


def title(runs: Sequence[RunRecord]) -> str:
    """What ran: `PRD.md with claude, on branch ralph/PRD`."""
    if not runs:
        return "no run"
    prds = ", ".join(dict.fromkeys(sentence(run.prd) for run in runs))
    agents = " and ".join(dict.fromkeys(agent_name(run.agent) for run in runs))
    branches = ", ".join(dict.fromkeys(sentence(run.branch) for run in runs))
    return f"{prds} with {agents}, on branch {branches}"


def agent_name(agent: str) -> str:
    return "your command" if agent == "command" else sentence(agent) or "no agent"


def ending(report: Report) -> str:
    """How the last run ended, or that it did not."""
    if report.alive:
        return "It is still running."
    last = report.runs[-1] if report.runs else None
    if last is None or not last.ended:
        return "It was cut off: the same command continues it."
    why = sentence(last.why).rstrip(".")
    return f"{why[:1].upper()}{why[1:]} (exit code {last.code})."


def period(report: Report) -> str:
    return f"{clock(report.begun)} to {clock(report.ended)}"


def several(number: int, word: str, words: str = "") -> str:
    return f"{number} {word if number == 1 else words or word + 's'}"


def task_line(row: TaskSummary | AttemptRecord) -> str:
    """A task for people, on one line."""
    return one_line(sentence(title_with_id(row.task, row.text)) or sentence(row.task), 160)


def mark_of(row: TaskSummary) -> str:
    """More about its standing; for a done task, how strongly it is proven."""
    return row.mark or SHOWN.get(row.proof, "")


def verdict(row: TaskSummary) -> str:
    mark = mark_of(row)
    return f"{row.standing.value}, {mark}" if mark else row.standing.value


def headline(report: Report) -> tuple[tuple[str, str], ...]:
    """The numbers that are looked at first: (label, value)."""
    standing = {state: len(report.standing(state)) for state in TaskState}
    still = standing[TaskState.OPEN] + standing[TaskState.WORKING]
    tasks = f"{standing[TaskState.DONE]} done, {standing[TaskState.PARKED]} parked, {still} open"
    if standing[TaskState.SPLIT]:
        tasks += f", {standing[TaskState.SPLIT]} split"
    what = used(report.tokens, report.cost, report.about)
    lies = f"{several(report.false_claims, 'time', 'times')} an agent said that it was done, and was not"
    return (
        ("tasks", tasks),
        ("attempts", f"{report.attempts} in {duration(report.seconds)}; agents worked {duration(report.worked)}"),
        ("spent", ", ".join(filter(None, what)) or "not known: the agents did not tell"),
        ("found out", lies if report.false_claims else "no false claim"),
    )


def next_step(row: TaskSummary, prd: str = "PRD.md") -> tuple[str, ...]:
    """Commands for a parked task, best first."""
    task, more = shlex.quote(clean(row.task)), "" if prd == "PRD.md" else f" --prd {shlex.quote(clean(prd))}"
    return f"ralph review {task}{more}", f'ralph retry {task}{more} --note "what to do differently"'


def found(row: TaskSummary) -> tuple[str, ...]:
    """What speaks against its last try, each with its kind."""
    rejecting = [finding for finding in row.findings if finding.rejects]
    told = [
        f"{finding.what.value}: {one_line(clean(finding.text), MOST_WORDS)}"
        for finding in rejecting[:MOST_FINDINGS]
    ]
    more = len(rejecting) - MOST_FINDINGS
    return (*told, *([f"and {more} more"] if more > 0 else []))


# ---------------------------------------------------------------- plain text


def _head(report: Report) -> list[str]:
    return [f"Report: {title(report.runs)}", f"{period(report)}. {ending(report)}"]


def _numbers(report: Report) -> list[str]:
    return [_labelled(label, value) for label, value in headline(report)]


def _labelled(label: str, value: str) -> str:
    return f"  {label:<{LABEL}} {value}"


def _tasks(report: Report, width: int) -> list[str]:
    if not report.rows:
        return []
    if width < NARROW:
        return ["Tasks", *(line for row in report.rows for line in _two_lines(row, width))]
    wide = max(8, *(len(money(row.cost, row.about)) for row in report.rows))
    head = f"  {'':<8} {'tries':>5} {'cost':>{wide}} {'time':>8}  {'commit':<7}  task"
    return ["Tasks", head, *(_one_line(row, width, wide) for row in report.rows)]


def _two_lines(row: TaskSummary, width: int) -> list[str]:
    facts = [
        several(row.tries, "try", "tries"),
        spent(row.seconds, row.tokens, row.cost, row.about),
        row.commit[:7],
        mark_of(row),
    ]
    first = f"  {row.standing.value:<8} {task_line(row)}"
    return [one_line_keep(first, width), *([f"{'':<11}{', '.join(filter(None, facts))}"] if row.tries else [])]


def _one_line(row: TaskSummary, width: int, wide: int) -> str:
    tries, time = (str(row.tries), duration(row.seconds)) if row.tries else ("", "")
    cost = f"{money(row.cost, row.about):>{wide}}"
    left = f"  {row.standing.value:<8} {tries:>5} {cost} {time:>8}  {sentence(row.commit)[:7]:<7}  "
    mark = f" ({mark_of(row)})" if mark_of(row) else ""
    return left + one_line(task_line(row), max(width - len(left) - len(mark), 10)) + mark


def one_line_keep(line: str, width: int) -> str:
    """Cut at its end; the spaces inside stay."""
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _parked(report: Report) -> list[str]:
    rows = report.standing(TaskState.PARKED)
    lines = ["Needs a human"] if rows else []
    for row in rows:
        lines.append(f"  {task_line(row)}")
        lines.append(_labelled("  why", one_line(clean(row.reason), MOST_WORDS) or "it does not say"))
        lines += [_labelled("  found" if not number else "", text) for number, text in enumerate(found(row))]
        lines += [
            _labelled("  next" if not number else "", text) for number, text in enumerate(next_step(row, row.prd))
        ]
    return lines


def _failed(report: Report) -> list[str]:
    return ["Why attempts failed", *(f"  {number:>4}  {sentence(kind)}" for kind, number in report.failures)] if (
        report.failures) else []  # fmt: skip


def lanes(report: Report) -> dict[str, list[AttemptRecord]]:
    """The attempts of each agent, in order; those that never got one stand under \"no agent\"."""
    found: dict[str, list[AttemptRecord]] = {}
    for attempt in report.tries:
        found.setdefault(agent_name(attempt.agent), []).append(attempt)
    return found


def _timeline(report: Report, width: int) -> list[str]:
    lines = ["Timeline"] if report.tries else []
    for agent, tries in lanes(report).items():
        seconds = sum(attempt.seconds for attempt in tries)
        lines.append(f"  {agent}: {several(len(tries), 'attempt')}, {spent(seconds, 0, None)}")
        lines += [_bar_line(attempt, report, width) for attempt in tries]
    return lines


def _bar_line(attempt: AttemptRecord, report: Report, width: int) -> str:
    began, end = f"{_moment(attempt.begun)}", attempt.ended or report.ended
    left = f"    {began} {duration(max(0.0, end - attempt.begun)):>7}  {label(attempt):<10} "
    room = width - len(left) - 14
    if room < 6:
        return one_line_keep(f"{left}{attempt.result.value}", width)
    return f"{left}{attempt.result.value:<10} |{_bar(attempt.begun, end, report, room)}|"


def label(attempt: AttemptRecord) -> str:
    """`T3 #2`: the second try of T3; what an agent was only asked for says so."""
    task = sentence(attempt.task)
    task = task if len(task) <= 12 else task[:11] + "…"
    return f"{task} {sentence(attempt.purpose)}" if attempt.purpose else f"{task} #{attempt.attempt}"


def _bar(begun: float, ended: float, report: Report, room: int) -> str:
    whole = max(report.ended - report.begun, 0.001)
    first = min(max(int((begun - report.begun) / whole * room), 0), room - 1)
    last = min(max(round((ended - report.begun) / whole * room), first + 1), room)
    return " " * first + "#" * (last - first) + " " * (room - last)


def _moment(when: float) -> str:
    return f"{datetime.fromtimestamp(when).astimezone():%H:%M:%S}"


# ---------------------------------------------------------------- Markdown


def markdown(report: Report) -> str:
    """The same for a pull request or a wiki: nothing that others wrote acts as Markdown or HTML in it."""
    parts = [
        f"# Report: {md(title(report.runs))}",
        f"{period(report)}. {md(ending(report))}",
        "\n".join(f"- **{label}**: {md(value)}" for label, value in headline(report)),
    ]
    if report.rows:
        head = "| verdict | task | tries | cost | time | commit |\n|---|---|--:|--:|--:|---|"
        parts += ["## Tasks", "\n".join([head, *map(_md_row, report.rows)])]
    if parked := report.standing(TaskState.PARKED):
        parts += ["## Needs a human", *map(_md_parked, parked)]
    if report.failures:
        parts += [
            "## Why attempts failed",
            "\n".join(f"- {number} × {md(kind)}" for kind, number in report.failures),
        ]
    if report.tries:
        parts += ["## Timeline", *(_md_lane(agent, tries, report) for agent, tries in lanes(report).items())]
    return "\n\n".join(parts) + "\n"


def md(text: str) -> str:
    """The text on one line, with everything escaped that Markdown or HTML could take for its own."""
    safe = html.escape(one_line(clean(text), MOST_WORDS), quote=False)
    safe = re.sub(r"([\\`*_\[\]|~!#$@])", r"\\\1", safe)
    return re.sub(r"(?i)\b(https?|ftp|mailto|www)([:.])", r"\1<!-- -->\2", safe)  # no link that was not meant


def _md_row(row: TaskSummary) -> str:
    tries, time = (str(row.tries), duration(row.seconds)) if row.tries else ("", "")
    commit = f"`{md(row.commit)[:7]}`" if row.commit else ""
    cells = (verdict(row), md(task_line(row)), tries, md(money(row.cost, row.about)), time, commit)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _md_parked(row: TaskSummary) -> str:
    lines = [f"- **{md(task_line(row))}**", f"  - why: {md(row.reason)}"]
    lines += [f"  - found: {md(text)}" for text in found(row)]
    return "\n".join([*lines, *(f"  - next: {md(text)}" for text in next_step(row, row.prd))])


def _md_lane(agent: str, tries: Sequence[AttemptRecord], report: Report) -> str:
    rows = [_md_try(attempt, attempt.ended or report.ended) for attempt in tries]
    return "\n".join([f"### {md(agent)}", "", "| start | end | attempt | outcome |", "|---|---|---|---|", *rows])


def _md_try(attempt: AttemptRecord, ended: float) -> str:
    return f"| {_moment(attempt.begun)} | {_moment(ended)} | {md(label(attempt))} | {attempt.result.value} |"
