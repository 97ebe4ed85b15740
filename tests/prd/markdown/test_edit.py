"""The documents under fixtures/markdown, and the edits that have no fixture of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.prd import document as prd
from ralph.prd.markdown import blocks
from ralph.prd.markdown import edit as markdown
from ralph.prd.model import Prd, Task

FIXTURES = Path(__file__).parents[3] / "fixtures" / "markdown"
ODD = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
PLAIN = {b"t": b"\t", b"r": b"\r", b"\\": b"\\"}
PARTS = (
    "tasks",
    "near misses",
    "criteria",
    "fields",
    "body",
    "ids",
    "ticked",
    "parked",
    "not parked",
    "appended",
    "not appended",
)


def cases() -> list[object]:
    return [
        pytest.param(case, id=f"{path.stem}: {name}")
        for path in sorted(FIXTURES.glob("*.txt"))
        for name, case in read_cases(path.read_bytes())
    ]


def read_cases(text: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each case with its parts; the empty line after its last part separates it from the next."""
    pieces = re.split(rb"^@@ (.*)\n", text, flags=re.MULTILINE)[1:]
    found: list[tuple[str, dict[str, bytes]]] = []
    for name, content in zip(pieces[::2], pieces[1::2], strict=True):
        if name.decode() in PARTS:
            found[-1][1][name.decode()] = content
        else:
            found.append((name.decode(), {"document": content}))
    for title, case in found:
        last = list(case)[-1]
        yield title, case | {last: case[last].removesuffix(b"\n")}


def written(text: bytes) -> bytes:
    """The bytes that a fixture means."""
    text = text.removesuffix(b"\\\n")
    return ODD.sub(lambda odd: bytes([int(odd[1], 16)]) if odd[1] else PLAIN[odd[2]], text)


def tasks(document: Prd) -> str:
    lines = {task.id: task.line for task in document.tasks}
    return "".join(
        f"{task.line} {'done' if task.done else 'open'}: {task.text}"
        f"{f' (under line {lines[task.parent]})' if task.parent else ''}\n"
        for task in document.tasks
    )


def said(task: Task) -> Iterator[str]:
    for field in fields(task.fields):
        value = getattr(task.fields, field.name)
        if value not in ((), "", None):
            yield f"{task.line} {field.name}: {' | '.join(value) if isinstance(value, tuple) else value}\n"


def refused(edit: Callable[[], object]) -> bytes:
    with pytest.raises(RalphError) as caught:
        edit()
    return caught.value.what.encode() + b"\n"


@pytest.mark.parametrize("case", cases())
def test_fixture(case: dict[str, bytes]) -> None:
    data = written(case["document"])
    document = prd.parse(data)
    first = document.tasks[0].id if document.tasks else ""
    opened = next((task.id for task in document.tasks if not task.done), "")
    found: dict[str, Callable[[], bytes]] = {
        "tasks": lambda: tasks(document).encode(),
        "near misses": lambda: "".join(f"{miss.line}: {miss.why}\n" for miss in document.near_misses).encode(),
        "criteria": f"{len(document.criteria)}\n".encode,
        "fields": lambda: "".join(line for task in document.tasks for line in said(task)).encode(),
        "body": lambda: document.tasks[0].body.encode() + b"\n",
        "ids": lambda: "".join(f"{t.id if t.written else '(hash)'}\n" for t in document.tasks).encode(),
        "ticked": lambda: prd.tick(document, opened).data,
        "parked": lambda: prd.park(document, first, "why").data,
        "not parked": lambda: refused(lambda: prd.park(document, first, "why")),
        "appended": lambda: markdown.append_under(data, "Log", "new"),
        "not appended": lambda: refused(lambda: markdown.append_under(data, "Log", "new")),
    }
    for part in ("tasks", "near misses"):
        assert found[part]() == case.get(part, b""), part
    for part, text in case.items():
        if part != "document":
            assert found[part]() == written(text), part


def test_there_are_fixtures() -> None:
    assert len(list(cases())) >= 80


# ---------------------------------------------------------------- headings


def test_headings_have_their_places() -> None:
    data = b"\xef\xbb\xbf# A\r\ntext\r\n\r\n## B #\r\nb\r\n\r\nC\r\n===\r\nc\r\n> # quoted\r\n"
    found = markdown.headings(data)
    assert [(h.title, h.level, h.line) for h in found] == [("A", 1, 1), ("B", 2, 4), ("C", 1, 7)]
    assert [data[h.start : h.body] for h in found] == [b"# A\r\n", b"## B #\r\n", b"C\r\n===\r\n"]
    assert [data[h.body : h.end] for h in found] == [
        b"text\r\n\r\n## B #\r\nb\r\n\r\n",
        b"b\r\n\r\n",
        b"c\r\n> # quoted\r\n",
    ]


