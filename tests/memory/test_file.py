"""The documents under fixtures/memory, and the laws of the memory file: what people wrote stays, byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.errors import RalphError
from ralph.memory import file as memory
from ralph.memory.sections import BLOCK
from ralph.prd.markdown import blocks
from ralph.prd.markdown import edit as markdown

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures" / "memory"
STARTER = (ROOT / "templates" / "memory.md").read_text(encoding="utf-8")
PARTS = ("recorded", "unwritable", "protected", "told", "left", "merged", "dropped")
ODD = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
PLAIN = {b"t": b"\t", b"r": b"\r", b"\\": b"\\"}
Case = dict[str, bytes]


def read_cases(text: bytes) -> list[tuple[str, Case]]:
    """Each case with its parts; the empty line after its last part separates it from the next."""
    found: list[tuple[str, Case]] = []
    pieces = re.split(rb"^@@ (.*)\n", text, flags=re.MULTILINE)[1:]
    for name, content in zip(pieces[::2], pieces[1::2], strict=True):
        if name.decode() in PARTS:
            found[-1][1][name.decode()] = content
        else:
            found.append((name.decode(), {"document": content}))
    for _, case in found:
        last = list(case)[-1]
        case[last] = case[last].removesuffix(b"\n")
    return found


CASES = [(f"{path.stem}: {name}", case) for path in sorted(FIXTURES.glob("*.txt"))
         for name, case in read_cases(path.read_bytes())]  # fmt: skip


def cases(part: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES if part in case])


def meant(case: Case, part: str = "document") -> bytes | None:
    """The bytes that a fixture means."""
    text = case[part].removesuffix(b"\\\n")
    if text in {b"(no file)\n", b"(the same)\n"}:
        return meant(case) if text == b"(the same)\n" else None
    return ODD.sub(lambda odd: bytes([int(odd[1], 16)]) if odd[1] else PLAIN[odd[2]], text)


def recorded(data: bytes | None, entry: str = "T1 done", queue: tuple[str, ...] = ("T2 next", "T3 later")) -> bytes:
    return memory.record(data, starter=STARTER, entry=entry, queue=queue)


# ---------------------------------------------------------------- the documents


def test_each_case_expects_something() -> None:
    assert [name for name, case in CASES if len(case) == 1] == []
    assert len(CASES) > 50


@cases("recorded")
def test_recorded(case: Case) -> None:
    once = recorded(meant(case))
    assert once == meant(case, "recorded")
    assert recorded(once) == once
    assert memory.unwritable(meant(case)) == ""


@cases("unwritable")
def test_unwritable(case: Case) -> None:
    assert memory.unwritable(meant(case)) == case["unwritable"].decode().strip()
    assert recorded(meant(case)) == meant(case)


@cases("protected")
def test_protected(case: Case) -> None:
    assert list(memory.rules(meant(case)).protected) == case["protected"].decode().splitlines()


@cases("told")
def test_told(case: Case) -> None:
    told = [f"{title}: {text!r}" for title, text in memory.rules(meant(case)).sections]
    assert told == case["told"].decode().splitlines()


@cases("left")
def test_merged(case: Case) -> None:
    merged, dropped = memory.merge_agent(meant(case), meant(case, "left"), starter=STARTER)
    assert merged == meant(case, "merged")
    assert list(dropped) == case["dropped"].decode().splitlines()


# ---------------------------------------------------------------- queue and log


def test_the_log_loses_nothing_and_the_queue_shows_the_next() -> None:
    data = None
    for number in range(35):
        data = recorded(data, f"done {number}", tuple(f"next {n}" for n in range(number, 40)))
    lines = (data or b"").decode().splitlines()
    assert [line for line in lines if "done" in line] == [f"- done {n}" for n in range(34, -1, -1)]
    assert [line for line in lines if "next" in line] == [f"- next {n}" for n in range(34, 40)]
    many = recorded(data, "x", tuple(f"next {n}" for n in range(11))).decode()
    assert "- next 9\n- and 1 more\n\n<!--" in many
    assert "and " not in recorded(data, "x", tuple(f"n{n}" for n in range(10))).decode().split("<!--")[2]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("a\nb \x1b[31mred", "- a b red"),
        ("done <!-- hidden -->", "- done `&lt;!--` hidden -->"),
        ("<!-- /ralph:log -->", "- `&lt;!--` /ralph:log -->"),
        ("# loud", "- \\# loud"),
        ("[x] done", "- `[x]` done"),
        ("[a]: /url", "- `[a]`: /url"),
        ("1. first", "- 1\\. first"),
        ("```py", "- \\`\\`\\`py"),
        ("--verbose, `code`, 1.2 and [a link](b)", "- --verbose, `code`, 1.2 and [a link](b)"),
    ],
)
def test_an_entry_is_one_item_of_plain_text(entry: str, line: str) -> None:
    assert f"<!-- ralph:log -->\n\n{line}\n\n<!-- /ralph:log -->\n" in recorded(None, entry).decode()


def test_what_ralph_wrote_into_a_new_file_is_told_to_nobody() -> None:
    assert memory.rules(recorded(None)) == memory.MemoryRules()
    assert memory.rules(None) == memory.MemoryRules()


LINES = ["", "text", "- item", "  more", "# H", "## Known Issues", "## Do Not Touch", "## Active Task Queue",
         "## Completed Tasks Log", "Completed tasks log", "---", "```", "~~~", "<!--", "-->", "<div>", "> quote",
         "    code", "<!-- ralph:log -->", "<!-- /ralph:log -->", "<!-- ralph:queue -->", "<!-- /ralph:queue -->",
         "- T1", "1. one", "[a]: /url", " <!-- ralph:log -->", "| a | b |", "| - | - |"]  # fmt: skip
documents = st.builds(
    lambda bom, lines, eol, last: bom + eol.join(line.encode() for line in lines) + last,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.sampled_from(LINES), max_size=14),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"", b"\n", b"\xff\n"]),
)
entries = st.one_of(
    st.text(max_size=30), st.sampled_from(LINES), st.sampled_from(["[x]: y", "```a", "***", "<p", "="])
)


def is_added(data: bytes, text: bytes) -> bool:
    """Whether `data` is `text` with bytes taken away and none changed: subsequence."""
    rest = iter(text)
    return all(byte in rest for byte in data)


def outside(data: bytes) -> bytes:
    return BLOCK.sub(rb"\1", data)


@given(documents, entries, st.lists(entries, max_size=3).map(tuple))
def test_hand_written_text_stays(data: bytes, entry: str, queue: tuple[str, ...]) -> None:
    once = recorded(data, entry, queue)
    if memory.unwritable(data):
        assert once == data
        return
    assert is_added(outside(data), outside(once))
    prepared = memory.prepared(data) or b""
    for name in ("log", "queue"):
        at = memory._real(outside(prepared))[name]
        kept = list(BLOCK.finditer(once))
        assert len(kept) == len(list(BLOCK.finditer(prepared)))
        assert kept[at][2] == name.encode()
    assert outside(once) == outside(prepared)
    assert shapes(prepared) == shapes(once)


def shapes(data: bytes) -> list[tuple[object, ...]]:
    """The blocks outside ralph's lists."""
    document = blocks.read_document(data)
    lists = [(one.start(4), one.end(4)) for one in BLOCK.finditer(data)]
    blocks_ = [(token, document.starts[token.map[0]]) for token in document.tokens if token.map]
    kept = [token for token, at in blocks_ if not any(start <= at < end for start, end in lists)]
    return [(one.type, one.level, one.content, one.markup) for one in kept] + [(document.references,)]


