"""The live view on a real terminal: what is seen, what the keys do, and how the terminal is left."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pexpect
import pytest

from ralph.errors import Exit
from tests.conftest import Repository

PRD = "- [ ] T1 make one\n- [ ] T2 make two\n- [ ] T3 make three\n"
PATIENCE = 30  # seconds: the machine is shared
AGENT = """
echo "works at $RALPH_TASK_ID"
until [ -e "$GO/go-$RALPH_TASK_ID" ]; do sleep 0.02; done
echo "$RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"
"""
GATE = 'until [ ! -e "$GO/hold" ]; do sleep 0.02; done'
BROKEN = "import ralph.{room} as room\ndef broken(*_, **__): raise ValueError('bad luck')\nroom.{name} = broken\n"
MAIN = "import sys\nfrom ralph.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"


class Place:
    """A repository, an agent that waits for a word, and terminals to run ralph on."""

    def __init__(self, repo: Repository) -> None:
        self.repo, self.near = repo, repo.path.parent
        (self.near / "agent.sh").write_text(AGENT)
        self.env = {**os.environ, "TERM": "xterm-256color", "GO": str(self.near), "LANG": "C.UTF-8"}
        self.spawned: list[Any] = []

    def words(self, *flags: str, broken: str = "") -> list[str]:
        room, _, name = broken.rpartition(".")
        program = ["-c", BROKEN.format(room=room, name=name) + MAIN] if broken else ["-m", "ralph"]
        return [sys.executable, *program, f"--agent-command=sh {self.near}/agent.sh", f"--gate={GATE}", *flags]

    def shell(self, script: str) -> Any:
        """A shell on a terminal of its own, that notes how the terminal stood before and after."""
        whole = f'trap : INT QUIT; stty -g > "$GO/before"; {script}; code=$?; stty -g > "$GO/after"; exit $code'
        made = pexpect.spawn(
            "sh", ["-c", whole], cwd=str(self.repo.path), env=self.env, dimensions=(24, 80), encoding="utf-8",
            timeout=PATIENCE,
        )  # fmt: skip
        self.spawned.append(made)
        return made

    def ralph(self, *flags: str, broken: str = "") -> Any:
        return self.shell(shlex.join(self.words(*flags, broken=broken)))

    def go(self, *tasks: str) -> None:
        for task in tasks:
            (self.near / f"go-{task}").touch()

    def orders(self) -> list[str]:
        return sorted(path.name for path in (self.repo.path / ".git/ralph").glob("control/*"))

    def as_before(self) -> bool:
        before, after = (self.near / "before").read_text(), (self.near / "after").read_text()
        return before == after and before != ""

    def pid(self) -> int:
        return int(json.loads((self.repo.path / ".git/ralph/lock").read_text())["pid"])


def ended(terminal: Any) -> tuple[int | None, str]:
    """(exit code, what was shown since)."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus, terminal.before or ""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def place(repo: Repository) -> Iterator[Place]:
    repo.commit({"PRD.md": PRD}, "the project")
    made = Place(repo)
    yield made
    for one in made.spawned:
        one.close(force=True)


def works(terminal: Any) -> None:
    """Wait until an agent works, and the terminal listens to keys."""
    terminal.expect("the agent works")
    until(lambda: not termios.tcgetattr(terminal.child_fd)[3] & (termios.ICANON | termios.ECHO))


