"""The scorecard: `python tests/scorecard/run.py [--stories N] [--seed S] [--json]` plays N random stories.

Each story is a small PRD, agents that behave well and badly in turn, kills of ralph with -9 (followed by the same
command) and people who edit the PRD meanwhile. Story number i has seed S + i and is the same whenever it is played:
`--seed 4711 --stories 1 --show` plays one again and shows what ralph said.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE)]

from tests.scorecard.player import Outcome, play  # noqa: E402
from tests.scorecard.stories import story  # noqa: E402

DATE = "2026-01-02T03:04:05+00:00"
ROWS = ("false_done", "lost", "edits", "limits", "leftovers", "broken")


def main() -> int:
    """Exit code 1 where anything is not as it must be."""
    asked = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="scorecard-"))
    _seal(folder)
    _load()
    try:
        outcomes = list(_played(asked.seed, asked.stories, folder, show=asked.show))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([asdict(one) for one in outcomes]) if asked.json else card(outcomes))
    return 0 if all(one.good for one in outcomes) else 1


def card(outcomes: list[Outcome]) -> str:
    """The whole of it on one page."""
    seconds = sorted(one.seconds for one in outcomes)
    recoverable, lost = sum(one.recoverable for one in outcomes), sum(len(one.lost) for one in outcomes)
    rows = [
        ("stories", str(len(outcomes))),
        ("false done (must be 0)", str(sum(len(one.false_done) for one in outcomes))),
        ("recoverable tasks recovered", f"{recoverable - lost} of {recoverable}"),
        ("edits by hand lost (must be 0)", str(sum(len(one.edits) for one in outcomes))),
        ("limits that did not hold (must be 0)", str(sum(len(one.limits) for one in outcomes))),
        ("leftovers (must be 0)", str(sum(len(one.leftovers) for one in outcomes))),
        ("otherwise wrong (must be 0)", str(sum(len(one.broken) for one in outcomes))),
        ("agent starts spent", str(sum(one.starts for one in outcomes))),
        ("kills of ralph", str(sum(one.kills for one in outcomes))),
        ("seconds for a story", f"{sum(seconds) / len(seconds):.2f} on average, {seconds[-1]:.1f} at most"),
    ]
    lines = [f"{name:<40} {value}" for name, value in rows]
    return "\n".join([*lines, *(complaint(one) for one in outcomes if not one.good)])


def complaint(one: Outcome) -> str:
    """What is wrong with a story, and how to see it again."""
    wrong = "; ".join(f"{row}: {', '.join(getattr(one, row))}" for row in ROWS if getattr(one, row))
    return f"seed {one.seed}: {wrong}\n  again: python tests/scorecard/run.py --seed {one.seed} --stories 1 --show"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plays random stories and prints the scorecard.")
    parser.add_argument("--stories", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON")
    parser.add_argument("--show", action="store_true", help="the stories, and what ralph said")
    return parser.parse_args()


def _played(seed: int, number: int, folder: Path, *, show: bool) -> Iterator[Outcome]:
    for one in range(seed, seed + number):
        told, outcome = story(one), play(story(one), folder / str(one))
        if show:
            print(told, outcome.told, sep="\n")
        else:
            shutil.rmtree(folder / str(one), ignore_errors=True)
        yield outcome


def _seal(folder: Path) -> None:
    """Nothing of the machine's reaches a story: own home, identity and dates."""
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada Test\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update({
        "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TERM": "dumb", "TZ": "UTC", "COLUMNS": "100",
        "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE, "CLAUDE_CODE_OAUTH_TOKEN": "dummy",
    })  # fmt: skip


def _load() -> None:
    """What every start of ralph would import."""
    import markdown_it
    import pathspec
    import pexpect

    from ralph.cli import main as app
    from ralph.cli.commands import run
    from ralph.engine import loop

    assert all((markdown_it, pathspec, pexpect, loop, app, run))


if __name__ == "__main__":
    sys.exit(main())
