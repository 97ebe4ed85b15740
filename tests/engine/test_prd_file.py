"""The PRD while ralph works: real runs, in which somebody edits it at the worst moment. Nothing typed is ever lost.

What a script that ralph runs as its agent does to the PRD, without committing it and without events, is what people
do beside an agent: nothing tells them apart.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

PRD = "# Plan\n\nSome words.\n\n- [ ] T1 one\n- [ ] T2 two\n- [ ] T3 three\n"
WORK = 'echo "work of $RALPH_TASK_ID" >> "$RALPH_TASK_ID.txt"; echo did it\n'
HAND = "docs(prd): edited by hand"


def play(repo: Repository, agent: str = "", prd: str | bytes = PRD) -> Play:
    """Each task is done well, and `agent` happens meanwhile."""
    return Play(repo, {"prd": prd, "agent": f"{WORK}\n{agent}"})


def since(made: Play) -> list[str]:
    return made.repo.subjects(f"{made.start}..HEAD")[::-1]


def ticked(text: str, *tasks: str) -> str:
    for task in tasks:
        text = text.replace(f"[ ] {task}", f"[x] {task}")
    return text


def during(task: str, script: str) -> str:
    return f'if [ "$RALPH_TASK_ID" = {task} ]; then {script}; fi'


# ---------------------------------------------------------------- between runs


def test_an_edit_between_runs_is_a_commit_of_its_own(repo: Repository) -> None:
    made = play(repo)
    made.ralph("--max-tasks", "1")
    mine = repo.read("PRD.md").replace("Some words.", "Other words.").replace("T2 two", "T2 to do")
    repo.write({"PRD.md": mine})
    assert made.ralph("--max-tasks", "1").returncode == 3
    assert since(made) == ["feat: T1 one", HAND, "feat: T2 to do"]
    assert repo.git("show", "--format=", "--name-only", "HEAD^").split() == ["PRD.md"]
    assert repo.git("show", "HEAD^:PRD.md") == mine.rstrip("\n")
    assert repo.read("PRD.md") == ticked(mine, "T2")


def test_a_prd_that_is_not_tracked_is_added_first(repo: Repository) -> None:
    made = play(repo)
    repo.git("rm", "-q", "--cached", "PRD.md")
    repo.git("commit", "-qm", "out of git")
    assert made.ralph().returncode == 0
    assert since(made)[1:] == ["docs(prd): add", "feat: T1 one", "feat: T2 two", "feat: T3 three"]
    assert repo.git("show", "HEAD~3:PRD.md") == PRD.rstrip("\n")


def test_a_box_emptied_between_runs_means_do_it_again(repo: Repository) -> None:
    made = play(repo)
    made.ralph()
    repo.write({"PRD.md": ticked(PRD, "T1", "T3")})
    assert made.ralph().returncode == 0
    assert made.attempts() == 4
    assert repo.read("T2.txt") == "work of T2\n" * 2


def test_a_box_ticked_between_runs_is_the_humans_word(repo: Repository) -> None:
    made = play(repo)
    repo.write({"PRD.md": ticked(PRD, "T1", "T2")})
    assert made.ralph().returncode == 0
    assert since(made) == [HAND, "feat: T3 three"]


def test_a_parked_line_that_is_removed_puts_the_task_back(repo: Repository) -> None:
    made = play(repo, during("T2", "[ -e ../fixed ] || rm T2.txt"))
    assert made.ralph("--max-retries", "0").returncode == 1
    assert made.boxes() == "xpx"
    (repo.path.parent / "fixed").touch()
    repo.write({"PRD.md": re.sub(r"\n +- Parked:.*", "", repo.read("PRD.md"))})
    assert made.ralph("--max-retries", "0").returncode == 0
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T2", "T3")
    assert since(made)[-2:] == [HAND, "feat: T2 two"]


# ---------------------------------------------------------------- while an agent works


def test_an_edit_during_a_run_stays_byte_for_byte_and_survives_the_revert_of_the_task(repo: Repository) -> None:
    script = r"""sed -i 's/Some words\./Typed  meanwhile,	with a tab/; s/T3 three/T3 reworded/' PRD.md
    printf -- '\nand a last line' >> PRD.md"""
    made = play(repo, during("T1", script))
    typed = PRD.replace("Some words.", "Typed  meanwhile,\twith a tab").replace("T3 three", "T3 reworded")
    typed += "\nand a last line"
    assert made.ralph("--max-tasks", "1").returncode == 3
    assert since(made) == ["docs(prd): changed while T1 ran", "feat: T1 one"]
    assert repo.read("PRD.md") == ticked(typed, "T1")
    assert repo.git("show", "HEAD^:PRD.md") == typed
    repo.git("revert", "--no-edit", "HEAD")
    assert repo.read("PRD.md") == typed


def test_an_edit_during_a_rejected_attempt_stays(repo: Repository) -> None:
    made = play(repo, "rm T1.txt; sed -i 's/Some words/Many words/' PRD.md")
    assert made.ralph("--max-retries", "0", "--only", "T1").returncode == 1
    assert "Many words." in repo.read("PRD.md")
    assert since(made) == ["docs(prd): changed while T1 ran", "chore(prd): park T1"]
    assert repo.git("status", "--porcelain") == ""


def test_a_box_ticked_by_hand_while_an_agent_works_goes_back(repo: Repository) -> None:
    made = play(repo, during("T1", "sed -i 's/\\[ \\] T3/[x] T3/; s/Some/Many/' PRD.md"))
    done = made.ralph()
    assert done.returncode == 0
    assert "“T3 three” was ticked while T1 ran: the box goes back." in done.stdout
    assert made.attempts() == 3
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T2", "T3").replace("Some", "Many")
    assert repo.git("show", "HEAD~3:PRD.md") == PRD.replace("Some", "Many").rstrip("\n")


TICKS_ALL = "sed -i 's/\\[ \\]/[x]/' PRD.md; git commit -qam 'tick all'"


@pytest.mark.parametrize(
    "typed",
    [
        "s/Some words\\./Other words./",
        "s/T3 three/&\\n- [ ] T4 four/",  # right below a box that the agent ticked
        "$a\\\nThe last line.",
        "s/T2 two/T2 to do/",  # in the very line of such a box
        "s/# Plan/# The plan/; /T3 three/a\\  - Files: T3.txt",
    ],
)
def test_what_is_typed_beside_ticks_that_an_agent_commits_stays(repo: Repository, typed: str) -> None:
    """Without events its commits alone show what it did: the rest is not its own."""
    made = play(repo, during("T1", f"{TICKS_ALL}; sed -i '{typed}' PRD.md"))
    expected = subprocess.run(["sed", typed], input=PRD, capture_output=True, text=True, check=True).stdout
    done = made.ralph("--max-tasks", "1")
    assert done.returncode == 3, done.stdout
    assert since(made) == ["docs(prd): changed while T1 ran", "feat: T1 one"]
    assert repo.read("PRD.md") == ticked(expected, "T1")
    assert repo.git("show", "HEAD^:PRD.md") == expected.rstrip("\n")
    assert "The agent ticked T1, T2, T3: only ralph ticks boxes, so that was put back." in done.stdout


REWRITES = "sed -i 's/Some words./Words of the agent./; s/\\[ \\] T2/[x] T2/' PRD.md; git commit -qam rewrite"


def test_what_is_typed_beside_text_that_an_agent_commits_stays(repo: Repository) -> None:
    made = play(repo, during("T1", f"{REWRITES}; echo 'The last line.' >> PRD.md"))
    assert made.ralph("--max-retries", "0", "--only", "T1").returncode == 1
    assert since(made) == ["docs(prd): changed while T1 ran", "chore(prd): park T1"]
    assert repo.git("show", "HEAD^:PRD.md") == f"{PRD}The last line."
    assert "The agent changed the text of the PRD" in str(made.journal())


def test_what_is_typed_into_a_line_that_an_agent_commits_is_kept_with_its_work(repo: Repository) -> None:
    """The two can't be told apart: no conflict is ever written into the PRD."""
    made = play(repo, during("T1", f"{REWRITES}; sed -i 's/of the agent/of both/' PRD.md"))
    assert made.ralph("--max-retries", "0", "--only", "T1").returncode == 1
    assert since(made) == ["chore(prd): park T1"]
    kept = next(ref for ref in repo.refs() if ref.endswith("/1/work"))
    assert "Words of both." in repo.git("show", f"{kept}:PRD.md")


