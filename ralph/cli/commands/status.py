"""`ralph status`: reads the PRD and the journal, starts nothing."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from ralph.cli.display.status import LastRun, as_lines, to_json
from ralph.cli.display.summary import RunSummary
from ralph.cli.locate import Location, locate
from ralph.cli.output import say
from ralph.errors import Exit
from ralph.state.control import Control
from ralph.state.events import Recorded, Reopened, RunStarted


def status(asked: str | None, *, as_json: bool) -> int:
    """Show the status, by default of the PRD of the current run. Return 0 if the PRD can be read."""
    where = locate(asked)
    run = last_run(where)
    if run and run.state == "running" and run.elsewhere and not asked and where.repo:
        where, run = replace(where, path=where.repo.root / run.start.prd), replace(run, elsewhere=False)
    document = where.prd()
    levels = levels_of(where)
    if as_json:
        say(json.dumps(to_json(document, run, time.time(), levels)))
        return Exit.DONE
    for line in as_lines(where.name, document, run, time.time(), levels):
        say(line)
    if where.damaged:
        say(where.damaged, error=True)
    return Exit.DONE


def levels_of(where: Location) -> dict[str, str]:
    """Return how strongly the tasks that ralph ticked in this PRD are proven, from the journal: id -> level."""
    levels: dict[str, str] = {}
    prds: dict[str, str] = {}
    for run, event in ((entry.run, entry.event) for entry in where.entries):
        if isinstance(event, RunStarted):
            prds[run] = event.prd
        elif isinstance(event, Recorded) and prds.get(run) == where.name:
            levels |= event.levels
        elif isinstance(event, Reopened):
            levels.pop(event.task, None)
    return levels


def last_run(where: Location) -> LastRun | None:
    """Return the last run in the journal, or None."""
    own = [entry for entry in where.entries if entry.run == where.entries[-1].run]
    starts = [entry for entry in own if isinstance(entry.event, RunStarted)]
    if not starts or not isinstance(start := starts[-1].event, RunStarted):
        return None
    seen = RunSummary()
    for entry in own:
        if entry.event is not None:
            seen.see(entry.event, entry.time)
    elsewhere = where.repo is not None and where.path.resolve() != (where.repo.root / start.prd).resolve()
    known = LastRun(start, seen, starts[0].time, own[-1].time, elsewhere=elsewhere)
    if seen.ended or where.repo is None or (pid := where.holder) is None:
        return known
    orders = Control(where.repo.state)
    return replace(known, pid=pid, pausing=orders.paused(), stopping=orders.stop_asked())
