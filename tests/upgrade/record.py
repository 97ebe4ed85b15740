"""Record repositories in which ralph was killed: `python tests/upgrade/record.py CHECKOUT NAME [CASE ...]`.

CHECKOUT is a checkout of ralph at any commit (`git worktree add ../old COMMIT`). NAME is the folder below
`recordings/` that gets the archives: the first seven digits of that commit. CASE is a name such as
`serial-working`; without one all cases are recorded. Run it on Linux, with a Python that has ralph's
requirements (`.venv/bin/python`).

Each case is a story (an agent and a PRD) and a place where everything, ralph and what it started, is killed
with `kill -9`. The killing is done by `crew_killer.py` in the tests of CHECKOUT. In parallel mode a second agent
works on T3 at that time. A recording is kept only if the journal ends where the case wants it; otherwise it is made
again.

`recording.json` in an archive says how ralph was started and what must be true in the end, so that a recording
needs nothing else. `archives.py` describes the archives, `test_upgrade.py` plays them. Do not record the cases
of an old commit again to make a test green: they are what users have on their disks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.upgrade.archives import pack

HERE = Path(__file__).parent
KILLER = """
try:
    from tests.helpers import crew_killer
except ImportError:  # before the tests became a package
    import crew_killer
crew_killer.main()
"""
DATE = "2026-01-02T03:04:05+00:00"
PATIENCE = 60.0  # seconds for one run
ROUNDS = 8  # so often a case is tried
MODES = {"serial": (), "isolate": ("--isolate",), "parallel": ("--parallel", "--max-parallel", "3")}
APART = ("isolate", "parallel")
GATE = "! grep -rqs broken --include=*.txt ."
PRD = """# Plan

- [ ] T1 make one
- [ ] T2 make two
  - Depends: T1
