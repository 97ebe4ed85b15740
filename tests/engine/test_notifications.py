"""Whole runs that tell real receivers on this machine: what arrives, how often, and that nobody waits for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ralph.cli.main import main
from ralph.config import Settings
from ralph.engine.notifications import PendingMessages, packed, receivers
from ralph.errors import Exit
from ralph.notify import messages as notices
from ralph.notify.courier import Courier
from ralph.state.events import Parked, RunEnded
from tests.conftest import Repository
from tests.engine.test_stories import LIMIT, Play
from tests.helpers.receivers import Mail, Web, dead, deaf, mail_url

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
HIDDEN = "s3cret-s3cret-9"
LIES = "- [ ] T1 make one\n- [ ] T2 make two\n"
WAYS = [pytest.param((), id="one"), pytest.param(("--parallel",), id="parallel", marks=pytest.mark.slow)]


def configure(play: Play, *lines: str) -> None:
    play.repo.commit({"ralph.toml": "\n".join(lines) + "\n"}, "settings")


def everything_said(play: Play, done: subprocess.CompletedProcess[str]) -> str:
    """What a person may see or find: the terminal, the journal, logs and prompts."""
    files = [one for one in (play.repo.path / ".git/ralph").rglob("*") if one.is_file()]
    return "".join([done.stdout, done.stderr, *(one.read_bytes().decode(errors="replace") for one in files)])


def test_a_storm_is_two_messages(server: Web) -> None:
    told = [Parked(f"T{n}", f"T{n} task {n}", "red") for n in range(50)]
    settings = Settings(notify_urls=(server.url(),))
    sent = Courier(PendingMessages("shop"), receivers(settings, Path.cwd(), os.environ))
    for event in (*told, RunEnded(1, "Finished; parked for a human: 50.")):
        notice = notices.of(event, 0.0)
        assert notice is not None
        sent.tell(packed(notice))
        assert server.came.wait(LIMIT)
    assert sent.close() == []
    first, last = server.got
    assert first["title"] == "ralph in shop: parked"
    assert last["title"] == "ralph in shop: finished (and 49 more)"


@pytest.mark.parametrize("flags", WAYS)
def test_a_run_tells_and_keeps_its_secrets(
    repo: Repository, server: Web, letters: Mail, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    """Addresses of the file and of the environment; the agent prints both, and none is found anywhere."""
    wrong = f"json://ada:{HIDDEN}@127.0.0.1:{dead()}/x"
    monkeypatch.setenv("RALPH_NOTIFY_URLS", f"{server.url(HIDDEN)}, {wrong}")
    play = Play(repo, {"prd": LIES, "agent": 'echo "$RALPH_NOTIFY_URLS"; cat ralph.toml'})
    configure(play, f'notify-urls = ["{letters.url}&pass={HIDDEN}"]')
    done = play.ralph("--max-retries", "0", *flags)
    assert done.returncode == Exit.PARKED
    titles = [one["title"].partition(" (")[0] for one in server.got]
    assert sorted(titles) == ["ralph in repo: finished", "ralph in repo: parked"]
    assert len(letters.letters) == 2
    said = everything_said(play, done)
    assert HIDDEN not in said
    assert f"127.0.0.1:{server.port}" not in said
    complaint = "A notification did not arrive (json 2): nothing listens there."
    assert (done.stdout + done.stderr).count(complaint) == 1


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--parallel",)], ids=["one", "parallel"])
def test_nobody_waits_for_a_receiver(repo: Repository, server: Web, flags: tuple[str, ...]) -> None:
    """They answer when the run is over, or never. The tasks are done, and nothing is left of the deliveries."""
    with deaf() as port:
        play = Play(repo, {"agent": 'case "$RALPH_TASK_ID" in T1) echo no;; *) good;; esac'})
        word = f"word-{os.getpid()}-{repo.path.parent.name}"
        slow = server.url("slow?rto=300")
        configure(play, f'notify-urls = ["{slow}", "{mail_url(port)}"]', f'notify = "sleep 300 # {word}"')
        done = play.ralph("--max-retries", "0", *flags)
    assert done.returncode == Exit.PARKED
    assert repo.read("PRD.md").startswith("- [ ] T1 make one\n  - Parked:")
    assert "- [x] T2" in repo.read("PRD.md")
    assert (done.stdout + done.stderr).count("A notification did not arrive") == 3
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if word.encode() in read(one)]


def test_a_bug_of_ralphs_own_is_told(repo: Repository, server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    repo.commit({"PRD.md": "- [ ] one\n", "ralph.toml": f'notify-urls = "{server.url()}"\n'})
    monkeypatch.chdir(repo.path)
    monkeypatch.setattr("ralph.engine.loop._ready", broken)
    assert main(["--agent-command", "true"]) == Exit.BUG
    assert [one["title"] for one in server.got] == ["ralph in repo: died"]
    assert "ZeroDivisionError" in server.got[0]["message"]


def test_without_apprise_the_run_says_so_and_the_command_is_told(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ralph.notify.apprise.installed", lambda: False)
    got = tmp_path / "got"
    repo.commit(
        {"PRD.md": "- [x] one\n", "ralph.toml": f'notify-urls = "json://x/{HIDDEN}"\nnotify = "cat >{got}"\n'}
    )
    monkeypatch.chdir(repo.path)
    assert main(["--agent-command", "true"]) == Exit.DONE
    assert json.loads(got.read_text())["event"] == "run ended"
    said = "".join(capsys.readouterr())
    assert "pip install '.[notify]'" in said
    assert HIDDEN not in said


def test_ctrl_c_still_sends_the_last_one(repo: Repository, tmp_path: Path) -> None:
    play = Play(repo, {"agent": "sleep 60"})
    configure(play, f'notify = "cat >>{tmp_path}/got"')
    words = [sys.executable, "-m", "ralph", "--agent-command", f"sh {play.agent}"]
    with subprocess.Popen(words, cwd=repo.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + LIMIT
        while not play.count.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == Exit.INTERRUPTED
    assert json.loads((tmp_path / "got").read_text())["code"] == Exit.INTERRUPTED


# ---------------------------------------------------------------- ralph notify --test


def test_the_command_says_who_took_it(
    repo: Repository,
    server: Web,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repo.path)
    monkeypatch.setenv("RALPH_NOTIFY_URLS", f"{server.url(HIDDEN)} {server.url('500/' + HIDDEN)} xyz://{HIDDEN}")
    repo.write({"ralph.toml": f'notify = "cat >{tmp_path}/got; test $RALPH_EVENT = test"\n'})
    assert main(["notify", "--test"]) == 1
    said = capsys.readouterr().out
    lines = [line.split(None, 1)[0] + " " + line.split("  ")[-1].strip() for line in said.splitlines()]
    assert [line.partition(" (")[0] for line in lines] == [
        "command ok", "json ok", "json its server answered with HTTP status 500.",
        "xyz apprise can make nothing of this address: its documentation shows how each service is written.",
    ]  # fmt: skip
    assert HIDDEN not in said
    assert server.got[0]["message"] == "Notifications arrive here."
    assert json.loads((tmp_path / "got").read_text())["event"] == "test"
    monkeypatch.setenv("RALPH_NOTIFY_URLS", server.url())
    assert main(["notify", "--test"]) == 0


def test_nobody_is_to_be_notified(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.path)
    assert main(["notify", "--test"]) == Exit.REFUSED
    assert "nobody is to be notified\n  Put `notify-urls" in capsys.readouterr().err
    assert main(["notify"]) == Exit.REFUSED


def test_an_address_of_the_wrong_kind_is_not_shown(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.path)
    repo.write({"ralph.toml": f'notify-urls = ["slack://{HIDDEN}", 5]\n'})
    assert main(["notify", "--test"]) == Exit.REFUSED
    said = capsys.readouterr().err
    assert "notify-urls takes text, or a list of texts, not `[masked]`" in said
    assert HIDDEN not in said