def test_moved_tasks_are_found_again(repo: Repository) -> None:
    """Reordered and reworded while it ran: the tick finds its line."""
    upside = "# Plan\n\n- [ ] T3 three\n- [ ] T2 two\n\n- [ ] T1 the first\n"
    made = play(repo, during("T1", f"printf '{upside!s}' > PRD.md".replace("\n", "\\n")))
    assert made.ralph().returncode == 0
    assert repo.read("PRD.md") == ticked(upside, "T1", "T2", "T3")
    assert since(made)[1:] == ["feat: T1 one", "feat: T3 three", "feat: T2 two"]


def test_a_task_that_vanished_while_an_agent_worked_is_named_and_no_success(repo: Repository) -> None:
    made = play(repo, during("T1", "sed -i '/T2 two/d' PRD.md"))
    done = made.ralph()
    assert done.returncode == 3
    assert "“T2 two” vanished from PRD.md while T1 ran." in done.stdout
    assert "Open tasks vanished from PRD.md while an agent ran: T2 two." in done.stdout
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T3").replace("- [ ] T2 two\n", "")


def test_the_running_task_itself_vanished(repo: Repository) -> None:
    made = play(repo, during("T1", "sed -i '/T1 one/d' PRD.md"))
    assert made.ralph("--max-retries", "0").returncode == 3
    assert made.boxes() == "xx"
    assert "feat: T1 one" not in since(made)
    assert any("work of T1" in repo.git("grep", "-h", "work", ref, check=False) for ref in repo.refs())