# ---------------------------------------------------------------- between markers

MARKED = b"# Memory\r\n\r\n- mine\r\n<!-- queue -->\r\n- old\r\n<!-- /queue -->\r\n- mine too\r\n"


def between(data: bytes, text: str) -> bytes:
    return markdown.replace_between(data, "<!-- queue -->", "<!-- /queue -->", text)


def test_lines_between_markers_are_replaced() -> None:
    head, tail = MARKED.split(b"- old\r\n")
    assert between(MARKED, "- [ ] one\n\n## two\n") == head + b"- [ ] one\r\n\r\n## two\r\n" + tail
    assert between(MARKED, "") == head + tail
    assert between(between(MARKED, ""), "- old\n") == MARKED


@pytest.mark.parametrize("text", ["```\nopen", "<!-- open", "<div>\n<!-- queue -->", "<div>\nopen"])
def test_text_that_runs_over_the_markers_is_refused(text: str) -> None:
    with pytest.raises(RalphError, match="without changing something else"):
        between(MARKED, text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"# Memory\n", "“<!-- queue -->” is missing"),
        (b"<!-- queue -->\n", "“<!-- /queue -->” is missing"),
        (MARKED + MARKED, "stands there 2 times"),
        (b"<!-- /queue -->\n<!-- queue -->\n", "stands above"),
        (b"```\n<!-- queue -->\n<!-- /queue -->\n", "is missing"),
    ],
)
def test_markers_must_be_there_once(data: bytes, sentence: str) -> None:
    with pytest.raises(RalphError, match=re.escape(sentence)):
        between(data, "- new\n")


# ---------------------------------------------------------------- the proof of an edit

BEFORE = b"- a\n\n- [ ] b\n\n[x]: u\n"


@pytest.mark.parametrize(
    ("after", "proved"),
    [
        (b"- a\n- new\n\n- [ ] b\n\n[x]: u\n", True),
        pytest.param(b"- a\n- old\n\n- [ ] b\n\n[x]: u\n", False, id="another text"),
        pytest.param(b"- a\n- new\n\n- [ ] b\n\n[x]: v\n", False, id="a link definition changes"),
        pytest.param(b"- a\n- new\n\n-  [ ] b\n\n[x]: u\n", False, id="a box moves"),
        pytest.param(b"- a\n- new\n\n- [x] b\n\n[x]: u\n", False, id="a box is ticked"),
        pytest.param(b"- a\n- new\n- more\n\n- [ ] b\n\n[x]: u\n", False, id="two items"),
        pytest.param(b"- a\n\n# new\n\n- [ ] b\n\n[x]: u\n", False, id="no item"),
        pytest.param(b"- a\n\n* new\n\n- [ ] b\n\n[x]: u\n", False, id="a list is cut in two"),
    ],
)
def test_what_a_proof_lets_pass(after: bytes, proved: bool) -> None:
    assert markdown._proved(blocks.read_document(BEFORE), blocks.read_document(after), 4, 6, "new") is proved


# ---------------------------------------------------------------- limits


def nested(levels: int) -> bytes:
    return "".join(f"{'  ' * n}- [ ] level {n}\n" for n in range(levels)).encode()


def test_deep_lists_are_read_whole_or_refused() -> None:
    assert len(prd.parse(nested(190)).tasks) == 190
    for levels in (200, 2_000):
        with pytest.raises(RalphError, match="nested deeper than 199 levels"):
            prd.parse(nested(levels), "deep.md")


def test_no_depth_loses_a_task() -> None:
    for levels in range(190, 210):
        try:
            assert len(blocks.read_document(nested(levels)).items) == levels
        except RalphError:
            assert levels >= 199


def test_too_little_stack_is_a_sentence_too() -> None:
    def deep(calls: int) -> Prd:
        return deep(calls - 1) if calls else prd.parse(nested(150))

    assert len(deep(0).tasks) == 150
    prd._READ.clear()
    with pytest.raises(RalphError, match="nested deeper"):
        deep(sys.getrecursionlimit() - 300)


def test_a_document_of_10_mb_is_refused_at_once() -> None:
    with pytest.raises(RalphError, match=r"PRD\.md: the document has 10\.0 MB; ralph reads up to 5 MB"):
        prd.parse(b"- [ ] a\n" * 1_250_000)
