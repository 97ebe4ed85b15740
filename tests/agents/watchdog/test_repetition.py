"""Steps and messages in a row: how often, how long a round, how alike."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents import claude, codex
from ralph.agents.json_stream import CAP
from ralph.agents.model import Signal, SignalKind
from ralph.agents.watchdog.repetition import OPEN, RepeatedMessages, RepeatedSteps

REPORT = [f"test {name} passed" for name in "abcdefghijklmnopqrst"]


def steps(rows: list[tuple[str, str]], circles: int = 3, similarity: float = 0.85) -> str:
    """The circle after these commands and their results."""
    made = RepeatedSteps(circles, similarity, 600.0, 0.0)
    for command, result in rows:
        made.begin(Signal(SignalKind.TOOL, tool="Bash", command=command))
        made.end(Signal(SignalKind.TOOL_DONE, result), 1.0)
    return made.circle(1.0)


@pytest.mark.parametrize(
    ("letters", "circles", "found"),
    [
        ("aaa", 3, True),
        ("aa", 3, False),
        ("aaaa", 5, False),
        ("aaaaa", 5, True),
        ("ababab", 3, True),
        ("xyababab", 3, True),
        ("ababa", 3, False),
        ("abab", 2, True),
        ("aabaabaab", 3, True),
        ("abcacbabc", 3, False),
        ("ababxab", 3, False),
        ("abcdefghij" * 3, 3, True),
        ("abcdefghijk" * 3, 3, False),  # a longer round than ten steps is not looked for
        ("abcdefghij" * 2, 3, False),
    ],
)
def test_rounds(letters: str, circles: int, *, found: bool) -> None:
    assert bool(steps([(f"run {letter}", "the same") for letter in letters], circles)) is found


@pytest.mark.parametrize(
    ("results", "found"),
    [
        (["same"] * 3, True),
        (["one", "two", "three"], False),
        (["", "", ""], True),
        (["pid 411 took 3 s", "pid 897 took 5 s", "pid 12 took 4 s"], True),
        (["at 0x7f3a1", "at 0x99b21", "at 0x5caa7"], True),
        (["10% done", "20% done", "30% done"], False),
        (["3 of 9 files", "4 of 9 files", "5 of 9 files"], False),
        (["5 tests failed", "4 tests failed", "3 tests failed"], False),
        (["17", "18", "19"], False),
        (["\n".join([*REPORT, f"and {word}"]) for word in ("this", "that", "those")], True),
        (["\n".join([*REPORT[:4], f"and {word}"]) for word in ("this", "that", "those")], False),
        (["\n".join(REPORT), "\n".join(reversed(REPORT)), "\n".join(REPORT)], False),
    ],
)
def test_results(results: list[str], *, found: bool) -> None:
    assert bool(steps([("make", result) for result in results])) is found


def test_the_similarity_is_the_users() -> None:
    results = [("make", "\n".join([*REPORT[:4], f"and {word}"])) for word in ("this", "that", "those")]
    assert not steps(results, similarity=0.85)
    assert steps(results, similarity=0.75)


def test_the_whole_round_is_named() -> None:
    assert (
        steps([("make a", "x"), ("make b", "y")] * 3) == "`make a`; `make b`, 3 times in a row with the same result"
    )


def claudes(name: str, given: dict[str, object]) -> Signal:
    """A call as Claude Code tells it."""
    block = {"type": "tool_use", "id": "t", "name": name, "input": given}
    return claude.read(json.dumps({"type": "assistant", "message": {"content": [block]}}))[0]


def codexs(item: dict[str, object]) -> Signal:
    """A call as Codex tells it."""
    kind = "item.completed" if item["type"] == "file_change" else "item.started"
    return codex.read(json.dumps({"type": kind, "item": item}))[0]


LONG = "x" * 30_000


def edit(old: str, new: str, path: str = "a.py") -> Signal:
    return claudes("Edit", {"file_path": path, "old_string": old, "new_string": new})


def change(**more: str) -> Signal:
    return codexs({"type": "file_change", "changes": [{"path": "a.py", "kind": "update", **more}]})


def mcp(**arguments: str) -> Signal:
    return codexs({"type": "mcp_tool_call", "server": "docs", "tool": "search", "arguments": arguments})


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (claudes("Grep", {"pattern": "def f", "path": "src"}), 'Grep {"path":"src","pattern":"def f"}'),
        (claudes("Glob", {"pattern": "**/*.py"}), 'Glob {"pattern":"**/*.py"}'),
        (claudes("Read", {"file_path": "a.py", "offset": 100}), 'Read a.py {"offset":100}'),
        (edit("a", "b"), "Edit a.py"),
        (claudes("Write", {"file_path": "a.py", "content": LONG}), "Write a.py"),
        (claudes("Bash", {"command": "make", "description": "Build"}), "make"),
        (mcp(q="x"), 'docs.search {"q":"x"}'),
        (change(diff="-a"), "apply_patch a.py"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_same_call_of_any_tool(call: Signal, name: str) -> None:
    assert calls([call] * 2) == ""
    assert calls([call] * 3) == f"`{name}`, 3 times in a row with the same result"


@pytest.mark.parametrize(
    "three",
    [
        [claudes("Grep", {"pattern": word, "path": "src"}) for word in ("one", "two", "three")],
        [claudes("Grep", {"pattern": "one", "path": where}) for where in ("src", "lib", "doc")],
        [claudes("Read", {"file_path": "a.py", "offset": line}) for line in (1, 101, 201)],
        [claudes("Read", {"file_path": path}) for path in ("a.py", "b.py", "c.py")],
        [edit("a", word) for word in ("one", "two", "three")],
        [edit("a", LONG + word) for word in ("one", "two", "three")],
        [edit("a", "b", path) for path in ("a.py", "b.py", "c.py")],
        [claudes("Write", {"file_path": "a.py", "content": LONG + word + LONG}) for word in "abc"],
        [claudes("Write", {"file_path": "p/" * 2_000 + word, "content": "same"}) for word in "abc"],
        [claudes("Bash", {"command": LONG + word + LONG}) for word in "abc"],
        [claudes("Bash", {"command": "npm test", "timeout": time}) for time in (60, 120, 600)],
        [claudes("mcp__files__edit", {"command": "view", "path": path}) for path in "abc"],
        [claudes("Task", {"description": word, "prompt": "look"}) for word in "abc"],
        [claudes("NoInput", {})] * 3,  # nothing is told
        [codexs({"type": "command_execution", "command": LONG + word + LONG}) for word in "abc"],
        [mcp(q=word) for word in "abc"],
        [change(diff=word) for word in "abc"],
        [change()] * 3,  # 0.169 does not tell what was changed
    ],
    ids=lambda three: f"{three[0].tool} {len(three[0].text)}",
)
def test_different_calls_of_one_tool(three: list[Signal]) -> None:
    assert calls(three * 3 if three[0] == three[1] else three) == ""


def test_the_same_words_beside_a_command_are_no_matter() -> None:
    assert calls([claudes("Bash", {"command": "make", "description": word}) for word in "abc"])


def test_a_tool_that_looks_at_a_job_may_be_asked_for_a_while() -> None:
    job = claudes("mcp__ci__get_run", {"id": 7})
    assert calls([job] * 9) == ""
    assert calls([job] * 9, seconds=100).startswith("`mcp__ci__get_run")


def test_what_a_call_tells_is_short_and_read_without_an_error() -> None:
    deep: object = "\ud800"
    for _ in range(400):
        deep = [deep]
    inputs: list[dict[str, object]] = [
        {"a": deep}, {"a": "\ud800"}, {"file_path": LONG, "content": LONG}, {"a": LONG}, {"command": LONG},
    ]  # fmt: skip
    assert all(len(claudes("Edit", one).text) <= CAP for one in inputs)


def calls(made: list[Signal], result: str = "ok", seconds: float = 1.0) -> str:
    """The circle after these calls, all with the same result."""
    steps, now = RepeatedSteps(3, 0.85, 600.0, 0.0), 0.0
    for call in made:
        now += seconds
        steps.begin(call)
        steps.end(Signal(SignalKind.TOOL_DONE, result, ok=True), now)
    return steps.circle(now)


def test_two_tools_at_a_time() -> None:
    made = RepeatedSteps(3, 0.85, 600.0, 0.0)
    for _ in range(3):
        made.begin(Signal(SignalKind.TOOL, tool="Bash", command="a"))
        made.begin(Signal(SignalKind.TOOL, tool="Bash", command="b"))
        made.end(Signal(SignalKind.TOOL_DONE, "result of a"), 1.0)
        made.end(Signal(SignalKind.TOOL_DONE, "result of b"), 1.0)
    assert made.open == 0
    assert made.circle(1.0).startswith("`a`; `b`, 3 times")


def test_a_result_of_nothing_is_no_step() -> None:
    made = RepeatedSteps(3, 0.85, 600.0, 0.0)
    for _ in range(9):
        made.end(Signal(SignalKind.TOOL_DONE, "late"), 1.0)
    assert not made.circle(1.0)


def test_calls_that_never_end_are_forgotten() -> None:
    made = RepeatedSteps(3, 0.85, 600.0, 0.0)
    for _ in range(3 * OPEN):
        made.begin(Signal(SignalKind.TOOL, tool="Bash", command="a"))
    assert made.open == OPEN


@given(st.lists(st.sampled_from("ab"), max_size=40))
def test_a_step_that_never_was_breaks_every_circle(letters: list[str]) -> None:
    rows = [(f"run {letter}", "same") for letter in letters]
    assert not steps([*rows, ("run something new", "same")])


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["Let me try that again."] * 3, True),
        (["Let me try that again."] * 2, False),
        (["", "", ""], False),
        (["I am done with the first of all the files, and it works well now."] * 2
         + ["I am done with the first of all the files, and it works well then."], True),
        (["I fixed a.py", "I fixed b.py", "I fixed c.py"], False),
        (["Still running 3/10", "Still running 4/10", "Still running 5/10"], False),
        (["Again.", "Something else.", "Again.", "Something else.", "Again."], False),
    ],
)  # fmt: skip
def test_messages(texts: list[str], *, found: bool) -> None:
    messages = RepeatedMessages(3, 0.85)
    for text in texts:
        messages.say(text)
    assert bool(messages.circle()) is found
