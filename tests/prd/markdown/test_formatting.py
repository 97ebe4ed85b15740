"""What ralph writes into a formatted document leaves it formatted: mdformat, and Prettier where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mdformat
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ralph.errors import RalphError
from ralph.memory import archive
from ralph.memory import daily_note as daily
from ralph.memory import file as memory
from ralph.prd import document as prd
from ralph.prd import subtasks as split
from ralph.prd.markdown.formatted import formatted

ROOT = Path(__file__).parents[3]
STARTER = (ROOT / "templates" / "memory.md").read_text(encoding="utf-8")
NOTE = "memory/2026-11-21.md"
law = settings(max_examples=80)

PIECES = [
    *("a", "foo", "two words", "1.", "2)", "+", "-", "#", "=", "---", "[x]", "[ ]", "é", "`code`", "`a*b`", "…"),
    *("**", "*", "_", "__", "`", "``", "[", "]", "(", ")", "<", ">", "&amp;", "&", "~~", "$", "\\", "|", "!"),
    *(
        "**bold**",
        "*em*",
        "_em_",
        "**a b**",
        "\\*",
        "snake_case",
        "__init__",
        "*args",
        "<!-- x -->",
        "<T>",
        "list[str]",
    ),
    *("[a](b.md)", "[a b]", "[a]:", "![i](j)", "https://e.f/_g_", "C:\\x", "src/**", "2*3", ":", ".", ","),
]
TEXTS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", " ", " "])), min_size=1, max_size=6).map(
    lambda pieces: "".join(map("".join, pieces)).strip() or "a"
)


@st.composite
def tasks(draw: st.DrawFn) -> str:
    """A list of tasks as people write it, before a formatter was there: tight or loose, with fields or without."""
    gap = draw(st.sampled_from(["\n", "\n\n"]))
    fields = st.sampled_from(
        [
            "",
            "\n  - Files: `a/**`",
            "\n  - Files: `a`\n  - Check: `true`",
            f"{gap}  - Files: `a`{gap}  - Check: `true`",
            "\n\n  More of it.",
            "\n  ```\n  code\n  ```",
            "\n  1. first\n  2. second",
            "\n  - [ ] a part\n    - Files: `b`\n  - [x] another",
            "\n  - [ ] a part\n\n  - [ ] another",
        ]
    )
    found = draw(st.lists(fields, min_size=1, max_size=4))
    return gap.join(f"- [ ] T{n} Task{below}" for n, below in enumerate(found, 1)) + "\n"


AROUND = st.sampled_from(["", "# Plan\n\nText.\n\n", "## Later\n\n- [ ] other\n\n---\n\n"])
PRDS = st.builds(lambda above, found, below: mdformat.text(f"{above}{found}\n{below}"), AROUND, tasks(), AROUND)
SECTIONS = ["## Active Task Queue", "## Completed Tasks Log", "## Known Issues", "## Do Not Touch", "# Project",
            f"## {daily.TITLE}"]  # fmt: skip
BLOCKS = st.sampled_from(
    [*SECTIONS, *SECTIONS, "Text.", "- item", "- item\n- two", "- item\n\n- loose", "- a\n\n  para", "* b",
     "1. one",
     "<!-- a comment -->", "```\ncode\n```", "> quote", "<!-- ralph:log -->\n- old\n<!-- /ralph:log -->"]
)  # fmt: skip
DOCUMENTS = st.lists(BLOCKS, max_size=7).map(lambda blocks: mdformat.text("\n\n".join(blocks)))


def same(data: bytes | None) -> bool:
    text = (data or b"").decode()
    return mdformat.text(text) == text


def assert_formatted(data: bytes | None) -> None:
    text = (data or b"").decode()
    assert text == mdformat.text(text)


# ---------------------------------------------------------------- one line


@given(TEXTS, st.booleans())
def test_a_line_is_as_mdformat_writes_it(text: str, first: bool) -> None:
    line = formatted(text, first=first)
    assert_formatted(f"- {'' if first else 'Parked: '}{line}\n".encode())
    assert "".join(line.split()).strip("`\\") or not text.strip("`\\ ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The gate `python -m pytest -q` failed (exit code 1).",) * 2,
        ("**T1: Add** the _new_ [page](a/b.md), 2 * 3 < 7 & snake_case",) * 2,
        ("list[str] -> dict[str, int], --flag, ~/x, $HOME, #12, a|b",) * 2,
        ("Use __init__.py and *args, (not **kwargs)", "Use `__init__.py` and `*args`, (not `**kwargs`)"),
        ("*new* text", "_new_ text"),
        ("a\\_b and \\*x", "a_b and `*x`"),
        ("a `b", "a \\`b"),
        ("the <T> of C:\\tmp", "the `<T>` of `C:\\tmp`"),
        ("1) first", "1\\) first"),
    ],
)
def test_what_a_reader_sees_stays(text: str, line: str) -> None:
    assert formatted(text) == line


# ---------------------------------------------------------------- the PRD


@law
@given(PRDS, st.integers(0, 9), TEXTS)
@example("- [ ] T1 A\n- [ ] T2 B\n", 0, "why")
@example("- [ ] T1 A\n\n- [ ] T2 B\n", 1, "why")
@example("- [ ] T1 A\n\n  - Files: `x`\n\n- [ ] T2 B\n", 0, "why")
def test_a_prd_stays_formatted(text: str, number: int, reason: str) -> None:
    before = prd.parse(text.encode())
    assume(before.tasks)
    task = before.tasks[number % len(before.tasks)]
    assume(sum(other.id == task.id for other in before.tasks) == 1)
    assert_formatted(prd.tick(before, task.id).data)
    parked = prd.park(before, task.id, reason)
    assert_formatted(parked.data)
    assert prd.unpark(parked, task.id).data == before.data


@law
@given(PRDS, st.integers(0, 9), st.lists(TEXTS, min_size=3, max_size=3, unique=True))
def test_a_prd_with_smaller_tasks_stays_formatted(text: str, number: int, texts: list[str]) -> None:
    before = prd.parse(text.encode())
    assume(before.tasks)
    task = before.tasks[number % len(before.tasks)]
    parts = tuple(split.Subtask(f"Do the part {n} {one}", ("a/**",), (one,)) for n, one in enumerate(texts))
    try:
        after = prd.add_subtasks(before, task.id, split.lines(split.SplitAnswer(parts, task.fields)))
    except RalphError:
        assume(False)
    assert_formatted(after.data)


# ---------------------------------------------------------------- memory file, archive, daily note


@law
@given(DOCUMENTS, TEXTS, st.lists(TEXTS, max_size=3).map(tuple))
def test_a_memory_file_stays_formatted(text: str, entry: str, queue: tuple[str, ...]) -> None:
    data = memory.record(text.encode(), starter=STARTER, entry=entry, queue=queue)
    assert_formatted(data)
    assert_formatted(memory.record(data, starter=STARTER, entry="more", queue=queue[1:]))


@law
@given(DOCUMENTS, TEXTS)
def test_what_an_agent_may_add_is_formatted(text: str, line: str) -> None:
    left = text.encode() + f"\n## Known Issues\n\n- {line}\n- and this\n".encode()
    merged, _ = memory.merge_agent(text.encode(), left, starter=STARTER)
    assert_formatted(merged)


@given(st.lists(TEXTS, min_size=31, max_size=34, unique=True), st.sampled_from([None, b"# Mine\n", b"- old\n"]))
@settings(max_examples=20)
def test_an_archive_is_formatted(entries: list[str], older: bytes | None) -> None:
    data: bytes | None = None
    for number, entry in enumerate(entries):
        data = memory.record(data, starter=STARTER, entry=f"{number}: {entry}", queue=())
    kept, moved = archive.compact(data or b"", 10_000, older)
    assert_formatted(kept)
    assert_formatted(moved)


@law
@given(st.one_of(st.none(), DOCUMENTS.map(str.encode)), TEXTS)
def test_a_daily_note_stays_formatted(data: bytes | None, command: str) -> None:
    from datetime import UTC, datetime

    text = daily.entry("shop", datetime(2026, 11, 21, tzinfo=UTC), command)
    try:
        after, mine = daily.added(data, NOTE, text)
    except RalphError:
        return
    assert_formatted(after)
    later = after + b"\n## Later\n\ntext\n"
    if data is not None:
        assert_formatted(daily.taken_out(later, mine))


def test_templates_are_formatted() -> None:
    for path in ("templates/memory.md", "templates/starter/PRD.md", "PRD.example.md"):
        assert_formatted((ROOT / path).read_bytes())
    assert_formatted(archive.HEADER.rstrip("\n").encode() + b"\n")


# ---------------------------------------------------------------- Prettier


Edit = Callable[[], bytes]


def edits() -> dict[str, Edit]:
    odd = "the *args of `f`, __init__ and 2*3 are [x]"

    def parked(text: str) -> Edit:
        return lambda: prd.park(prd.parse(text.encode()), "T1", odd).data

    def broken(text: str) -> Edit:
        parts = tuple(split.Subtask(f"Do part {n} with *care", ("a",)) for n in range(3))
        plan = split.SplitAnswer(parts, prd.parse(text.encode()).tasks[0].fields)
        return lambda: prd.add_subtasks(prd.parse(text.encode()), "T1", split.lines(plan)).data

    prds = {
        "tight": "- [ ] T1 A\n- [ ] T2 B\n",
        "loose": "- [ ] T1 A\n\n- [ ] T2 B\n",
        "one of its kind": "- [ ] T2 B\n- [ ] T1 A\n\n- [ ] T3 C\n",
        "fields": "- [ ] T1 A\n  - Files: `a`\n- [ ] T2 B\n",
        "loose fields": "- [ ] T1 A\n\n  - Files: `a`\n\n  - Check: `true`\n\n- [ ] T2 B\n",
        "a paragraph": "- [ ] T1 A\n\n  More.\n\n- [ ] T2 B\n",
        "code": "- [ ] T1 A\n  ```\n  code\n  ```\n- [ ] T2 B\n",
    }
    known = b"# M\n\n## Known Issues\n\n- old\n\n- loose\n"
    return {
        **{f"parked, {name}": parked(text) for name, text in prds.items()},
        **{f"split, {name}": broken(text) for name, text in prds.items()},
        "starter": lambda: memory.record(None, starter=STARTER, entry=odd, queue=(odd, "T2 **b** and *em*")),
        "empty queue": lambda: memory.record(b"# M\n", starter=STARTER, entry="T1", queue=()),
        "known issue": lambda: memory.merge_agent(known, known + f"\n- {odd}\n".encode())[0] or b"",
        "daily note": lambda: daily.added(b"# Day\n", NOTE, "shop, `ralph ls`")[0],
    }


@pytest.fixture(scope="module")
def prettier() -> list[str]:
    """Prettier's command, from RALPH_PRETTIER or `.ci/agents`."""
    program = ROOT / ".cache" / "agents" / "node_modules" / "prettier" / "bin" / "prettier.cjs"
    named = os.environ.get("RALPH_PRETTIER", str(program) if program.is_file() else "")
    node = shutil.which("node")
    if not named or not node:
        pytest.skip("Prettier is not installed: run .ci/agents (needs npm)")
    return [node, named]


def test_prettier_changes_nothing(prettier: list[str], tmp_path: Path) -> None:
    for name, edit in edits().items():
        (tmp_path / f"{name}.md").write_bytes(edit())
    done = subprocess.run([*prettier, "--check", "."], cwd=tmp_path, capture_output=True, text=True)
    wrong = [line for line in done.stderr.splitlines() if line.startswith("[warn]")]
    assert (done.returncode, wrong) == (0, []), done.stderr