def test_a_prd_that_is_gone_comes_back(repo: Repository) -> None:
    made = play(repo, during("T1", "rm PRD.md"))
    made.ralph("--max-retries", "0")
    assert made.boxes() == "pxx"
    assert repo.read("PRD.md").startswith("# Plan")


def test_an_emptied_prd_stays_empty_and_is_no_success(repo: Repository) -> None:
    made = play(repo, during("T1", ": > PRD.md"))
    done = made.ralph("--max-retries", "0")
    assert (done.returncode, repo.read("PRD.md")) == (3, "")
    assert "Open tasks vanished from PRD.md while an agent ran: T1 one, T2 two, T3 three." in done.stdout


def test_a_folder_in_place_of_the_prd_stops_with_a_sentence_and_goes_on_when_it_is_back(repo: Repository) -> None:
    made = play(repo, during("T1", "[ -e ../once ] || { touch ../once; mv PRD.md ../; mkdir PRD.md; }"))
    done = made.ralph()
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "PRD.md is a folder now" in done.stdout + done.stderr
    assert made.ralph().returncode == 2
    (repo.path / "PRD.md").rmdir()
    (repo.path.parent / "PRD.md").rename(repo.path / "PRD.md")
    assert made.ralph().returncode == 0
    assert made.boxes() == "xxx"


def test_a_check_that_appeared_is_shown_and_not_run_for_this_attempt(repo: Repository) -> None:
    script = "sed -i 's|T1 one|&\\n  - Check: touch ../fired|; s|T2 two|&\\n  - Check: true|' PRD.md"
    made = play(repo, during("T1", script))
    done = made.ralph("--max-tasks", "1")
    assert "A Check of “T1 one” is new or changed: touch ../fired" in done.stdout
    assert not (repo.path.parent / "fired").exists()
    assert since(made)[-1] == "feat: T1 one"


# ---------------------------------------------------------------- emptied boxes


EMPTY_T1 = "sed -i 's/\\[x\\] T1/[ ] T1/' PRD.md"


