"""Completion: what is offered, and what real shells make of it."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ralph.cli.completion.scripts import SCRIPTS
from ralph.cli.main import main
from ralph.cli.registry import COMMANDS
from ralph.errors import Exit
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]
PRD = """\
- [x] T1 Count the books
- [ ] T2 Lend `$(touch hacked)` a "book"; touch hacked
- [ ] T3 Give it back \x1b[31mred\x1b[0m %F{red} 'now'
  - Parked: needs a look
- [ ] Say $(touch hacked) and `touch hacked`
- [ ] two <!-- id: a.b-c -->
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """What looks like a repository: git is not asked."""
    made = Repository(tmp_path / "repo")
    made.write({"PRD.md": PRD, "plan.md": "- [ ] T8 other\n", "docs/x y.md": "", "note.txt": "", ".git/HEAD": ""})
    monkeypatch.chdir(made.path)
    return made


def offered(capsys: Capture, *words: str, by: str = "zsh") -> tuple[str, list[str]]:
    """The kind, and the values."""
    capsys.readouterr()
    assert main(["--complete", by, *words]) == Exit.DONE
    kind, *rows = capsys.readouterr().out.splitlines() or [""]
    assert all("\t" in row for row in rows)
    return kind, [row.partition("\t")[0] for row in rows]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["st"], ["status", "stop", "start"]),
        (["comp"], ["completion"]),
        (["run"], []),
        (["nothing", ""], []),
        (["audit", "--f"], ["--fresh"]),
        (["--max-p"], ["--max-parallel"]),
        (["--no-stri"], ["--no-strict"]),
        (["--cod"], ["--codex"]),
        (["--agent", ""], ["claude", "codex"]),
        (["--agent=co"], ["--agent=codex"]),
        (["--sandbox", "o"], ["on", "off"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["completion", "bash", ""], []),
        (["explain", "T"], ["T1", "T2", "T3"]),
        (["explain", "a"], ["a.b-c"]),
        (["skip", "T"], ["T2", "T3"]),
        (["retry", ""], ["T3"]),
        (["review", ""], ["T3"]),
        (["retry", "--note", "x", ""], ["T3"]),
        (["retry", "T3", ""], []),
        (["--only", "T"], ["T2", "T3"]),
        (["logs", "--prd", "plan.md", ""], ["T8"]),
        (["logs", "--prd=plan.md", ""], ["T8"]),
        (["logs", "--prd", "gone.md", ""], []),
        (["retry", "--note", ""], []),
    ],
    ids=" ".join,
)
def test_what_is_offered(here: Repository, capsys: Capture, words: list[str], values: list[str]) -> None:
    assert offered(capsys, *words)[1] == values


def test_all_commands_are(capsys: Capture) -> None:
    assert offered(capsys, "")[1] == [name for name in COMMANDS if name != "run"]


def test_a_task_without_a_written_id_by_its_hash(here: Repository, capsys: Capture) -> None:
    values = offered(capsys, "explain", "")[1]
    assert (len(values), values[0], values[-1]) == (5, "T1", "a.b-c")
    assert all(value.isalnum() for value in values[:-1])


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--prd", ""], "markdown"),
        (["audit", ""], "markdown"),
        (["--prd=do"], "markdown"),
        (["--agent-command", "x"], "files"),
        (["report", "--html", ""], "files"),
        (["demo", "--keep", ""], "folders"),
    ],
    ids=" ".join,
)
def test_paths_are_left_to_the_shell(here: Repository, capsys: Capture, words: list[str], kind: str) -> None:
    assert offered(capsys, *words) == (kind, [])


def test_bash_makes_three_words_of_a_flag_with_its_value(here: Repository, capsys: Capture) -> None:
    assert offered(capsys, "--agent", "=", "co", by="bash") == ("words", ["codex"])
    assert offered(capsys, "--agent", "=", by="bash")[1] == ["claude", "codex"]
    assert offered(capsys, "logs", "--prd", "=", "plan.md", "", by="bash")[1] == ["T8"]


def test_sessions(sealed: Path, here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(sealed))
    assert offered(capsys, "attach", "")[1] == []
    folder = sealed / "ralph/sessions"
    folder.mkdir(parents=True)
    for name in ("night.json", "night.pid", "day.json", "$(touch hacked).json"):
        (folder / name).touch()
    assert offered(capsys, "attach", "")[1] == ["day", "night"]
    assert offered(capsys, "tail", "n")[1] == ["night"]