def heard(terminal: Any) -> None:
    """Wait until all that was typed is read: what is typed next does not come together with it."""
    theirs = os.open(f"/proc/{terminal.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        until(lambda: fcntl.ioctl(theirs, termios.FIONREAD, bytes(4)) == bytes(4))
    finally:
        os.close(theirs)


def test_keys(place: Place) -> None:
    terminal = place.ralph()
    works(terminal)
    terminal.expect("0 of 3 done")
    terminal.send("?")
    terminal.expect("the same command continues")
    terminal.send("?")
    terminal.expect("help")
    terminal.send("p")
    terminal.expect("pauses")
    assert "pause" in place.orders()
    terminal.send("p")
    until(lambda: "pause" not in place.orders())
    terminal.send("a quick paste\r")  # no key is meant, nor by an arrow
    heard(terminal)
    terminal.send("s")
    terminal.expect("Skip “T1 make one”")
    assert place.orders() == []
    terminal.send("x")
    terminal.expect("help")
    terminal.send("s")
    terminal.expect("Skip “T1 make one”")
    terminal.send("s")
    terminal.expect("skipped")
    terminal.expect("T2 make two")
    works(terminal)
    terminal.send("q")
    terminal.expect("stops    .*after this attempt")
    place.go("T2")
    code, shown = ended(terminal)
    assert (code, place.as_before()) == (Exit.STOPPED, True)
    assert shown.rpartition("\x1b[2K")[2].replace("\r", "").lstrip().startswith("Summary: Stopped with work left")
    assert [line for line in place.repo.read("PRD.md").splitlines() if "[x]" in line] == ["- [x] T2 make two"]


@pytest.mark.slow
def test_a_pause_stands_still_until_p_is_pressed_again(place: Place) -> None:
    terminal = place.ralph("--max-tasks=2")
    works(terminal)
    terminal.send("p")
    terminal.expect("pauses")
    place.go("T1", "T2")
    terminal.expect("paused +asked for with the key p")
    terminal.send("p")
    terminal.expect("resumed")
    assert (ended(terminal)[0], place.as_before()) == (Exit.STOPPED, True)


def test_several_at_once_and_their_gates(place: Place) -> None:
    """Facts of children come to the parent's view; no child paints or reads a key."""
    terminal = place.ralph("--parallel", "--max-parallel=2")
    works(terminal)
    terminal.expect("T1 .*make one.*try 1.*T2 .*make two.*try 1")
    (place.near / "hold").touch()
    place.go("T2")
    terminal.expect(r"gates: until .*\d+s")
    (place.near / "hold").unlink()
    terminal.expect("1 of 3 done")
    place.go("T1", "T3")
    code, shown = ended(terminal)
    assert (code, place.as_before()) == (Exit.DONE, True)
    assert shown.count("Summary: ") == 1


ENDS: dict[str, tuple[Callable[[Place, Any], object], int, bool]] = {
    "ctrl-c": (lambda _, terminal: terminal.send("\x03"), Exit.INTERRUPTED, False),
    "term": (lambda place, _: os.kill(place.pid(), signal.SIGTERM), Exit.INTERRUPTED, True),
    "ctrl-backslash": (lambda _, terminal: terminal.send("\x1c"), 128 + signal.SIGQUIT, True),
}


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[pytest.mark.slow] if slow else []) for how, (_, _, slow) in ENDS.items()]
)
def test_the_terminal_is_as_before(place: Place, how: str) -> None:
    terminal = place.ralph()
    works(terminal)
    ENDS[how][0](place, terminal)
    assert (ended(terminal)[0], place.as_before()) == (ENDS[how][1], True)


def test_the_terminal_is_as_before_after_a_bug(place: Place) -> None:
    terminal = place.ralph(broken="engine.attempt.judge.judge")
    works(terminal)
    place.go("T1")
    code, shown = ended(terminal)
    assert (code, place.as_before()) == (Exit.BUG, True)
    assert "a bug of ralph's own: ValueError: bad luck" in shown


@pytest.mark.slow
def test_a_view_that_breaks_does_not_stop_the_run(place: Place) -> None:
    place.go("T1", "T2", "T3")
    terminal = place.ralph(broken="cli.display.live_view.facts")
    code, shown = ended(terminal)
    assert (code, place.as_before()) == (Exit.DONE, True)
    assert "The live view broke and is switched off: ValueError: bad luck" in shown
    assert shown.count("is commit") == 3


@pytest.mark.slow
def test_laid_aside_and_taken_up_again(place: Place) -> None:
    script = f'set -m; {shlex.join(place.words())}; stty -g > "$GO/aside"; echo "laid aside"; read go; fg'
    terminal = place.shell(script)
    works(terminal)
    terminal.send("\x1a")
    terminal.expect("laid aside\r\n")
    assert terminal.before.endswith("\x1b[A\x1b[2K")
    assert (place.near / "aside").read_text() == (place.near / "before").read_text()
    terminal.send("\n")
    works(terminal)
    terminal.send("q")
    terminal.expect("stops")
    place.go("T1")
    assert (ended(terminal)[0], place.as_before()) == (Exit.STOPPED, True)


