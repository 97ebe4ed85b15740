"""`ralph report`: the results of a run or period, for the terminal, as Markdown or as an HTML page."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ralph.cli.display import report as show
from ralph.cli.locate import Location
from ralph.cli.output import say
from ralph.cli.report_data import facts, known, prd_of, safe, width, with_logs, with_stat
from ralph.config_values import parse_duration
from ralph.errors import Exit, RalphError
from ralph.files import replace_file
from ralph.git.client import Git
from ralph.git.repository import Repo
from ralph.prd.model import Task
from ralph.state.report import report as fold
from ralph.state.report_model import Report, TaskState

NEWEST = 300  # newest attempts, with prompts and logs on the page


def report(asked: str | None, *, html: str, markdown: bool, since: str, as_json: bool) -> int:
    """Show the last run, or all runs since a time. Write the HTML page if `html` names a file."""
    if sum((bool(html), markdown, as_json)) > 1:
        raise RalphError("--html, --markdown and --json are different reports", "Keep the one that you want.")
    where, repo, log = known(asked)
    start = time.time() - _duration(since) if since else 0.0
    if not since:
        last = log.runs[-1].run
        log = replace(
            log,
            runs=log.runs[-1:],
            tries=tuple(attempt for attempt in log.tries if attempt.run == last),
            remarks=tuple(remark for remark in log.remarks if remark.run == last),
        )
    alive = where.holder is not None and not log.runs[-1].ended
    made = fold(log, _tasks(where, repo, {run.prd for run in log.runs}), since=start, alive=alive)
    if html:
        return _write(Path(html), repo, made)
    return _show(safe(made), markdown=markdown, as_json=as_json)


def _duration(since: str) -> float:
    try:
        return parse_duration(since)
    except ValueError as error:
        raise RalphError(f"`--since {since}` is no time", "Write it like 90s, 30m, 12h.") from error


def _show(made: Report, *, markdown: bool, as_json: bool) -> int:
    if as_json:
        say(json.dumps(report_json(made)))
    elif markdown:
        say(show.markdown(made).rstrip("\n"))
    else:
        for line in show.page(made, width()):
            if not say(line):
                break
    return Exit.DONE


def _tasks(where: Location, repo: Repo, prds: set[str]) -> list[tuple[str, Task]]:
    """Return the current tasks of the PRD, if the runs were about it."""
    prd = prd_of(where, repo)
    if prd in prds:
        with suppress(RalphError):
            return [(prd, task) for task in where.prd().tasks]
    return []


def report_json(made: Report) -> dict[str, Any]:
    """Return the report as JSON values."""
    count = {standing.value: len(made.standing(standing)) for standing in TaskState}
    rows = [
        {
            "task": row.task,
            "text": row.text,
            "prd": row.prd,
            "state": row.standing.value,
            "tries": row.tries,
            "seconds": row.seconds,
            "tokens": row.tokens,
            "cost": row.cost,
            "about": row.about,
            "commit": row.commit or None,
            "reason": row.reason or None,
            "work": row.work or None,
            "mark": row.mark or None,
            "proof": row.proof or None,
            "findings": [
                {"kind": finding.what.value, "text": finding.text} for finding in row.findings if finding.rejects
            ],
        }
        for row in made.rows
    ]
    return {
        "begun": made.begun, "ended": made.ended, "running": made.alive, "tasks": count, "attempts": made.attempts,
        "seconds": made.seconds, "worked": made.worked, "tokens": made.tokens, "cost": made.cost,
        "about": made.about,
        "false_claims": made.false_claims, "failures": dict(made.failures),
        "runs": [asdict(run) for run in made.runs], "rows": rows,
        "attempts_in_order": [facts(attempt) for attempt in made.tries],
    }  # fmt: skip


# ---------------------------------------------------------------- the page


def _write(path: Path, repo: Repo, made: Report) -> int:
    """Write the page, readable by its owner only, because it holds prompts and output."""
    from ralph.cli.display.report_html import page
    from ralph.package_data import template

    git = Git(repo)
    older, newer = made.tries[:-NEWEST], made.tries[-NEWEST:]
    made = replace(made, tries=(*older, *(with_logs(repo, with_stat(git, attempt)) for attempt in newer)))
    text = page(safe(made), template("report"))
    try:
        replace_file(path, text.encode(errors="replace"))
    except OSError as error:
        raise RalphError(f"it can't be written: {error.strerror}", "Name a file in a folder that is yours.",
                         where=str(path)) from error  # fmt: skip
    say(f"Written: {path}. It holds prompts and output: look before you send it to somebody.")
    return Exit.DONE