@given(documents, documents)
def test_an_agent_only_adds(base: bytes, left: bytes) -> None:
    merged, dropped = memory.merge_agent(base, left)
    assert merged is not None
    assert is_added(base, merged)
    assert left == base or merged != base or dropped
    assert set(memory.rules(base).protected) <= set(memory.rules(merged).protected)


@given(st.lists(entries, max_size=4))
def test_additions_stay_lines_of_their_section(lines: list[str]) -> None:
    base = b"# P\n\n## Known Issues\n\n- old\n\n## Do Not Touch\n\n- src/\n"
    left = base.replace(
        b"- old\n", b"- old\n" + "".join(f"- {line}\n" for line in lines).encode("utf-8", "replace")
    )
    merged, _ = memory.merge_agent(base, left)
    assert merged is not None
    assert [one.title for one in markdown.headings(merged)] == ["P", "Known Issues", "Do Not Touch"]
    assert memory.rules(merged).protected == ("src/",)


# ---------------------------------------------------------------- bounds


def test_a_huge_or_deep_file_is_dropped_unread() -> None:
    base = b"# P\n"
    assert memory.merge_agent(base, b"x" * 5_000_000) == (
        base, ("The edit of the memory file is dropped: the file grew by 5000 kB.",)
    )  # fmt: skip
    merged, dropped = memory.merge_agent(base, b"> " * 5000 + b"x")
    assert merged == base
    assert "nested deeper" in dropped[0]