def test_a_box_of_this_run_that_is_emptied_is_ticked_again_once(repo: Repository) -> None:
    made = play(repo, during("T2", EMPTY_T1))
    done = made.ralph()
    assert done.returncode == 0
    assert "it is ticked again" in done.stdout
    assert made.attempts() == 3
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T2", "T3")
    assert repo.git("status", "--porcelain") == ""


def test_emptied_a_second_time_the_task_is_done_again(repo: Repository) -> None:
    made = play(repo, f"[ $RALPH_TASK_ID = T1 ] || {EMPTY_T1}")
    done = made.ralph()
    assert done.returncode == 0, done.stdout
    assert made.attempts() == 4
    assert since(made)[-1] == "feat: T1 one"
    assert repo.read("T1.txt") == "work of T1\n" * 2
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T2", "T3")


def test_an_old_buffer_saved_over_everything(repo: Repository) -> None:
    """An editor that still shows the PRD of the start: its words stay, the boxes come back."""
    old = PRD.replace("Some words.", "My words.").replace("\n", "\\n")
    made = play(repo, during("T3", f"printf '{old}' > PRD.md"))
    assert made.ralph().returncode == 0
    assert made.attempts() == 3
    assert repo.read("PRD.md") == ticked(PRD, "T1", "T2", "T3").replace("Some words.", "My words.")


# ---------------------------------------------------------------- while the gates run


@pytest.mark.parametrize(("end", "code", "boxes"), [("true", 0, "x.."), ("false", 1, "p..")])
def test_an_edit_while_the_gates_run_stays(repo: Repository, end: str, code: int, boxes: str) -> None:
    """Green or red: what was typed is there afterwards, and committed."""
    gate = f"[ ! -e T1.txt ] || {{ sed -i 's/Some words/Many words/' PRD.md; {end}; }}"
    made = play(repo)
    flags = ("--gate", gate, "--max-retries", "0", "--only", "T1", "--max-tasks", "1")
    assert made.ralph(*flags).returncode == code
    assert "Many words." in repo.read("PRD.md")
    assert made.boxes() == boxes
    assert "Many words." in repo.git("show", "HEAD:PRD.md")
    assert HAND in since(made)
    assert repo.git("status", "--porcelain") == ""


def test_a_box_ticked_while_the_gates_run_goes_back(repo: Repository) -> None:
    gate = "[ ! -e T1.txt ] || sed -i 's/\\[ \\] T3/[x] T3/' PRD.md"
    made = play(repo)
    assert made.ralph("--gate", gate).returncode == 0
    assert made.attempts() == 3


# ---------------------------------------------------------------- new tasks


def test_a_task_that_is_being_typed_waits_until_it_was_quiet_for_ten_seconds(repo: Repository) -> None:
    """The one slow test: old tasks go on meanwhile, and the run waits for the new one."""
    made = play(repo, during("T1", "sed -i 's/^- \\[ \\] T2/- [ ] T9 new\\n&/' PRD.md"))
    done = made.ralph()
    assert done.returncode == 0
    lines = made.journal()
    chosen = {line["task"]: line["t"] for line in lines if line["event"] == "chosen"}
    assert list(chosen) == ["T1", "T2", "T3", "T9"]
    (edited,) = [line["t"] for line in lines if line["event"] == "agent stopped" and line["n"] == 1]
    assert 9.5 < chosen["T9"] - edited < 60
    assert chosen["T3"] - edited < 9.5


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("text", [PRD.replace("\n", "\r\n"), "\ufeff" + PRD, PRD.rstrip("\n"), PRD + "caf\udce9\n"],
                         ids=["CRLF", "BOM", "no-final-newline", "not-UTF-8"])  # fmt: skip
