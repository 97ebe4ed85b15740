"""What people are told to install: this program, never the unrelated `ralph` on PyPI."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = ("ralph", "templates", "fixtures", ".ci", ".github")
FILES = ("README.md", "PRD.example.md", "pyproject.toml")
INSTALLS = re.compile(
    r"\b(?:pip3?|pipx|uv|uvx|poetry|pdm|rye|conda)\b(?: (?:tool|pip))? (?:install|add|run|download|upgrade)"
    r"(?:[ \t]+-{1,2}[\w-]+)*[ \t]+['\"]?ralph(?![\w./-])"
    r"|\buvx[ \t]+['\"]?ralph(?![\w./-])"
    r"|ralph\[\w+\]"
)


def texts() -> Iterator[Path]:
    for place in PLACES:
        yield from (path for path in (ROOT / place).rglob("*") if path.is_file() and path.suffix != ".pyc")
    yield from (ROOT / name for name in FILES)


def test_no_text_recommends_the_program_of_the_same_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        for match in INSTALLS.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert len(list(texts())) > 300
    assert found == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install 'ralph[notify]'", True),
        ("pip install ralph", True),
        ("`uv tool install ralph`", True),
        ("pipx install --force ralph", True),
        ("uvx ralph demo", True),
        ("pip install '.[notify]'", False),
        ("pip install dist/ralph-*.whl", False),
        ("pip install ralph/", False),
        ("pipx inject ralph apprise", False),
    ],
)
def test_what_counts_as_such_a_text(text: str, wrong: bool) -> None:
    assert bool(INSTALLS.search(text)) is wrong


def test_no_requirement_is_met_by_the_program_of_the_same_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for group in extras.values() for one in group)]
    assert [one for one in wanted if re.match(r"ralph\b", one)] == []
    assert set(extras["notify"]) <= set(extras["dev"])


def test_the_first_screen_says_what_agents_may_do() -> None:
    screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:24])
    for word in ("all permissions", "--dangerously-skip-permissions", "--sandbox on"):
        assert word in screen
    assert "--dangerously-bypass-approvals-and-sandbox" in screen
