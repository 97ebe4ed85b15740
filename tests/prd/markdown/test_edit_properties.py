"""What holds for every document: hypothesis looks for one that breaks it."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mdit_py_plugins.front_matter import front_matter_plugin

from ralph.errors import RalphError
from ralph.prd import document as prd
from ralph.prd.diff import same_lines
from ralph.prd.markdown import blocks
from ralph.prd.markdown import edit as markdown
from ralph.prd.model import Prd, Task

law = settings(max_examples=120)

INDENTS = st.sampled_from(["", "", "", " ", "  ", "  ", "   ", "    ", "      ", "\t", "> ", ">"])
MARKERS = st.sampled_from(["- ", "- ", "- ", "* ", "+ ", "1. ", "2) ", "-\t", "-  ", "-     ", "- - ", "-", ""])
BOXES = st.sampled_from(["[ ] ", "[ ] ", "[ ] ", "[x] ", "[X] ", "[\t] ", "[ ]", "[ ]\t", "[-] ", "[x](u) ", ""])
TEXTS = st.sampled_from(
    ["a", "a", "b", "T1 c", "T2: d", "é\u2028\xa0", "[x]: u", "| x | y |", "Files: `f`", "x\0", ""]
)
OTHER = [
    *(
        "```",
        "~~~",
        "<!--",
        "-->",
        "<div>",
        "</div>",
        "<!-- c -->",
        "---",
        "===",
        "# Log",
        "## Done when",
        "",
        "",
        "",
    ),
    *(
        "text",
        "|--|--|",
        "| x | y |",
        "[x]: http://e",
        "  Parked: no",
        "  - Parked: old",
        "\x0c",
        "    code",
        "> quote",
    ),
    *("  - Check: `run`", "  - Acceptance criteria:", "$$", "...", "Definition of done:"),
]
LINES = st.one_of(
    st.tuples(INDENTS, MARKERS, BOXES, TEXTS).map("".join),
    st.tuples(INDENTS, st.sampled_from(OTHER)).map("".join),
)
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    end = draw(ENDS)
    data = end.join(line.encode() for line in draw(st.lists(LINES, min_size=1, max_size=14)))
    return draw(st.sampled_from([b"", b"", b"", blocks.BOM])) + data + draw(st.sampled_from([b"", end, end + end]))


def fresh(data: bytes) -> Prd:
    """Parsed anew, not remembered."""
    prd._READ.clear()
    return prd.parse(data)


@law
@given(
    st.one_of(documents(), st.binary(max_size=200), documents().map(lambda data: data + b"\xff\n[a]: http://\xff"))
)
@example(b"[a]: http://\xed\xa0\x80/\xff")
def test_any_bytes_are_read(data: bytes) -> None:
    found = fresh(data)
    assert all(data[task.offset : task.offset + 1] in (b" ", b"x", b"X", b"\t") for task in found.tasks)
    assert [task.number for task in found.tasks] == list(range(1, len(found.tasks) + 1))
    assert len({miss.line for miss in found.near_misses} | {task.line for task in found.tasks}) == len(
        found.near_misses
    ) + len(found.tasks)


@law
@given(documents(), st.data())
def test_a_tick_is_one_byte_and_one_task(data: bytes, pick: st.DataObject) -> None:
    before = fresh(data)
    ids = [task.id for task, times in ((t, _times(before, t.id)) for t in before.tasks) if times == 1]
    assume(ids)
    chosen = pick.draw(st.sampled_from(ids))
    task = next(task for task in before.tasks if task.id == chosen)
    after = prd.untick(before, chosen) if task.done else prd.tick(before, chosen)
    assert [n for n, (old, new) in enumerate(zip(data, after.data, strict=True)) if old != new] == [task.offset]
    assert [t.id for t, u in zip(before.tasks, after.tasks, strict=True) if t != u] == [chosen]
    assert fresh(after.data) == after


def _times(document: Prd, task_id: str) -> int:
    return sum(task.id == task_id for task in document.tasks)


@law
@given(documents())
def test_no_block_changes_with_a_box(data: bytes) -> None:
    """The lemma that lets a tick go without proof, for every box that is recognised."""
    before = blocks.read_document(data)
    for item in before.items:
        if item.boxed:
            after = blocks.read_document(markdown.set_boxes(data, [item.offset], done=not item.done))
            assert [(t.type, t.level, t.map, t.markup, t.info) for t in after.tokens] == [
                (t.type, t.level, t.map, t.markup, t.info) for t in before.tokens
            ]
            differ = [t.content for t, u in zip(before.tokens, after.tokens, strict=True) if t.content != u.content]
            assert len(differ) == 1
            assert [(i.offset, i.text) for i in after.items] == [(i.offset, i.text) for i in before.items]
            assert after.references == before.references


@law
@given(documents())
@example(b"- [ ] \nDefinition of done:\n  - [ ] a")
def test_ticking_and_unticking_is_no_change(data: bytes) -> None:
    before = fresh(data)
    for task in before.tasks:
        if not task.done and data[task.offset] == ord(" ") and _times(before, task.id) == 1:
            ticked = prd.tick(before, task.id)
            assert fresh(ticked.data) == ticked
            assert prd.untick(ticked, task.id) == before


@law
@given(documents(), st.text(max_size=40))
@example(b"- [ ]a\n   -\t[ ] a", "why")
def test_parking_and_unparking_is_no_change(data: bytes, reason: str) -> None:
    before = fresh(data)
    for task in before.tasks:
        if task.fields.parked is not None or _times(before, task.id) > 1:
            continue
        try:
            parked = prd.park(before, task.id, reason)
        except RalphError:
            continue
        assert fresh(parked.data) == parked
        assert parked.tasks[task.number - 1].fields.parked is not None
        assert _differ(before, parked) == [task.id]
        back = prd.unpark(parked, task.id)
        assert back.data.replace(b"\r", b"\n").split() == before.data.replace(b"\r", b"\n").split()
        assert back.data == data or len(back.data) <= len(data) + 2  # an empty line had to be added


def _differ(before: Prd, after: Prd) -> list[str]:
    return [t.id for t, u in zip(before.tasks, after.tasks, strict=True) if (t.body, t.done) != (u.body, u.done)]


@law
@given(documents(), st.sets(st.integers(0, 9)))
def test_new_ticks_go_back_and_nothing_else(data: bytes, numbers: set[int]) -> None:
    before = fresh(data)
    opened = {task.number - 1 for task in before.tasks if not task.done and data[task.offset] == ord(" ")}
    after = prd._set(before, numbers & opened, done=True)
    found = prd.difference(before, after)
    assert len(found.ticked) == sum(t.done != u.done for t, u in zip(before.tasks, after.tasks, strict=True))
    assert (found.rewrote, found.vanished, found.appeared, found.unticked) == (False, (), (), ())
    if not any(times > 1 for times in Counter(task.id for task in before.tasks).values()):
        assert prd.without_new_ticks(before, after) == before


@law
@given(documents(), documents(), documents())
@example(b"- [ ] a", b"- [ ] a\n  2) [ ] a", b"- [ ] a")
@example(b"  - [ ] b\n- [ ] a", b"  - [ ] b\n-[ ] a\n- [ ] a", b"===")
def test_a_task_is_found_again_beside_new_text(data: bytes, above: bytes, below: bytes) -> None:
    before = fresh(data)
    now = fresh(above + b"\n\n" + data + b"\n\n" + below)
    for task in before.tasks:
        found = prd.find_task(task, before, now)
        assert found is None or found.id == task.id or _line(before, task) == _line(now, found)


def _line(document: Prd, task: Task) -> str:
    line = blocks.read_document(document.data).lines[task.line - 1]
    return line.replace("[x]", "[ ]", 1).replace("[X]", "[ ]", 1).replace("[\t]", "[ ]", 1)


@law
@given(st.lists(LINES, max_size=12), st.lists(LINES, max_size=4), st.integers(0, 12), st.integers(0, 12))
def test_any_two_readings_can_be_compared(lines: list[str], new: list[str], at: int, gone: int) -> None:
    before = fresh("\n".join(lines).encode())
    now = prd.parse("\n".join([*lines[:at], *new, *lines[at + gone :]]).encode())
    found = prd.difference(before, now)
    pairs = [other for task in before.tasks if (other := prd.find_task(task, before, now))]
    assert len({task.number for task in pairs}) == len(pairs)
    assert len(pairs) + len(found.appeared) == len(now.tasks)
    assert {task.number for task in found.vanished}.isdisjoint(
        task.number for task in before.tasks if prd.find_task(task, before, now)
    )
    kept = prd.without_new_ticks(before, now)
    assert prd.difference(before, kept).ticked == ()
    assert fresh(kept.data) == kept


@law
@given(
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b""])),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"e", b""])),
)
def test_the_same_lines_are_the_same_and_in_order(old: list[bytes], new: list[bytes]) -> None:
    found = same_lines(old, new)
    assert all(old[n] == new[m] for n, m in found.items())
    pairs = sorted(found.items())
    assert pairs == sorted(pairs, key=lambda pair: pair[1])
    assert len(set(found.values())) == len(found)
    assert same_lines(old, old) == {n: n for n in range(len(old))}


@law
@given(
    st.lists(
        st.sampled_from(
            ["---", "----", "--", " ---", "   ----  ", "    ---", "...", "... ", "....", "--- a", "a", ""]
        )
    )
)
def test_front_matter_is_that_of_the_plugin(lines: list[str]) -> None:
    tokens = MarkdownIt("commonmark").use(front_matter_plugin).parse("\n".join([*lines, "end", ""]))
    theirs = next((token.map[1] for token in tokens if token.type == "front_matter" and token.map), 0)
    assert blocks.front_matter((*lines, "end")) == theirs


@law
@given(documents(), st.sampled_from(["new", "new entry", "a"]))
def test_an_entry_is_added_and_nothing_else(data: bytes, entry: str) -> None:
    try:
        after = markdown.append_under(data, "Log", entry)
    except RalphError:
        return
    old, new = blocks.read_document(data), blocks.read_document(after)
    assert len(new.items) == len(old.items) + 1
    words, more = Counter(data.split()), Counter(after.split())
    assert +(words - more) == Counter()
    assert sum((more - words).values()) == 1 + len(entry.split())


@law
@given(documents(), st.sampled_from(["- new", "", "# Head\n\ntext", "```\nopen", "- [ ] a\n- [x] b"]))
def test_between_markers_nothing_else_changes(data: bytes, text: str) -> None:
    whole = data + b"\n\n<!-- a -->\nold\n<!-- z -->\n\n" + data
    try:
        after = markdown.replace_between(whole, "<!-- a -->", "<!-- z -->", text)
    except RalphError:
        return
    assert after.startswith(data + b"\n\n<!-- a -->\n")
    assert after.endswith(b"<!-- z -->\n\n" + data)
