"""Start-up: what the small commands load. Modules are counted, not milliseconds: a busy machine can't fail it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Repository

HEAVY = {"rich", "pexpect", "pathspec", "pydantic", "jinja2", "psutil", "asyncio", "pygments", "mdformat",
         "filelock", "unittest", "http", "ssl", "email", "typer", "click"}  # fmt: skip
PROGRAM = """
import json, sys
from ralph.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(repo: Repository, *words: str) -> set[str]:
    """The modules that one command line loads."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], cwd=repo.path, capture_output=True, text=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["--help"], ["--version"], ["audit"], ["review"]], ids=" ".join
)
def test_small_commands_load_nothing_heavy(repo: Repository, words: list[str]) -> None:
    repo.commit({"PRD.md": "- [ ] one\n"})
    assert not HEAVY & {name.partition(".")[0] for name in loaded(repo, *words)}


def test_help_does_not_even_parse_markdown(repo: Repository) -> None:
    assert not {"markdown_it", "ralph.prd.document", "ralph.engine.loop", "ralph.git.client"} & loaded(
        repo, "--help"
    )


@pytest.mark.parametrize(
    "words", [["status"], ["audit"], ["review"], ["report", "--help"], ["--complete", "fish", "st"]]
)
def test_a_command_that_takes_no_agent_loads_no_adapter(repo: Repository, words: list[str]) -> None:
    repo.commit({"PRD.md": "- [ ] one\n"})
    assert not {name for name in loaded(repo, *words) if name.startswith("ralph.agents.c")}


def test_status_does_not_load_the_loop(repo: Repository) -> None:
    repo.commit({"PRD.md": "- [ ] one\n"})
    assert not {
        "ralph.engine.loop",
        "ralph.engine.startup",
        "ralph.agents.registry",
        "ralph.agents.session.session",
    } & loaded(repo, "status")