def test_nothing_is_added_to_a_file_that_is_large_already() -> None:
    base = b"# P\n\n" + b"text\n" * 21_000 + b"\n## Known Issues\n"
    merged, dropped = memory.merge_agent(base, base + b"\n- slow\n")
    assert merged == base
    assert dropped == ("Nothing is added under “Known Issues”: the memory file is larger than 100 kB.",)


def test_not_each_of_many_lost_lines_is_named() -> None:
    base = b"## Known Issues\n\n" + b"".join(b"- line %d\n" % n for n in range(40))
    merged, dropped = memory.merge_agent(base, b"## Known Issues\n")
    assert merged == base
    assert len(dropped) == 6
    assert dropped[-1] == "The same goes for 35 more lines under “Known Issues”."


def test_a_file_that_is_too_large_to_be_read_is_refused_and_never_written() -> None:
    huge = b"x" * 5_000_001
    with pytest.raises(RalphError, match=r"5\.0 MB"):
        memory.rules(huge)
    assert memory.unwritable(huge) == "The memory file is larger than 500 kB."
    assert recorded(huge) == huge
    assert recorded(huge[:500_001]) == huge[:500_001]


@pytest.mark.parametrize(
    ("text", "conflicted"),
    [
        (b"<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main\n", True),
        (b"<<<<<<< HEAD\r\nours\r\n=======\r\n>>>>>>> main\r\n", True),
        (b"Title\n=======\n\n> quote\n", False),
        (b">>>>>>> main\n=======\n<<<<<<< HEAD\n", False),
        (b"write <<<<<<< HEAD\n=======\n>>>>>>> main\n", False),
        (None, False),
    ],
)
def test_conflict_markers_are_seen(text: bytes | None, *, conflicted: bool) -> None:
    assert memory.conflicted(text) is conflicted


def test_secrets_of_the_environment_are_masked() -> None:
    merged, _ = memory.merge_agent(b"# P\n", b"# P\n\n## Known Issues\n\n- key is hunter2x\n", secrets=["hunter2x"])
    assert merged == b"# P\n\n## Known Issues\n\n- key is [masked]\n"


def test_secrets_are_masked_in_what_is_said_about_dropped_edits() -> None:
    base = b"# P\n\n## Known Issues\n\n- old hunter2x\n"
    left = b"# P\n\n## Known Issues\n\n## Use hunter2x\n\ntext\n"
    _, dropped = memory.merge_agent(base, left, secrets=["hunter2x"])
    assert len(dropped) == 2
    assert "hunter2x" not in " ".join(dropped)


def test_only_new_surroundings_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    data = recorded(b"# Surroundings that no other test has\n")
    memory.rules(data)

    def counted(data: bytes) -> blocks.Document:
        parsed.append(len(data))
        return blocks.read_document(data)

    for module in (markdown, memory):
        monkeypatch.setattr(module, "read_document", counted)
    for number in range(5):
        data = recorded(data, f"T{number}", (f"T{number + 1}",))
        memory.rules(data)
    assert parsed == []
    recorded(data + b"\nnew\n")
    assert parsed


def test_importing_it_is_cheap() -> None:
    modules = "ralph.memory.file, ralph.engine.attempt.prompt"
    code = f"import sys, {modules}; print({{'markdown_it', 'difflib'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
