"""Several children at once: each is heard and answered; whoever is killed, the others go on and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ralph.agents.model import StopReason
from ralph.process import tree
from ralph.process.supervisor import Link, Work, WorkerMessage
from ralph.process.workers import WorkerLine, WorkerProcesses, several
from tests.helpers.families import AGENTS, GENEROUS, Desk, agent, open_files, survivors, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

Heard = list[tuple[int, WorkerMessage | None]]


@pytest.fixture
def word() -> str:
    return f"word-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child."""
    yield
    tree.end_descendants(time.monotonic() + 5)


def hear(children: WorkerProcesses, enough: Callable[[Heard], bool]) -> Heard:
    """All that is said until it is enough."""
    heard: Heard = []
    deadline = time.monotonic() + GENEROUS
    while not enough(heard):
        assert time.monotonic() < deadline, heard[-5:]
        heard += children.hear(0.1)
    return heard


def over(*numbers: int) -> Callable[[Heard], bool]:
    """These children are gone."""
    return lambda heard: {n for n, message in heard if message is None} >= set(numbers)


def said(heard: Heard, n: int, what: str) -> list[object]:
    return [message[what] for one, message in heard if one == n and message is not None and what in message]


def start(children: WorkerProcesses, *works: Work) -> None:
    """Start them all as 1, 2, 3 ..."""
    for n, work in enumerate(works, 1):
        children.start(n, work).go()


def counts(times: int, text: str = "") -> Work:
    """A child that tells numbers, as fast as it can."""

    def work(link: Link) -> WorkerMessage:
        line = WorkerLine(link)
        for number in range(times):
            line.tell(number=number, text=text)
        return {"last": times}

    return work


def floods(link: Link) -> WorkerMessage:
    """A child that talks faster than anybody can listen, for ever."""
    block = b'{"number": 1}\n' * 5000
    while True:
        link._sock.sendall(block)


def waits(link: Link) -> WorkerMessage:
    """A child that tells its pid and then repeats what it hears, until it shall end."""
    line = WorkerLine(link)
    line.tell(pid=os.getpid())
    while not line.ended:
        if (text := line.answer(1.0)) is not None:
            line.tell(heard=text)
    return {"last": "ended politely"}


def sleeper(word: str) -> Sequence[str]:
    return (sys.executable, "-S", "-c", "import time\ntime.sleep(1000)", word)


def with_agent(here: Path, argv: Sequence[str]) -> Work:
    """A child that runs an agent on a terminal, as an attempt does."""

    def work(link: Link) -> WorkerMessage:
        line = WorkerLine(link)
        here.mkdir()

        def stop() -> StopReason | None:
            line.look()
            return StopReason.INTERRUPTED if line.ended else None

        end = Desk(here).run(argv, stop=stop, tell=lambda signal: line.tell(agent=signal.text))
        return {"last": str(end.why)}

    return work


def with_grandchild(word: str) -> Work:
    """A child with a process below it that left its session."""

    def work(link: Link) -> WorkerMessage:
        subprocess.Popen(sleeper(word), start_new_session=True)
        return waits(link)

    return work


def deaf(link: Link) -> WorkerMessage:
    """A child that looks at nothing that its parent says."""
    link.send(pid=os.getpid())
    while True:
        time.sleep(1000)


# ---------------------------------------------------------------- talking


def test_all_are_heard_and_each_in_its_order() -> None:
    with several() as children:
        start(children, *[counts(500, "x" * 300)] * 4)
        heard = hear(children, over(1, 2, 3, 4))
        assert len(children) == 0
    for n in (1, 2, 3, 4):
        assert said(heard, n, "number") == list(range(500))
        assert [message for one, message in heard if one == n][-2:] == [{"last": 500, "ended": True}, None]
    first = [n for n, _ in heard[:2000]]
    assert set(first) == {1, 2, 3, 4}, "none of them waits until another one is over"


