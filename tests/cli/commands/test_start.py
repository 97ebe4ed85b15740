"""`ralph start`, `attach`, `ls`, `tail`: with a real tmux, whose socket lies in the test's own folder."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.commands.sessions import session_lines
from ralph.cli.commands.start import words_of
from ralph.cli.main import main
from ralph.errors import Exit
from ralph.process.tmux import Tmux, socket_path
from ralph.state.sessions import SessionFile, Sessions, SessionState, state_folder
from ralph.text import clean
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]
AGENT = (
    'cat > /dev/null\necho "$COLOUR" > {place}/started\nread word < {place}/go\n'
    'echo "$COLOUR" > "made-$RALPH_TASK_ID.txt"\n'
)
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Place:
    """A repository whose agent waits to be told; everything that was started there ends with the test."""

    def __init__(self, repo: Repository) -> None:
        self.repo, self.folder = repo, repo.path.parent
        for name in ("started", "go"):
            os.mkfifo(self.folder / name)
        agent = self.folder / "agent.sh"
        agent.write_text(AGENT.format(place=self.folder))
        self.flags = ["--agent-command", f"sh '{agent}'", "--gate", "true;", "--no-branch"]
        self.sessions = Sessions(state_folder(os.environ))
        self.tmux = Tmux(state_folder(os.environ), os.environ)

    def started(self) -> str:
        """Wait until the agent works; what it saw in its environment."""
        told: str = (self.folder / "started").read_text().strip()
        return told

    def work(self) -> None:
        (self.folder / "go").write_text("go\n")

    def one(self, name: str = "repo") -> SessionState:
        sheet = next(sheet for sheet in self.sessions.all() if sheet.name == name)
        return self.sessions.standing(sheet, self.tmux.panes().get(name))

    def end(self) -> None:
        for sheet in self.sessions.all():
            pid = self.one(sheet.name).pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        until(lambda: not left(self.folder))
        until(lambda: all(pane.dead for pane in self.tmux.panes().values()))
        for name in self.tmux.panes():
            self.tmux.forget(name)


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left(folder: Path) -> list[str]:
    """Processes that know the test's folder, this one left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in words and "tmux" not in words.split(" ")[0] and path.parent.name != str(os.getpid()):
            found.append(words)
    return found


