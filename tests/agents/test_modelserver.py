"""The scripted model server gives each conversation the steps that were meant for it."""

from __future__ import annotations

import json
import re

import pytest

from tests.helpers.modelserver import Step, anthropic, asked, error, full, responses, shell, text, write
from tests.helpers.modelserver.dialect import Dialect
from tests.helpers.modelserver.play import Plays


def ops(plays: Plays, conversation: str, prompt: str, times: int) -> list[str]:
    return [shown(plays.next(conversation, prompt)[1]) for _ in range(times)]


def shown(step: Step) -> str:
    return str(step.get("command") or step.get("text") or step["status"])


def test_a_conversation_goes_through_its_steps_and_repeats_the_last() -> None:
    plays = Plays({"": [[shell("ls"), text("done")]]})
    assert ops(plays, "a", "anything", 3) == ["ls", "done", "done"]


def test_each_conversation_about_a_marker_is_its_next_attempt() -> None:
    plays = Plays({"T1": [[text("first")], [text("second")]], "T2": [[text("other")]]})
    assert ops(plays, "a", "do T1", 1) == ["first"]
    assert ops(plays, "b", "do T2", 1) == ["other"]
    assert ops(plays, "c", "do T1 again", 1) == ["second"]
    assert ops(plays, "d", "and T1 again", 1) == ["second"]
    assert plays.seen["d"].attempt == 3


@pytest.mark.parametrize(("prompt", "marker"), [("T2 after T1", "T2"), ("T10 and T1", "T1"), ("T10", ""), ("", "")])
def test_the_marker_that_stands_first_counts_as_a_whole_word(prompt: str, marker: str) -> None:
    plays = Plays({"T1": [], "T2": [], "": []})
    assert plays.next("a", prompt)[0].marker == marker


def test_a_question_goes_before_the_task_that_it_is_about() -> None:
    plays = Plays({"T1": [[text("work")]], asked("smaller tasks"): [[text("- [ ] a")]]})
    assert ops(plays, "a", "T1: break it into smaller tasks", 1) == ["- [ ] a"]
    assert ops(plays, "b", "do T1", 1) == ["work"]
    assert (plays.seen["b"].attempt, plays.seen["b"].marker) == (1, "T1")


@pytest.mark.parametrize("dialect", [anthropic, responses])
def test_an_answer_says_how_full_the_context_is(dialect: Dialect) -> None:
    told = json.dumps(list(dialect.answer("", None, full(text(""))["context"])))
    sizes = re.findall(r'"(?:input_tokens|cache_\w+_input_tokens)": (\d+)', told)
    assert sum(map(int, sizes)) == 165_000


ENVIRONMENT = {"type": "text", "text": "# Environment\n - Primary working directory: /repo\n - Platform: linux"}
PROMPT = {"type": "text", "text": "Do T1; working directory: /wrong"}


@pytest.mark.parametrize(
    ("system", "messages"),
    [
        ([ENVIRONMENT], [{"role": "user", "content": [PROMPT]}]),
        ([], [{"role": "user", "content": [PROMPT]}, {"role": "system", "content": [ENVIRONMENT]}]),
        ([], [{"role": "user", "content": [PROMPT]}, {"role": "system", "content": ENVIRONMENT["text"]}]),
        ([], [{"role": "system", "content": ENVIRONMENT["text"]}, {"role": "user", "content": [PROMPT]}]),
        ([], [{"role": "user", "content": [ENVIRONMENT, PROMPT]}]),
    ],
)
def test_claude_names_its_folder_in_any_of_its_instructions(system: list[Step], messages: list[Step]) -> None:
    body = {"system": system, "messages": messages}
    assert anthropic.call(write("a.py", ""), body).given["file_path"] == "/repo/a.py"
    assert anthropic.prompt(body) == PROMPT["text"]


def test_an_error_lasts_as_long_as_it_says() -> None:
    assert ops(Plays({"": [[error(429, times=2), text("ok")]]}), "a", "", 4) == ["429", "429", "ok", "ok"]
    assert ops(Plays({"": [[error(429), text("ok")]]}), "a", "", 4) == ["429"] * 4
