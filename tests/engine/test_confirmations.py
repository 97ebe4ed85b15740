"""`ralph accept` counts where a person gives it, and nowhere else: an agent can call it, and can write its file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

PRD = "- [ ] T1 say good day\n"
TEST = """import pathlib, page


def test_page():
    assert page.PAGE == pathlib.Path(__file__).with_name("page.golden").read_text()
"""
PYTEST = f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=. {sys.executable} -m pytest -q -p no:cacheprovider\n"
FILES = {"gate.sh": PYTEST, "page.py": "PAGE = 'hello'\n", "tests/page.golden": "hello", "tests/test_page.py": TEST}
GATE = "sh gate.sh"
CHANGES = "echo \"PAGE = 'good day'\" > page.py; printf 'good day' > tests/page.golden"
RALPH = f"{sys.executable} -m ralph"
APART = pytest.mark.parametrize(
    "apart", [(), pytest.param(("--isolate",), marks=pytest.mark.long)], ids=["in the checkout", "in a worktree"]
)


def play(repo: Repository, agent: str, apart: tuple[str, ...] = ()) -> Play:
    it = Play(repo, {"prd": PRD, "files": FILES, "agent": f"{CHANGES}; {agent}"})
    it.apart = apart
    return it


@APART
def test_without_it_a_person_is_asked(repo: Repository, apart: tuple[str, ...]) -> None:
    it = play(repo, "true", apart)
    done = it.ralph("--gate", GATE)
    assert (it.boxes(), it.attempts()) == ("p", 2), done.stdout
    assert "`ralph accept`" in done.stdout


@APART
def test_a_person_gives_it_before_the_run(repo: Repository, apart: tuple[str, ...]) -> None:
    it = play(repo, "true", apart)
    subprocess.run([*RALPH.split(), "accept", "T1"], cwd=repo.path, check=True, capture_output=True)
    done = it.ralph("--gate", GATE)
    assert (it.boxes(), it.attempts()) == ("x", 1), done.stdout
    assert "by=person" in repo.git("log", "-1", "--format=%(trailers:key=Ralph-Proof)")


WRITES = "mkdir -p {state}/accepted;"
BY_AGENT = {
    "it calls the command": f"cd {{root}}; {RALPH} accept T1",
    "it calls the command from a daemon": f"cd {{root}}; setsid sh -c '{RALPH} accept T1 &'; sleep 1",
    "it writes the file": f"{WRITES} printf T1 > {{state}}/accepted/T1",
    "it writes the file for a process of another": f"{WRITES} printf 'T1\\n1' > {{state}}/accepted/T1",
}


@APART
@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.slow if n % 2 else ()) for n, how in enumerate(BY_AGENT)]
)
def test_an_agent_gives_it(repo: Repository, how: str, apart: tuple[str, ...]) -> None:
    agent = BY_AGENT[how].format(root=repo.path, state=repo.path / ".git/ralph")
    it = play(repo, agent, apart)
    done = it.ralph("--gate", GATE)
    assert it.boxes() == "p", done.stdout
    assert "`ralph accept T1` came from an agent, or while one worked: it is ignored." in done.stdout


@APART
def test_a_person_gives_it_while_an_agent_works(repo: Repository, apart: tuple[str, ...]) -> None:
    """It holds from the next attempt on, in a worktree; in the checkout at once."""
    near = repo.path.parent
    waits = f"touch {near}/ready; until [ -e {near}/given ]; do sleep 0.02; done"
    it = play(repo, waits, apart)
    person = f"until [ -e {near}/ready ]; do sleep 0.02; done; {RALPH} accept T1; touch {near}/given"
    with subprocess.Popen(["sh", "-c", person], cwd=repo.path, stdout=subprocess.DEVNULL):
        done = it.ralph("--gate", GATE)
    assert (it.boxes(), it.attempts()) == ("x", 2 if apart else 1), done.stdout