@pytest.fixture
def place(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    repo.commit({"PRD.md": "- [ ] T1 make one\n- [ ] T2 make two\n"}, "the project")
    monkeypatch.chdir(repo.path)
    made = Place(repo)
    yield made
    made.end()


def ralph(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ralph", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ, **env})


def said(*words: str, **env: str) -> str:
    done = ralph(*words, **env)
    assert done.returncode == Exit.DONE, done.stderr
    return done.stdout


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said("ls", "--json"))
    return found


# ---------------------------------------------------------------- the whole way

KINDS = [pytest.param([], marks=needs_tmux, id="tmux"), pytest.param(["--detach"], id="plain")]


@pytest.mark.parametrize("kind", KINDS)
def test_start_ls_tail_stop(
    place: Place, kind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    shown = said("start", *kind, *place.flags, COLOUR="blue")
    assert ("ralph attach repo" in shown) is (not kind)
    assert place.started() == "blue"
    (one,) = listed()
    assert (one["name"], one["state"], one["root"]) == ("repo", "alive", str(place.repo.path))
    assert "task     T1 make one" in said("tail", "--no-follow")

    monkeypatch.chdir(tmp_path)  # a session is known in any folder
    shown = said("stop", "repo")
    assert "ends when its attempt at “T1 make one” is over. It goes on with `cd " in shown
    assert "At once: `ralph stop repo --now`." in shown
    place.work()
    lines = said("tail", "repo")  # follows it to its end
    assert "T1 is commit" in lines
    assert "repo: ended (exit 3: stopped with work left). it goes on with:" in lines
    assert place.repo.read("made-T1.txt") == "blue\n"
    (one,) = listed()
    assert (one["state"], one["code"], one["pid"]) == ("ended", Exit.STOPPED, None)
    assert left(place.folder) == []
    assert not (place.repo.path / "memory").exists()  # the daily note listed it while it went on
    over = ralph("stop", "repo")
    assert (over.returncode, "repo is over: ended (exit 3: stopped with work left)" in over.stderr) == (2, True)

    assert said("ls", "--clean") == "No detached run. `ralph start` starts one.\n"
    assert place.tmux.panes() == {}
    assert list(place.sessions.folder.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_stop_now_leaves_no_process(place: Place, kind: list[str]) -> None:
    said("start", *kind, *place.flags, COLOUR="blue")
    place.started()
    said("stop", "--now")
    said("tail")
    assert place.one().code == Exit.STOPPED
    until(lambda: not left(place.folder))  # ralph itself is still ending


@needs_tmux
def test_the_terminal_that_started_it_may_close(place: Place) -> None:
    """A pty is hung up, with everything that belongs to it."""
    argv = [sys.executable, "-m", "ralph", "start", *place.flags]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, argv, {**os.environ, "COLOUR": "red"})
    assert place.started() == "red"
    os.close(terminal)
    os.waitpid(pid, 0)
    place.work()
    assert place.started() == "red"
    place.work()
    assert "ended (exit 0: all done)" in said("tail")
    assert place.repo.read("PRD.md").count("[x]") == 2


@needs_tmux
def test_each_run_has_the_environment_of_its_own_terminal(place: Place) -> None:
    """The server runs already, with what the first one had."""
    for colour, task in (("blue", "T1"), ("green", "T2")):
        said("start", *place.flags, "--only", task, COLOUR=colour)
        assert place.started() == colour
        place.work()
        said("tail")
    assert place.one().code == Exit.DONE


@needs_tmux
def test_nothing_of_the_environment_stays_on_the_disk(place: Place) -> None:
    said("start", *place.flags, COLOUR="a-secret-that-nobody-reads")
    place.started()
    kept = [path for path in place.sessions.state.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"a-secret" in path.read_bytes() or path.stat().st_mode & 0o077]
    for folder in (place.sessions.state, place.sessions.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_refused_says_so_at_once(place: Place, kind: list[str]) -> None:
    done = ralph("start", *kind, *place.flags, "--prd", "no.md")
    assert done.returncode == Exit.REFUSED
    assert "no.md was not found" in done.stderr
    assert "the session repo has ended already, exit code 2" in done.stderr
    assert "no.md was not found" in said("tail")
    if not kind:
        until(lambda: place.tmux.panes()["repo"].dead)
        assert place.tmux.panes()["repo"].code in (2, None), "tmux 3.3 may miss it; the sheet has it"
        assert place.one().code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_killed_is_dead_and_goes_on_with_the_same_command(place: Place, kind: list[str]) -> None:
    said("start", *kind, *place.flags)
    place.started()
    pid = place.one().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: place.one().state == "dead")
    shown = said("ls")
    assert "repo  dead" in shown
    assert "&& ralph start repo" in shown
    (note,) = (place.repo.path / "memory").iterdir()
    (before,) = [line for line in note.read_text().splitlines() if line.startswith("- repo, since ")]
    assert f"`{listed()[0]['again']}`" in before
    until(lambda: not left(place.folder))
    said("start", *kind, *place.flags)
    place.started()
    assert place.one().state == "alive"
    assert note.read_text().count("- repo, since ") == 1


# ---------------------------------------------------------------- refused


@needs_tmux
def test_a_name_or_a_checkout_twice(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said("start", "night", *place.flags)
    place.started()
    pid = place.one("night").pid
    done = ralph("start", "other", *place.flags)
    assert (done.returncode, f"another ralph holds this checkout (pid {pid})" in done.stderr) == (2, True)

    other = Repository(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "-q")
    other.commit({"PRD.md": "- [ ] T1 make one\n"})
    monkeypatch.chdir(other.path)
    done = ralph("start", "night", *place.flags)
    assert done.returncode == Exit.REFUSED
    assert f"a session called night is going on in {place.repo.path}" in done.stderr
    assert [one["name"] for one in listed()] == ["night"]


@pytest.mark.parametrize(
    "name", ["a;b", "x:1", "=x", "../up", "a b", "#{pid}", "$(id)", "-", "é", "a\nb", "x" * 60]
)
def test_hostile_names(place: Place, name: str, capsys: Capture) -> None:
    assert main(["start", "--detach", "--", name]) == Exit.REFUSED
    assert "this name is none that ralph gives to a session" in capsys.readouterr().err
    assert list(place.sessions.folder.iterdir()) == []


@needs_tmux
def test_a_repository_with_a_hostile_name(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder, and a flag, hold what tmux would read as commands and formats."""
    path = tmp_path / "#{pid}; $(kill) 'x';"
    place.repo.path.rename(path)
    monkeypatch.chdir(path)
    said("start", *place.flags, "--gate", "echo '#{pid}';")
    place.started()
    assert place.one("pid-kill-x").state == "alive"
    place.work()
    place.started()
    said("stop", "--now")
    said("tail")


def test_without_tmux(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "cat", "true"):
        (tools / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tools))
    assert main(["start", *place.flags]) == Exit.REFUSED
    error = capsys.readouterr().err
    assert "tmux was not found on PATH" in error
    assert "ralph start --detach" in error
    said("start", "--detach", *place.flags)
    place.started()
    assert main(["attach"]) == Exit.REFUSED
    assert "repo runs without tmux\n  `ralph tail repo`" in capsys.readouterr().err


@needs_tmux
def test_attach_needs_a_terminal_and_shows_it_there(place: Place) -> None:
    said("start", *place.flags)
    place.started()
    done = ralph("attach")
    assert (done.returncode, "attach needs a terminal" in done.stderr) == (2, True)
    pid, terminal = pty.fork()
    if pid == 0:
        argv = [sys.executable, "-m", "ralph", "attach"]
        os.execve(sys.executable, argv, {**os.environ, "TERM": "xterm", "TMUX": "/elsewhere,1,0"})
    seen = b""
    while b"T1 make one" not in seen:
        seen += os.read(terminal, 65536)
    until(lambda: left_by_keys(pid, terminal))
    os.close(terminal)
    assert place.one().state == "alive"
    assert len(left(place.folder)) > 0


def left_by_keys(pid: int, terminal: int) -> bool:
    """Ctrl-b, then d; at once they would be pasted text to tmux. Whether it took them."""
    with suppress(OSError):  # EIO: it is gone
        for key in b"\x02d":
            os.write(terminal, bytes([key]))
            while select([terminal], [], [], 0.1)[0] and os.read(terminal, 65536):
                pass
    ended, status = os.waitpid(pid, os.WNOHANG)
    assert not ended or os.waitstatus_to_exitcode(status) == 0
    return bool(ended)


def test_nothing_is_there(place: Place, capsys: Capture) -> None:
    for words, what in (
        (["tail"], "no session belongs to this checkout"),
        (["tail", "x"], "no session is called `x`"),
        (["stop", "x"], "no session is called `x`"),
        (["stop", "x", "--prd", "PRD.md"], "a session's name and --prd are both given"),
    ):
        assert main(words) == Exit.REFUSED
        assert what in capsys.readouterr().err


def test_a_flag_that_is_wrong_starts_nothing(place: Place, capsys: Capture) -> None:
    assert main(["start", "--detach", "--max-retries", "many"]) == Exit.REFUSED
    assert "--max-retries" in capsys.readouterr().err
    assert place.sessions.all() == []


# ---------------------------------------------------------------- the parts


def test_flags_are_passed_on_as_they_could_have_been_typed() -> None:
    flags = {"prd": "a b.md", "gate": ["x", "--"], "split": False, "parallel": True, "max_parallel": "2"}
    assert words_of(flags) == (
        "--prd=a b.md",
        "--gate=x",
        "--gate=--",
        "--no-split",
        "--parallel",
        "--max-parallel=2",
    )


def test_a_socket_whose_path_is_too_long_has_a_short_one(tmp_path: Path) -> None:
    assert socket_path(tmp_path) == tmp_path / "tmux.sock"
    long = [socket_path(tmp_path / ("x" * 120) / name) for name in "ab"]
    assert len({*long}) == 2
    assert all(len(os.fsencode(path)) < 100 and path.parent.stat().st_mode & 0o077 == 0 for path in long)


def test_what_ls_shows(snapshot: SnapshotAssertion) -> None:
    def one(
        name: str, state: Any, code: int | None = None, shown: Any = "tmux", words: tuple[str, ...] = ()
    ) -> SessionState:
        sheet = SessionFile(name, f"/src/{name}", f"/src/{name}/.git/ralph", f"/src/{name}", words, 0.0, shown)
        return SessionState(sheet, state, 4321 if state == "alive" else None, code)

    known = [
        one("app", "alive"), one("plain", "alive", shown="log"), one("done", "ended", 0), one("parked", "ended", 1),
        one("refused", "ended", 2), one("limit", "ended", 3, words=("--prd=my plan.md", "--parallel")),
        one("killed", "dead", -9), one("rebooted", "dead", shown="log"),
    ]  # fmt: skip
    assert clean("\n".join(session_lines(known, 7500.0))) == snapshot