def test_nothing_is_done_before_it_may_go() -> None:
    with several() as children:
        child = children.start(1, counts(1))
        assert children.hear(0.05) == []
        child.go()
        assert said(hear(children, over(1)), 1, "last") == [1]


def test_an_answer_reaches_the_one_it_is_for() -> None:
    with several() as children:
        start(children, *[waits] * 3)
        hear(children, lambda heard: len(heard) == 3)
        for n, text in ((2, "for two"), (3, "for three, ä"), (2, "for two again"), (1, "")):
            children.say(n, text)
        heard = hear(children, lambda heard: len(heard) == 4)
        assert said(heard, 1, "heard") == [""]
        assert said(heard, 2, "heard") == ["for two", "for two again"]
        assert said(heard, 3, "heard") == ["for three, ä"]


def test_the_end_reaches_all() -> None:
    with several() as children:
        start(children, *[waits] * 4)
        hear(children, lambda heard: len(heard) == 4)
        children.end()
        heard = hear(children, over(1, 2, 3, 4))
    assert [said(heard, n, "last") for n in (1, 2, 3, 4)] == [["ended politely"]] * 4


def test_the_end_reaches_an_agent_too(tmp_path: Path, word: str) -> None:
    with several() as children:
        works = (with_agent(tmp_path / "one", agent("family.py", "hang", word)), waits)
        start(children, *works)
        hear(children, lambda heard: said(heard, 1, "agent") == ["four left"])
        children.end()
        assert said(hear(children, over(1, 2)), 1, "last") == [str(StopReason.INTERRUPTED)]
        assert survivors(word) == []


def test_what_is_said_to_one_that_is_gone_does_not_matter() -> None:
    with several() as children:
        start(children, counts(1), waits)
        hear(children, over(1))
        assert 1 not in children
        assert 2 in children
        children.say(1, "too late")


@pytest.mark.timeout(60)
def test_who_never_stops_talking_does_not_keep_others_waiting() -> None:
    """The other one is heard and answered all the same."""
    with several() as children:
        start(children, floods, waits)
        hear(children, lambda heard: len(said(heard, 1, "number")) > 500 and bool(said(heard, 2, "pid")))
        for number in range(20):
            children.say(2, f"{number}")
            heard = hear(children, lambda heard: bool(said(heard, 2, "heard")))
            assert said(heard, 2, "heard") == [f"{number}"]
    assert not tree.children(os.getpid())


def test_a_child_that_breaks_is_an_error_after_all_else_was_told() -> None:
    def breaks(_: Link) -> WorkerMessage:
        raise ValueError("a bug")

    with several() as children:
        start(children, breaks, counts(1))
        with pytest.raises(RuntimeError, match="ValueError: a bug"):
            hear(children, lambda _: False)
    assert not tree.children(os.getpid())


# ---------------------------------------------------------------- killed


@pytest.mark.parametrize("below", ["an agent", "a process of its own session"])
def test_a_killed_child_leaves_nothing_and_the_others_live_on(tmp_path: Path, word: str, below: str) -> None:
    other = f"{word}-other"
    works = {
        "an agent": with_agent(tmp_path / "one", agent("family.py", "hang", word)),
        "a process of its own session": with_grandchild(word),
    }
    with several() as children:
        start(children, with_grandchild(other), with_agent(tmp_path / "two", agent("family.py", "hang", other)))
        hear(children, lambda heard: len(heard) >= 2)
        killed = children.start(3, works[below])
        killed.go()
        hear(children, bool)
        assert wait_until(lambda: len(survivors(other)) == 6 and word_is_there(word, below))
        living = survivors(other)
        os.kill(killed.pid, signal.SIGKILL)
        assert hear(children, over(3))[-1] == (3, None)
        assert survivors(word) == []
        assert survivors(other) == living
        children.say(1, "still there?")
        assert said(hear(children, bool), 1, "heard") == ["still there?"]
    assert survivors(other) == []


def word_is_there(word: str, below: str) -> bool:
    """All that is below the child has started: a sleeper, or an agent with its four."""
    return len(survivors(word)) == (5 if below == "an agent" else 1)


