"""The report and the story as people see them: three widths, Markdown, one page; and nothing raw in any of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from ralph.cli.display import explain as telling
from ralph.cli.display import report as show
from ralph.cli.display import report_html
from ralph.prd import document as prd
from ralph.state.projection import Step, run_log
from ralph.state.report import report, story, what_next
from ralph.state.report_model import AttemptRecord, Report
from ralph.text import CONTROLS
from tests.helpers.reported import ATTACK, HOSTILE, NIGHT

TEMPLATE = (Path(__file__).parents[3] / "templates/report.html").read_text()
PRD = b"- [x] T1 Count the books\n- [x] T2 Find by author\n- [ ] T5 Lend a book\n- [ ] T6 Never tried\n"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def filled(one: AttemptRecord, words: str = "") -> AttemptRecord:
    logs = ((words or "npm test", words or "FAIL a.test.ts\n  expected 3"),)
    stat = words or " src/a.ts | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)\n"
    return replace(one, logs=logs, stat=stat, prompt=words or "# The task\n\nKeep it.")


def made(steps: tuple[Step, ...], words: str = "") -> Report:
    found = report(run_log(steps), [("PRD.md", task) for task in prd.parse(PRD).tasks if not words])
    return replace(found, tries=tuple(filled(one, words) for one in found.tries))


def told_of(steps: tuple[Step, ...], task: str, width: int, words: str = "") -> list[str]:
    about = story(run_log(steps), task)
    assert about is not None
    whole = tuple(filled(one, words) if isinstance(one, AttemptRecord) else one for one in about.steps)
    return telling.page(replace(about, steps=whole), width, what_next)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_report(width: int, snapshot: SnapshotAssertion) -> None:
    lines = show.page(made(NIGHT), width)
    assert "\n".join(lines) == snapshot
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("task", ["T2", "T3", "T4"])
def test_the_story(task: str, width: int, snapshot: SnapshotAssertion) -> None:
    lines = told_of(NIGHT, task, width)
    assert "\n".join(lines) == snapshot
    assert max(map(len, lines)) <= width


def test_markdown(snapshot: SnapshotAssertion) -> None:
    assert show.markdown(made(NIGHT)) == snapshot


def test_html(snapshot: SnapshotAssertion) -> None:
    assert re.sub(r"<style>.*</style>", "", report_html.page(made(NIGHT), TEMPLATE), flags=re.DOTALL) == snapshot


def test_attempts_at_the_same_time_are_drawn_in_lanes_of_their_own() -> None:
    tries = [AttemptRecord("r", "p", n, 1, "T", "t", begun=begun, ended=ended)
             for n, begun, ended in ((1, 0, 5), (2, 1, 3), (3, 3, 0), (4, 5, 6))]  # fmt: skip
    assert [[one.n for one in lane] for lane in report_html.beside(tries, 9)] == [[1, 4], [2, 3]]


# ---------------------------------------------------------------- words that want out of their place


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_no_control_character(width: int) -> None:
    shown = [*show.page(made(HOSTILE, ATTACK), width), *told_of(HOSTILE, ATTACK, width, ATTACK)]
    assert "evil" in "".join(shown)
    assert not CONTROLS.search("".join(shown))
    assert max(map(len, shown)) <= width


def test_markdown_holds_no_html_no_link_and_no_picture_of_theirs() -> None:
    text = show.markdown(made(HOSTILE, ATTACK))
    assert not CONTROLS.search(text.replace("\n", ""))
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    inside = [one for token in tokens for one in [token, *(token.children or [])]]
    assert "evil" in text
    assert not {"link_open", "image", "html_block"} & {one.type for one in inside}
    assert {one.content for one in inside if one.type == "html_inline"} <= {"<!-- -->"}
    assert all(row.count("|") - row.count("\\|") == 7 for row in text.splitlines() if row.startswith("| parked"))


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def test_the_page_holds_only_its_own_tags_and_loads_nothing() -> None:
    text, tags = report_html.page(made(HOSTILE, ATTACK), TEMPLATE), Tags()
    tags.feed(text)
    own = Tags()
    own.feed(report_html.page(made(NIGHT), TEMPLATE))
    assert "evil" in text
    assert "&lt;script&gt;" in text
    assert tags.tags <= own.tags
    assert not {"script", "img", "iframe", "link", "object", "form"} & tags.tags
    assert {name for name, _ in tags.attributes} <= {name for name, _ in own.attributes}
    assert all(value.startswith("#try-") for name, value in tags.attributes if name == "href")
    assert tags.comments == []
    assert not CONTROLS.search(text.replace("\n", ""))
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert "url(" not in text
    assert "@import" not in text