def test_bytes_stay_as_they_are(repo: Repository, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    made = play(repo, during("T2", "rm T2.txt") + "\n" + during("T1", "sed -i 's/Some/Many/' PRD.md"), data)
    assert made.ralph("--max-retries", "0").returncode == 1
    now = (repo.path / "PRD.md").read_bytes()
    without = re.sub(rb"(\r?\n) +- Parked: [^\r\n]*", b"", now)
    assert now.count(b"Parked") == 1
    assert without == data.replace(b"[ ] T1", b"[x] T1").replace(b"[ ] T3", b"[x] T3").replace(b"Some", b"Many")
    assert now.count(b"\r\n") in (0, now.count(b"\n"))


# ---------------------------------------------------------------- limits


def test_max_tasks_and_only(repo: Repository) -> None:
    made = play(repo)
    assert made.ralph("--max-tasks", "2").returncode == 3
    assert made.boxes() == "xx."
    assert made.ralph("--only", "T3").returncode == 0
    assert made.boxes() == "xxx"


def test_only_a_task_that_waits_for_another_is_no_success(repo: Repository) -> None:
    made = play(repo, prd=PRD.replace("T2 two", "T2 two\n  - Depends: T3"))
    done = made.ralph("--only", "T2")
    assert done.returncode == 3, done.stdout
    assert "T3" in done.stdout
    assert made.attempts() == 0


# ---------------------------------------------------------------- an agent that tells what it writes


def claude(repo: Repository, script: str, *events: dict[str, Any]) -> None:
    """A program called `claude` that does `script` for T1, and prints these events of Claude Code's."""
    told = [{"type": "system", "subtype": "init", "session_id": "s", "model": "m"}, *events]
    told += [{"type": "result", "subtype": "success", "is_error": False, "result": "done", "total_cost_usd": 0.01}]
    lines = "\n".join(json.dumps(one) for one in told)
    work = during("T1", script)
    text = f"#!/bin/sh\ncat > /dev/null\n{WORK}\n{work}\ncat <<'END'\n{lines}\nEND\n"
    folder = repo.path.parent / "bin"
    folder.mkdir()
    (folder / "claude").write_text(text)
    (folder / "claude").chmod(0o755)


def tool(name: str, **words: str) -> dict[str, Any]:
    use = {"type": "tool_use", "id": "t1", "name": name, "input": words}
    return {"type": "assistant", "message": {"id": "m1", "role": "assistant", "content": [use]}}


def with_claude(made: Play, *flags: str) -> Any:
    import os
    import subprocess

    env = {**os.environ, "PATH": f"{made.repo.path.parent}/bin:{os.environ['PATH']}"}
    words = [sys.executable, "-m", "ralph", "--claude", *flags]
    return subprocess.run(words, cwd=made.repo.path, env=env, capture_output=True, text=True, timeout=120)


REWRITE = "sed -i 's/Some words/Easy words/; s/\\[ \\] T3/[x] T3/' PRD.md"


@pytest.mark.parametrize(
    "event",
    [tool("Edit", file_path="{repo}/PRD.md"), tool("Bash", command="sed -i s/a/b/ PRD.md")],
    ids=["edit", "shell"],
)
def test_what_the_stream_shows_the_agent_writing_goes_back(repo: Repository, event: dict[str, Any]) -> None:
    made = play(repo)
    claude(repo, REWRITE, json.loads(json.dumps(event).replace("{repo}", str(repo.path))))
    done = with_claude(made, "--only", "T1", "--max-retries", "0")
    assert done.returncode == 1, done.stdout
    kinds = {finding[0] for line in made.journal() for finding in line.get("findings", [])}
    assert "rewrote the PRD" in kinds
    assert "Some words." in repo.read("PRD.md")
    assert made.boxes() == "p.."
    assert any("Easy words" in repo.git("grep", "-h", "words", ref, check=False) for ref in repo.refs())


def test_a_commit_that_carried_a_persons_edit_along_is_no_evidence(repo: Repository) -> None:
    """Its stream names every file that it writes, and the PRD is none of them."""
    made = play(repo)
    claude(repo, "sed -i 's/Some words/My words/' PRD.md; git add -A; git commit -qm work",
           tool("Bash", command="git add -A && git commit -m work"))  # fmt: skip
    assert with_claude(made, "--max-tasks", "1").returncode == 3
    assert repo.read("PRD.md") == ticked(PRD, "T1").replace("Some words", "My words")
    assert since(made) == ["docs(prd): changed while T1 ran", "feat: T1 one"]