def test_what_a_sibling_starts_meanwhile_is_not_taken_for_a_leftover(word: str) -> None:
    """One forks all the time, and tells when a process of its own was killed, while twenty others are killed."""

    def forks(link: Link) -> WorkerMessage:
        line = WorkerLine(link)
        codes = set()
        while not line.ended:
            codes |= {one.wait() for one in [subprocess.Popen(["true"]) for _ in range(4)]}
            line.look()
        return {"last": sorted(codes)}

    with several() as children:
        start(children, forks)
        for n in range(2, 22):
            child = children.start(n, with_grandchild(word))
            child.go()
            hear(children, bool)
            os.kill(child.pid, signal.SIGKILL)
            hear(children, over(n))
        children.end()
        assert said(hear(children, over(1)), 1, "last") == [[0]]
    assert survivors(word) == []


def test_processes_that_were_there_before_are_not_touched(word: str) -> None:
    before = subprocess.Popen(sleeper(word))
    try:
        with several() as children:
            child = children.start(1, deaf)
            child.go()
            hear(children, bool)
            os.kill(child.pid, signal.SIGKILL)
            hear(children, over(1))
            assert before.poll() is None
            start(children, deaf)
            hear(children, bool)
        assert before.poll() is None
    finally:
        before.kill()
        before.wait()


def test_a_child_that_is_deaf_is_gone_at_the_end_of_the_block(word: str) -> None:
    def deaf_with_grandchild(link: Link) -> WorkerMessage:
        subprocess.Popen(sleeper(word), start_new_session=True)
        return deaf(link)

    with several() as children:
        start(children, deaf_with_grandchild, waits)
        hear(children, lambda heard: len(heard) == 2)
        children.end()
        hear(children, over(2))
        assert wait_until(lambda: len(survivors(word)) == 1)
    assert survivors(word) == []
    assert not tree.children(os.getpid())


def test_all_are_gone_though_the_block_ends_with_an_error(word: str) -> None:
    def interrupted() -> None:
        with several() as children:
            start(children, *[with_grandchild(word)] * 4)
            hear(children, lambda heard: len(heard) == 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert survivors(word) == []
    assert not tree.children(os.getpid())


PARENT = """
import sys
from pathlib import Path
from tests.process.test_workers import deaf, with_agent, with_grandchild, start
from tests.helpers.families import agent
from ralph.process.workers import several
here, word = Path(sys.argv[1]), sys.argv[2]
with several() as children:
    family = with_agent(here / "a", agent("family.py", "hang", word))
    start(children, with_grandchild(word), family, with_grandchild(word))
    heard = 0
    while heard < 3:
        heard += len(children.hear(1.0))
    print("all there", flush=True)
    while True:
        children.hear(1.0)
"""


def test_nothing_survives_a_killed_parent(tmp_path: Path, word: str) -> None:
    path = os.pathsep.join(map(str, (AGENTS.parents[1], Path(__file__).parent, Path(__file__).parents[1])))
    command = [sys.executable, "-c", PARENT, str(tmp_path), word]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "all there\n"
            # the parent, three children, a runner below one of them, its agent with four, and two sleepers
            assert wait_until(lambda: len(survivors(word)) == 12)
        finally:
            parent.kill()
        assert wait_until(lambda: survivors(word) == [], 3)


def test_fifty_children_leave_no_descriptor_and_no_process() -> None:
    with several() as children:
        start(children, counts(1))
        hear(children, over(1))
        before = open_files()
        for n in range(2, 52):
            children.start(n, counts(3) if n % 5 else waits).go()
            if not n % 5:
                hear(children, bool)
                children.end()
            hear(children, over(n))
        assert open_files() == before
    assert not tree.children(os.getpid())


def test_fifty_at_once_leave_none_either() -> None:
    before = open_files()
    with several() as children:
        start(children, *[waits] * 50)
        hear(children, lambda heard: len(heard) == 50)
    assert open_files() == before
    assert not tree.children(os.getpid())
