"""Flags, ralph.toml, defaults: which one counts, and a sentence for everything that is wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from ralph.config import CHOICES, OPTIONS, Settings, load
from ralph.config_values import parse_duration
from ralph.errors import RalphError

EVERYTHING = """
prd = "docs/PRD.md"
only = "T1"
max-tasks = 3
branch = "b"
agent-command = "./a.sh 'x y'"
model = "m"
agent-arg = ["--fast"]
sandbox = "off"
gate = ["a", "b"]
baseline = true
strict = true
gate-timeout = "1h30m"
max-iterations = 1
max-time = "1d"
max-wait = "1m"
max-cost = 1.5
max-tokens = 9
review-every = "8h"
quiet = true
format = "markdown"
memory = false
subject = "do {task}"
protected = "secrets/**"
"""


def test_without_anything_all_is_default(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Settings()


def test_flag_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "ralph.toml").write_text('max-retries = 5\nsilence = "90s"\n')
    settings = load(tmp_path, {"max_retries": "1", "model": None, "agent_arg": ()})
    assert (settings.max_retries, settings.silence, settings.task_timeout) == (1, 90.0, 3600.0)
    assert settings.given == {"max_retries", "silence"}


def test_every_key_is_known_under_the_name_of_its_flag(tmp_path: Path) -> None:
    (tmp_path / "ralph.toml").write_text(EVERYTHING)
    settings = load(tmp_path, {})
    assert settings.prd == str(tmp_path / "docs/PRD.md")
    assert settings.agent_words() == ("./a.sh", "x y")
    assert settings.gate == ("a", "b")
    assert settings.gate_timeout == 5400.0
    assert (settings.max_cost, settings.max_tokens, settings.memory) == (1.5, 9, False)
    assert settings.protected == ("secrets/**",)


def test_keys_may_have_underscores(tmp_path: Path) -> None:
    (tmp_path / "ralph.toml").write_text("max_retries = 0\n")
    assert load(tmp_path, {}).max_retries == 0


def test_pyproject_counts_only_without_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.ralph]\nmodel = "from pyproject"\n')
    assert load(tmp_path, {}).model == "from pyproject"
    (tmp_path / "ralph.toml").write_text('model = "own"\n')
    assert load(tmp_path, {}).model == "own"


def test_a_flag_drops_its_rival_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "ralph.toml").write_text('agent = "claude"\nbranch = "b"\n')
    settings = load(tmp_path, {"agent_command": "./mine", "no_branch": True})
    assert (settings.agent, settings.agent_command, settings.branch, settings.no_branch) == ("", "./mine", "", True)


def test_no_gates_is_not_the_same_as_gates_not_named(tmp_path: Path) -> None:
    assert load(tmp_path, {}).gate is None
    (tmp_path / "ralph.toml").write_text("gate = []\n")
    assert load(tmp_path, {}).gate == ()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("8h", 28800), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-1s", "0s", "10m!", "s10", "1e3s", "10 minutes"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text itself is the message
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_duration(text) > 0


FILES = {
    "unknown key": "max-retry = 3",
    "unknown and nothing near": "banana = 3",
    "wrong type": 'max-retries = "many"',
    "a switch that is text": 'strict = "yes"',
    "a bare number for a time": "silence = 600",
    "too small": "max-iterations = 0",
    "not TOML": "silence = = 3",
    "nested too deep": "gate = " + "[" * 5000 + "]" * 5000,
    "rivals": 'agent = "claude"\nagent-command = "x"',
    "none of the choices": 'gates-in = "moon"',
    "a flag's choices in the file": 'sandbox = "maybe"',
    "a list with a number": "gate = [1]",
}
FLAGS: dict[str, dict[str, object]] = {
    "no number": {"max_tasks": "few"},
    "no money": {"max_cost": "-1"},
    "no time": {"silence": "ten"},
    "neither number nor time": {"review_every": "sometimes"},
    "two agents": {"agent": "claude", "agent_command": "x"},
    "open quote": {"agent_command": "'x"},
    "no such format": {"format": "org"},
    "none of the choices": {"sandbox": "maybe"},
}


@pytest.mark.parametrize("case", FILES)
def test_sentences_about_the_file(case: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    (tmp_path / "ralph.toml").write_text(FILES[case])
    with pytest.raises(RalphError) as caught:
        load(tmp_path, {})
    assert str(caught.value).replace(str(tmp_path), "REPO") == snapshot


@pytest.mark.parametrize("case", FLAGS)
def test_sentences_about_flags(case: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(RalphError) as caught:
        load(tmp_path, FLAGS[case])
    assert str(caught.value) == snapshot


def test_each_choice_is_taken_from_a_flag_and_from_the_file(tmp_path: Path) -> None:
    for name, choices in CHOICES.items():
        assert getattr(Settings(), name) in choices
        for choice in choices:
            (tmp_path / "ralph.toml").write_text(f'{OPTIONS[name].key} = "{choice}"')
            assert getattr(load(tmp_path, {}), name) == choice
            assert getattr(load(tmp_path, {name: choice}), name) == choice


def test_the_schema_documents_every_option() -> None:
    described = [option for option in OPTIONS.values() if option.help and option.group]
    assert len(described) == len(OPTIONS)