@pytest.mark.slow
def test_a_terminal_that_goes_away_does_not_stop_the_run(place: Place) -> None:
    """Nobody types there, so there are no keys; and then nobody reads."""
    place.go("T1", "T3")
    ours, theirs = os.openpty()
    run = subprocess.Popen(
        place.words(), cwd=place.repo.path, env=place.env, stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    try:
        while not re.search(r"1 of 3 done.*T2 make two.*left ", shown, re.DOTALL):
            shown += os.read(ours, 65536).decode(errors="replace")
        assert "p pause" not in re.sub(r"\x1b\[\d*m", "", shown)
        os.close(ours)
        place.go("T2")
        assert run.wait(PATIENCE) == Exit.DONE
    finally:
        run.kill()
        run.wait()


@pytest.mark.parametrize(("flag", "term"), [("--plain", "xterm"), ("--quiet", "xterm"), ("--json", "xterm"),
                                            ("--verbose", "dumb")])  # fmt: skip
@pytest.mark.slow
def test_lines_only(place: Place, flag: str, term: str) -> None:
    place.go("T1", "T2", "T3")
    place.env["TERM"] = term
    code, shown = ended(place.ralph(flag))
    assert code == Exit.DONE
    assert "\x1b[2K" not in shown
    assert "of 3 done" not in shown


# ---------------------------------------------------------------- in a real terminal emulator


class Tmux:
    """A real terminal: what it shows after all escapes, and what scrolled away."""

    def __init__(self, place: Place) -> None:
        self.words = ["tmux", "-S", str(place.near / "tmux.sock"), "-f", "/dev/null"]
        self.place = place

    def call(self, *words: str) -> str:
        done = subprocess.run([*self.words, *words], env=self.place.env, capture_output=True, text=True, check=True)
        return done.stdout

    def begin(self) -> None:
        script = f"cd {self.place.repo.path}; {shlex.join(self.place.words())}; echo over; exec cat"
        self.call(
            "new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", f"GO={self.place.near}; export GO; {script}"
        )

    def lines(self) -> list[str]:
        """All there is, wrapped lines joined."""
        return self.call("capture-pane", "-p", "-J", "-S", "-").splitlines()

    def history(self) -> list[str]:
        """The lines of events."""
        return [line for line in self.lines() if re.match(r"\d\d:", line)]

    def resize(self, columns: int, rows: int) -> None:
        self.call("resize-window", "-x", str(columns), "-y", str(rows))

    def once(self) -> bool:
        """One view, as wide as the terminal, and its last row is the last line."""
        columns = int(self.call("display-message", "-p", "#{pane_width}"))
        lines = [line.rstrip() for line in self.call("capture-pane", "-p", "-S", "-").splitlines() if line.strip()]
        heads = [line for line in lines if line.startswith("──")]
        return bool(lines) and lines[-1].startswith("p pause") and [len(head) for head in heads] == [columns - 1]


@pytest.fixture
def tmux(place: Place) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    made = Tmux(place)
    yield made
    subprocess.run([*made.words, "kill-server"], capture_output=True, check=False)


def test_history_stays_and_resizing_leaves_one_view(place: Place, tmux: Tmux) -> None:
    place.go("T1")
    tmux.begin()
    until(lambda: any("task     T2" in line for line in tmux.lines()) and tmux.once())
    before = tmux.history()
    for columns, rows in ((60, 24), (120, 30), (45, 12), (80, 24)):
        tmux.resize(columns, rows)
        until(lambda: tmux.once() and tmux.history() == before)  # it is drawn again a moment after the resize
    place.go("T2", "T3")
    until(lambda: "over" in tmux.lines())
    lines = tmux.lines()
    assert tmux.history()[: len(before)] == before
    assert not any(line.startswith("──") for line in lines)
    assert lines.index("over") > next(n for n, line in enumerate(lines) if line.startswith("Summary: "))