"""
BESIDE = "- [ ] T3 make three\n"
WORDS = """NEAR=@ROOT@
echo $RALPH_TASK_ID >> $NEAR/starts
turn=$(grep -cx "$RALPH_TASK_ID" $NEAR/starts)
work() { echo "work of $RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; git add "$RALPH_TASK_ID.txt"; git commit -qm work; }
half() { echo half > half.txt; }
hang() { [ -e $NEAR/go ] || { touch $NEAR/here-$RALPH_TASK_ID; sleep 300; }; }
say() { echo "$1"; }
finish() { say "$1"; exit 0; }
lie() { finish 'All of it is done.'; }
"""
CLAUDE = """
event() { printf '%s\\n' "$1"; }
text() { event "{\\"type\\":\\"assistant\\",\\"message\\":{\\"id\\":\\"msg_$$\\",\\"content\\":[{\\"type\\":\\"text\\",\\"text\\":\\"$1\\"}],\\"usage\\":{\\"input_tokens\\":$2,\\"output_tokens\\":10}}$3}"; }
result() { event "{\\"type\\":\\"result\\",\\"subtype\\":\\"success\\",\\"is_error\\":$1,\\"api_error_status\\":$2,\\"result\\":\\"$3\\",\\"total_cost_usd\\":0.01,\\"usage\\":{\\"input_tokens\\":1000,\\"output_tokens\\":10},\\"modelUsage\\":{}}"; }
say() { text "$1" "${2:-1000}" ''; }
finish() { say "$1"; result false null "$1"; exit 0; }
limited() { text 'API Error: Request rejected (429)' 0 ',"error":"rate_limit"'; result true 429 'API Error: Request rejected (429)'; exit 1; }
use() { event "{\\"type\\":\\"assistant\\",\\"message\\":{\\"id\\":\\"msg_use\\",\\"content\\":[{\\"type\\":\\"tool_use\\",\\"id\\":\\"t1\\",\\"name\\":\\"Bash\\",\\"input\\":{\\"command\\":\\"$1\\"}}],\\"usage\\":{\\"input_tokens\\":1000,\\"output_tokens\\":10}}}"; event "{\\"type\\":\\"user\\",\\"message\\":{\\"content\\":[{\\"type\\":\\"tool_result\\",\\"content\\":\\"much text\\"}]}}"; }
full() { half; use 'cat parser.c'; say 'I read a lot.' 175000; sleep 300; }
event '{"type":"system","subtype":"init","model":"claude-sonnet-4-5"}'
"""  # noqa: E501
AGENT = """case $RALPH_TASK_ID in
T1) [ -e $NEAR/go ] || until [ $(ls $NEAR | grep -c '^here-') -ge OTHERS ]; do sleep 0.02; done; T1;;
T3) hang; work;;
*) work;;
esac
finish did
"""
LISTED = "'- [ ] write the reader\n- [ ] write the writer\n- [ ] write the command line'"


@dataclass(frozen=True)
class Case:
    """Where everything is killed, and what must come of it.

    `at` is an event of the journal (right before it is written, the `number`th of its name), `update-ref` (the one
    that follows the `number`th Publishing), another git command (the `number`th), or "" (when T1 hangs).
    """

    state: str  # the last event of T1 in the journal
    at: str = ""
    number: int = 1
    agent: str = "work"  # of T1
    starts: int = 1  # of T1's agent, in the end
    boxes: str = "xx"
    code: int = 0
    flags: tuple[str, ...] = ("--no-split",)
    settings: str = ""
    modes: tuple[str, ...] = tuple(MODES)
    claude: bool = False
    beside: int = 0  # by how many the number is greater where T3 runs beside it
    moved: bool | None = None  # whether the branch stands on what was being published
    edited: bool = False  # a person edits the PRD before the kill
    files: dict[str, str] = field(default_factory=dict)
    gate: str = GATE


LIES_FIRST = "[ $turn = 1 ] && lie; work"
BREAKS_FIRST = "[ $turn = 1 ] && { work; echo broken > bad.txt; finish did; }; work"
SPLITS = f"case $turn in 1|2|3) lie;; 4) finish {LISTED};; *) work;; esac"
SPLITS_TWICE = f"case $turn in 1|2|3) lie;; 4|5) finish {LISTED};; *) work;; esac"
SPLIT_HANGS = f"case $turn in 1|2|3) lie;; 4) hang; finish {LISTED};; 5) finish {LISTED};; *) work;; esac"
FULL_FIRST = "case $turn in 1) full;; 2) finish 'The parser is done.';; *) grep -q half half.txt && work;; esac"
FULL_AND_WORK = "case $turn in 1) full;; 2) finish 'The parser is done.';; *) work;; esac"
FALLBACK = 'fallback = ["claude:opus"]\n'
WAITS: dict[str, Any] = {
    "agent": "[ $turn = 1 ] && limited; work",
    "starts": 2,
    "settings": 'backoff = "0.3s"\n',
    "claude": True,
}
ONCE: dict[str, Any] = {"agent": "lie", "boxes": "p.", "code": 1, "flags": ("--no-split", "--max-retries", "0")}
LOCAL: dict[str, Any] = {
    "agent": "touch local.cfg; [ $turn = 1 ] && touch needs.txt; work", "starts": 2, "modes": ("isolate",),
    "gate": "! test -e needs.txt || test -e local.cfg", "files": {".gitignore": "local.cfg\n"},
}  # fmt: skip

CASES = {
    "chosen": Case("chosen", "workspace ready", modes=("serial",)),
    "sent": Case("sent", "workspace ready", modes=APART),
    "prepared": Case("workspace ready", "agent started"),
    "working": Case("agent started", agent="[ $turn = 1 ] && { half; hang; }; work", starts=2, edited=True),
    "stopped": Case("agent stopped", "placed"),
    "gated": Case("gate ran", "judged"),
    "judged": Case("judged", "publishing"),
    "rejected": Case("judged", "set aside", agent=BREAKS_FIRST, starts=2),
    "noted": Case("publishing", "update-ref", moved=False),
    "published": Case("publishing", "recorded", moved=True),
    "half-brought": Case("publishing", "checkout-index", modes=APART, moved=True),
    "recorded": Case("recorded", "chosen", 2, beside=1),
    "owed-retry": Case("set aside", "chosen", 2, agent=LIES_FIRST, starts=2, beside=1),
    "owed-split": Case("set aside", "chosen", 4, SPLITS, 4, "xxxxx", flags=(), beside=1),
    "asked-split": Case("agent started", agent=SPLIT_HANGS, starts=5, boxes="xxxxx", flags=()),
    "answered-split": Case("set aside", "publishing", agent=SPLITS_TWICE, starts=5, boxes="xxxxx", flags=()),
    "split-published": Case("set aside", "split", agent=SPLITS, starts=4, boxes="xxxxx", flags=(), moved=True),
    "owed-park": Case("set aside", "publishing", **ONCE),
    "park-noted": Case("set aside", "update-ref", moved=False, **ONCE),
    "park-published": Case("set aside", "parked", moved=True, **ONCE),
    "owed-wait": Case("set aside", "waiting", **WAITS),
    "waiting": Case("waiting", "waited", **WAITS),
    "owed-hand-over": Case("set aside", "chosen", 2, FULL_FIRST, 3, claude=True, beside=1),
    "carried": Case("workspace ready", "agent started", 3, FULL_AND_WORK, 3, claude=True, beside=1),
    "owed-change": Case("set aside", "agent changed", agent="[ $turn -le 3 ] && lie; work", starts=4,
                        settings=FALLBACK, claude=True),
    "reopened": Case("reopened", "moved", **LOCAL),
}  # fmt: skip


def main() -> int:
    """Record what was asked for."""
    checkout, name, *asked = sys.argv[1:]
    folder = HERE / "recordings" / name
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for full, mode, case in cases():
        if not asked or full in asked:
            done = any(
                record(Path(checkout).resolve(), mode, case, folder / f"{full}.tar.xz") for _ in range(ROUNDS)
            )
            failed += [] if done else [full]
    print("could not be recorded:", failed) if failed else None
    return bool(failed)


def cases() -> list[tuple[str, str, Case]]:
    return [(f"{mode}-{name}", mode, case) for name, case in CASES.items() for mode in MODES if mode in case.modes]


def record(checkout: Path, mode: str, case: Case, archive: Path) -> bool:
    """Whether the case came to its state, and is in the archive now."""
    root = Path(tempfile.mkdtemp(prefix="recording-")).resolve()
    try:
        stage = Stage(checkout, root, mode, case)
        with suppress(subprocess.TimeoutExpired):
            stage.play()
        journal = stage.journal()
        print(f"{archive.name}: {[line['event'] for line in journal if about(line, 'T1', journal)]}")
        if not stage.came_to_its_state():
            return False
        stage.note()
        for used in ("killed", "count", "said"):
            (root / used).unlink(missing_ok=True)
        pack(root, archive, (str(checkout), str(Path.home()), sys.prefix, os.uname().nodename))
        return True
    finally:
        shutil.rmtree(root, ignore_errors=True)


def about(line: dict[str, Any], task: str, journal: list[dict[str, Any]]) -> bool:
    """Whether a line of the journal tells of this task."""
    numbers = {one["n"] for one in journal if one["event"] == "chosen" and one["task"] == task}
    return line.get("task") == task or line.get("n") in numbers


class Stage:
    """A repository, its agents, and ralph of a checkout that is killed there."""

    def __init__(self, checkout: Path, root: Path, mode: str, case: Case) -> None:
        self.checkout, self.root, self.mode, self.case = checkout, root, mode, case
        self.repo, home = root / "repo", root / "home"
        self.env = {
            "PATH": f"{root}/bin:{os.environ['PATH']}", "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC",
            "TERM": "dumb", "COLUMNS": "100", "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE,
            "NEAR": str(root), "ANTHROPIC_API_KEY": "none-is-needed", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{checkout}:{checkout / 'tests'}", "KILLER_MARK": str(root / "killed"),
        }  # fmt: skip
        write(home / ".gitconfig", "[user]\n\tname = Ada Test\n\temail = ada@example.org\n"
              "[init]\n\tdefaultBranch = main\n[core]\n\tlooseCompression = 0\n[gc]\n\tauto = 0\n")  # fmt: skip
        self.write_agents()
        self.write_project()

    def write_agents(self) -> None:
        several = self.mode == "parallel"
        agent = AGENT.replace("OTHERS", str(int(several))).replace("T1;;", f"{self.case.agent};;")
        words = WORDS.replace("@ROOT@", str(self.root))
        write(self.root / "agent.sh", f"cat > /dev/null\n{words}{agent}")
        write(self.root / "bin" / "claude", f"#!/bin/sh\ncat > /dev/null\n{words}{CLAUDE}{agent}")
        (self.root / "bin" / "claude").chmod(0o755)

    def write_project(self) -> None:
        self.repo.mkdir()
        self.git("init", "-q", "--template=")
        prd = PRD + (BESIDE if self.mode == "parallel" else "")
        files = {"README.md": "# A project\n", "PRD.md": prd, "mine.txt": "as it was\n", **self.case.files}
        if self.case.settings:
            files["ralph.toml"] = self.case.settings
        for name, text in files.items():
            write(self.repo / name, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "the project")
        write(self.repo / "notes.txt", "notes of a person\n")
        if self.mode in APART:  # agents do not work in the checkout: edits there are in nobody's way
            write(self.repo / "mine.txt", "edited by a person\n")
            write(self.repo / "staged.txt", "staged by a person\n")
            self.git("add", "staged.txt")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.repo, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    @property
    def words(self) -> list[str]:
        """ralph's arguments."""
        plain = ["--agent-command", f"sh {self.root}/agent.sh"]
        who = ["--agent", "claude"] if self.case.claude and not self.case.settings.startswith("fallback") else plain
        return [*who, "--gate", self.case.gate, *MODES[self.mode], *self.case.flags]

    # ------------------------------------------------------------ the kill

    def play(self) -> None:
        """Start ralph, and everything of it is dead afterwards."""
        number = self.case.number + (self.case.beside if self.mode == "parallel" else 0)
        if self.case.at == "update-ref":
            number = self.update_refs_before(number) + 1
        process = self.start(self.case.at or "nothing", number)
        if not self.case.at:
            self.wait_for(process)
            process.send_signal(signal.SIGKILL)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            deadline = time.monotonic() + PATIENCE
            while at_work(self.root) and time.monotonic() < deadline:
                time.sleep(0.02)
        (self.root / "go").touch()

    def start(self, at: str, number: int) -> subprocess.Popen[bytes]:
        if self.mode != "parallel" and self.case.at:
            (self.root / "go").touch()
        argv = [sys.executable, "-c", KILLER, "all", "0", at, str(number), *self.words]
        with (self.root / "said").open("ab") as out:
            return subprocess.Popen(
                argv, cwd=self.repo, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def update_refs_before(self, publishing: int) -> int:
        """How often refs are moved before that Publishing: found out on another stage of the same."""
        root = Path(tempfile.mkdtemp(prefix="rehearsal-")).resolve()
        try:
            other = Stage(self.checkout, root, self.mode, self.case)
            other.env["KILLER_COUNT"] = str(root / "count")
            other.start("publishing", publishing).wait(PATIENCE)
            return (root / "count").read_text().splitlines().count("0 git update-ref")
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def wait_for(self, process: subprocess.Popen[bytes]) -> None:
        """Until all that should hang do. Then a person edits the PRD."""
        names = ["here-T1", *(["here-T3"] if self.mode == "parallel" else [])]
        deadline = time.monotonic() + PATIENCE
        while not all((self.root / name).exists() for name in names):
            assert process.poll() is None, (self.root / "said").read_text()
            assert time.monotonic() < deadline, (self.root / "said").read_text()
            time.sleep(0.02)
        if self.case.edited:
            prd = self.repo / "PRD.md"
            prd.write_text(prd.read_text().replace("# Plan\n", "# Plan\n\nA word of a person.\n"))

    # ------------------------------------------------------------ what is there now

    def journal(self) -> list[dict[str, Any]]:
        path = self.repo / ".git/ralph/journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def came_to_its_state(self) -> bool:
        journal, case = self.journal(), self.case
        told = [line["event"] for line in journal if about(line, "T1", journal)]
        if told[-1:] != [case.state] or any(line["event"] == "run ended" for line in journal):
            return False
        if (
            case.state == "workspace ready" and (self.root / "starts").exists()
        ):  # a child may be ahead of the journal
            starts = (self.root / "starts").read_text().split()
            if starts.count("T1") != case.starts - 1:
                return False
        early = not case.at or case.state in ("chosen", "sent", "workspace ready")
        if self.mode == "parallel" and not early and not (self.root / "here-T3").exists():
            return False
        if case.moved is None:
            return True
        last = [line for line in journal if line["event"] == "publishing"][-1]
        return self.git("rev-parse", "ralph/PRD") == str(last["commit" if case.moved else "parent"])

    def note(self) -> None:
        """Write down what must come of it."""
        several, case = self.mode == "parallel", self.case
        edited = {"mine.txt": "edited by a person\n", "staged.txt": "staged by a person\n"}
        holds = {"notes.txt": "notes of a person\n", **(edited if self.mode in APART else {})}
        status = ["?? notes.txt", *([" M mine.txt", "A  staged.txt"] if self.mode in APART else [])]
        told = {
            "words": [word.replace(str(self.root), "@ROOT@") for word in self.words],
            "state": case.state,
            "boxes": case.boxes + ("x" if several else ""),
            "exit": case.code,
            "starts": {"T1": case.starts, **({} if case.boxes == "p." else {"T2": 1})},
            "holds": holds,
            "status": sorted(status),
            "prd": ["A word of a person."] if case.edited else [],
            "start": self.git("rev-parse", "main"),
        }
        write(self.root / "recording.json", json.dumps(told, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def at_work(root: Path) -> list[int]:
    """Processes that work somewhere in this folder, zombies not."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if (one / "cwd").readlink().is_relative_to(root):
                found.append(int(one.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