def test_what_was_read_is_kept_until_the_prd_changes(here: Repository, capsys: Capture) -> None:
    kept = here.path / ".git/ralph/complete.json"
    assert offered(capsys, "explain", "T")[1] == ["T1", "T2", "T3"]
    assert not kept.exists()  # ralph was never here: no folder is made for this
    kept.parent.mkdir()
    offered(capsys, "explain", "T")
    said = json.loads(kept.read_text())
    said["boxes"] = [["T7", 1, "kept", False, False], ["$(touch hacked)", 2, "\x1b[31m", False, False]]
    kept.write_text(json.dumps(said))
    assert offered(capsys, "explain", "")[1] == ["T7", "2"]
    kept.write_text(json.dumps({**said, "boxes": "broken"}))
    assert offered(capsys, "explain", "T")[1] == ["T1", "T2", "T3"]
    here.write({"PRD.md": PRD + "- [ ] T9 nine\n"})
    assert offered(capsys, "explain", "T")[1] == ["T1", "T2", "T3", "T9"]


def test_nothing_is_loaded_that_takes_its_time(here: Repository) -> None:
    (here.path / ".git/ralph").mkdir()
    program = "import sys\nfrom ralph.cli.main import main\nmain(sys.argv[1:])\nprint(*sys.modules)"
    for heavy in ({"ralph.git.client", "ralph.engine.loop"}, {"markdown_it", "ralph.prd.document", "subprocess"}):
        argv = [sys.executable, "-c", program, "--complete", "bash", "explain", ""]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert not heavy & set(done.stdout.split())  # the second time what was read is kept


def test_the_shell_has_to_be_known(capsys: Capture) -> None:
    assert main(["completion", "bahs"]) == Exit.REFUSED
    assert "Did you mean `bash`?" in capsys.readouterr().err


# ---------------------------------------------------------------- real shells


@pytest.fixture
def program(here: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ralph` on PATH."""
    folder = here.path.parent / "bin"
    folder.mkdir()
    script = folder / "ralph"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m ralph "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return folder


def bash(line: str) -> list[str]:
    """What bash offers at the end of a line, with its own breaks between words."""
    ask = r"""
eval "$1"
line=$2
breaks() { python3 -c 'import re, sys; print("\n".join(re.findall(r"[=:]+|[^\s=:]+", sys.argv[1])))' "$1"; }
mapfile -t COMP_WORDS < <(breaks "$line")
[[ $line == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMP_LINE=$line COMP_POINT=${#line}
_ralph_complete ralph
printf '%s\n' "${COMPREPLY[@]}"
"""
    argv = ["bash", "--norc", "--noprofile", "-c", ask, "bash", SCRIPTS["bash"], line]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [one for one in done.stdout.splitlines() if one]


def test_bash(program: Path, here: Repository) -> None:
    assert bash("ralph st") == ["status", "stop", "start"]
    assert bash("ralph --agent=c") == ["claude", "codex"]
    assert sorted(bash("ralph --prd=")) == ["PRD.md", "docs", "plan.md"]
    assert bash("ralph audit docs/") == ["docs/x y.md"]
    assert len(bash("ralph explain ")) == 5
    assert not (here.path / "hacked").exists()


class Terminal:
    """An interactive shell: keys go in, and what it shows is waited for."""

    def __init__(self, *argv: str) -> None:
        pid, self.fd = pty.fork()
        if not pid:
            os.execvp(argv[0], argv)
        self.pid = pid

    def type(self, keys: str, shows: str) -> str:
        """What it shows, up to that."""
        os.write(self.fd, keys.encode())
        shown = ""
        while shows not in shown:
            assert select.select([self.fd], [], [], 60)[0], shown
            shown += os.read(self.fd, 65_536).decode(errors="replace")
        return shown

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


INTERACTIVE = [
    pytest.param(["bash", "--norc", "--noprofile"], "", id="bash"),
    pytest.param(["zsh", "-f"], "autoload -Uz compinit; compinit -u -D; ", id="zsh", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("argv", "first"), INTERACTIVE)
def test_tab_at_a_real_prompt(program: Path, here: Repository, argv: list[str], first: str) -> None:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    shell = Terminal(*argv)
    try:
        shell.type(f"{first}eval \"$(ralph completion {argv[0]})\"; echo re''ady\n", "ready\r\n")
        shell.type("ralph explain a\t", ".b-c ")
        listed = shell.type("\x15ralph skip T\t\t", "T3")
        assert ("Lend" in listed) is (argv[0] == "zsh")  # which tells what each of them is
        shell.type("\x15ralph audit docs/\t", "x\\ y.md")
    finally:
        shell.end()
    assert not (here.path / "hacked").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(program: Path, here: Repository) -> None:
    def fish(line: str) -> list[str]:
        ask = f"{SCRIPTS['fish']}\ncomplete -C $argv[1]"
        argv = ["fish", "--no-config", "-c", ask, line]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        return [one.partition("\t")[0] for one in done.stdout.splitlines()]

    assert sorted(fish("ralph st")) == ["start", "status", "stop"]
    assert fish("ralph --agent=co") == ["--agent=codex"]
    assert len(fish("ralph explain ")) == 5
    assert "plan.md" in fish("ralph --prd ")
    assert not (here.path / "hacked").exists()
