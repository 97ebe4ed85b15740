"""The review file of a parked task: what was wanted, what was tried, what was found, and what a person can do now.

What agents and gates said is fenced, cleaned, masked and cut: nothing in it can pose as a line of this file.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ralph.agents import endings
from ralph.agents.model import Stopped
from ralph.prd.model import Task, id_prefix
from ralph.state.events import GateRan
from ralph.state.report_model import AttemptRecord
from ralph.text import clean, fence, mask, money, one_line, show_name, tail
from ralph.verify.model import Finding, FindingKind

MOST_ATTEMPTS = 10  # the newest
MOST_DETAIL = 3000  # characters that show one finding
MOST_SAID = 2000  # characters of the agent's last words, its last actions, the reason
MOST_STAT = 4000
MOST_BODY = 20_000
ASKED = {"check": "Its own checks, without an agent", "hand over": "Asked for a hand-over note",
         "split": "Asked for smaller tasks"}  # fmt: skip
QUESTION, TASK = "## What the agent asks", "## The task"


def dossier(
    task: Task, attempts: Sequence[AttemptRecord], *, reason: str, question: str = "", prd_name: str, branch: str,
    secrets: Sequence[str] = (),
) -> str:  # fmt: skip
    """The file, as Markdown. `prd_name` is the PRD's path in the repository, `branch` the short name of ralph's."""
    told = [_attempt(attempt) for attempt in attempts[-MOST_ATTEMPTS:]]
    older, asks = len(attempts) - len(told), _quoted("", question, MOST_SAID)
    more = "" if prd_name == "PRD.md" else f" --prd {shlex.quote(prd_name)}"
    parts = [
        f"# Parked: {_name(task)}",
        *_quoted("", one_line(clean(reason), MOST_SAID), MOST_SAID),
        *([QUESTION, *asks] if asks else []),
        TASK,
        _place(task, prd_name, branch),
        *_quoted("", task.body, MOST_BODY, "markdown", newest=False),
        "## What was tried",
        *([f"Older attempts that are left out here: {older}."] if older else []),
        *(told or ["Nothing: no agent was started."]),
        "## To look closer",
        fence("\n".join(_look(task, attempts, more)), "sh"),
        "## To go on",
        _go_on(task, attempts, prd_name, more),
    ]
    return mask(clean("\n\n".join(parts)), secrets) + "\n"


def question_of(text: str) -> str:
    """The question that a review file holds; "": none."""
    above = text.partition(f"\n{TASK}\n")[0]  # below it, anybody's text may look like this heading
    asked = above.partition(f"\n{QUESTION}\n\n")[2]
    ticks, _, body = asked.partition("text\n")
    return body.partition(f"\n{ticks}\n")[0] if ticks else ""


def _name(task: Task) -> str:
    text = one_line(clean(task.text), 200)
    return id_prefix(task, text) + text


def _place(task: Task, prd_name: str, branch: str) -> str:
    under = (
        f" under {' > '.join(one_line(clean(heading), 80) for heading in task.headings)}" if task.headings else ""
    )
    return f"It stands in `{prd_name}`{under}, on the branch `{branch}`."


def _quoted(title: str, text: str, most: int, info: str = "text", *, newest: bool = True) -> list[str]:
    """The text in a fence below its title, or nothing. Too long: its end, or its beginning."""
    text = clean(text).strip("\n").rstrip()
    kept = tail(text, lines=200, chars=most) if newest else text if len(text) <= most else text[:most] + "\n…"
    return [part for part in (title, fence(kept, info)) if part] if kept.strip() else []


# ---------------------------------------------------------------- one attempt


def _attempt(attempt: AttemptRecord) -> str:
    told = [_title(attempt), _ending(attempt), *_findings(attempt.findings), *_gates(attempt), *_review(attempt)]
    told += _last(attempt.stopped, attempt.findings) if attempt.stopped else []
    if not attempt.purpose:
        told += _quoted("What it changed:", attempt.stat, MOST_STAT)
        told += [f"Its work is kept: `{attempt.kept}`"] if attempt.kept else []
    return "\n\n".join(part for part in told if part)


def _last(stopped: Stopped, findings: Sequence[Finding]) -> list[str]:
    """What it did and said last; where it said nothing, what it printed, if no finding shows that."""
    told = _quoted("Its last actions:", "\n".join(stopped.actions), MOST_SAID)
    told += _quoted("Its last words:", stopped.said, MOST_SAID)
    if stopped.said or stopped.tail in {finding.detail for finding in findings}:
        return told
    return told + _quoted("The last of its output:", stopped.tail, MOST_SAID)


def _title(attempt: AttemptRecord) -> str:
    asked = ASKED.get(attempt.purpose, f"Asked for: {attempt.purpose}")
    what = asked if attempt.purpose else f"Attempt {attempt.attempt}"
    agent = f", {one_line(clean(attempt.agent), 60)}" if attempt.agent else ""
    return f"### {what}{agent}{_spent(attempt.stopped)}"


def _spent(stopped: Stopped | None) -> str:
    if stopped is None:
        return ""
    minutes, seconds = divmod(round(stopped.seconds), 60)
    about = "about " if stopped.about and stopped.cost is None else ""
    tokens = f", {about}{stopped.tokens:,} tokens" if stopped.tokens else ""
    cost = "" if stopped.cost is None else f", {money(stopped.cost, stopped.about)}"
    return f", {f'{minutes} min ' if minutes else ''}{seconds} s{tokens}{cost}"


def _ending(attempt: AttemptRecord) -> str:
    """How the agent ended, where that is more than that it did."""
    if attempt.stopped is None:
        return f"- Never worked: {one_line(clean(attempt.reason), 400)}" if attempt.reason else ""
    return "" if attempt.stopped.well else f"- Ended: {one_line(clean(endings.how_it_ended(attempt.stopped)), 400)}"


def _findings(findings: Sequence[Finding]) -> list[str]:
    """What speaks against it, each with what shows it; then what was only noticed."""
    told: list[str] = []
    for finding in sorted(findings, key=lambda finding: not finding.rejects):
        kind = "Rejected" if finding.rejects else "Noticed"
        told.append(f"- {kind}: {one_line(clean(finding.text), 400)}")
        told += _quoted("", finding.detail, MOST_DETAIL)
    return told


def _gates(attempt: AttemptRecord) -> list[str]:
    rows = [_gate(gate) for gate in attempt.gates]
    return _quoted("Gates:", "\n".join(rows), MOST_SAID)


def _gate(gate: GateRan) -> str:
    state = "nothing to run" if gate.none else "out of time" if gate.timed_out else "green" if gate.ok else "RED"
    base = " (with the tests as they were before)" if gate.base_tests else ""
    return f"{state:<6} {show_name(gate.command)}{base}"


def _review(attempt: AttemptRecord) -> list[str]:
    if attempt.reviewer is None or any(finding.what is FindingKind.REVIEW for finding in attempt.findings):
        return []
    said = {True: "accepted it", False: "refused it", None: "gave no readable answer"}[attempt.reviewer.ok]
    return _quoted(f"The reviewer ({attempt.reviewer.agent}) {said}:", attempt.reviewer.text, MOST_SAID)


# ---------------------------------------------------------------- what a person can do


def _look(task: Task, attempts: Sequence[AttemptRecord], more: str) -> list[str]:
    lines = ["# what the agent said in its last attempt", f"ralph logs {_called(task)}{more}"]
    for other_attempt in [attempt for attempt in attempts if attempt.kept and not attempt.purpose][-1:]:
        base = other_attempt.base[:12] or "HEAD"
        lines += [
            "# what it changed",
            f"git diff --stat {base} {other_attempt.kept}",
            f"git diff {base} {other_attempt.kept}",
        ]
        lines += ["# take a file of it", f"git checkout {other_attempt.kept} -- PATH"]
    return lines


def _go_on(task: Task, attempts: Sequence[AttemptRecord], prd_name: str, more: str) -> str:
    named = _called(task)
    ways = [
        f'- Have it tried again, and say what to do differently: `ralph retry {named}{more} --note "..."`. '
        "The note goes into its next prompt.",
        f"- Make it smaller or clearer in `{prd_name}`, or give it other `Files` or `Check` lines, then "
        f"`ralph retry {named}{more}`.",
        "- Finish it by hand: commit your work, tick its box and remove its `- Parked:` line. "
        "`ralph audit` will say that no gate proved it.",
        "- Leave it: tasks that do not depend on it are done all the same.",
    ]
    if any(attempt.kept and not attempt.purpose for attempt in attempts):
        ways.insert(2, "- Take what is good of the work with `git checkout`, as above, and go on from there.")
    return "\n".join(ways)


def _called(task: Task) -> str:
    return shlex.quote(task.id)
