"""What an agent writes about its session into files of its own: found, followed, bounded. Real files."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import pytest

from ralph.agents import codex, session_file
from ralph.agents.model import Signal, SignalKind
from ralph.agents.session_file import SessionFiles, place

ID = "01a22e8c-0aee-7a10-8e73-8ba3ef348796"
CHILD = "01a22e8c-4df2-7db0-8fe3-2bad654037dd"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    today = tmp_path / "sessions" / f"{date.fromtimestamp(time.time()):%Y/%m/%d}"  # noqa: DTZ012
    today.mkdir(parents=True)
    return today


def files(folder: Path) -> SessionFiles:
    return SessionFiles(folder.parents[2], codex.read_session)


def name(thread: str = ID) -> str:
    return f"rollout-2026-11-30T22-20-59-{thread}.jsonl"


def context(model: str) -> str:
    return f'{{"timestamp":"","type":"turn_context","payload":{{"model":"{model}"}}}}\n'


def record(tokens: int) -> str:
    usage = f'{{"input_tokens":{tokens},"cached_input_tokens":100,"output_tokens":50}}'
    return f'{{"timestamp":"","type":"token_usage_record","payload":{{"thread_token_usage":{usage}}}}}\n'


def told(signals: list[Signal]) -> list[tuple[int, str]]:
    return [(one.usage.tokens, one.usage.model) for one in signals if one.usage and one.usage.tokens]


def test_it_is_followed_from_the_moment_that_its_id_is_known(folder: Path) -> None:
    path, followed = folder / name(), files(folder)
    path.write_text(context("gpt-5.5") + record(1_000))
    assert followed.look() == []
    followed.begin(ID)
    assert told(followed.look()) == [(1_050, "gpt-5.5")]
    assert followed.look() == []
    with path.open("a") as file:
        file.write(record(2_000)[:30])
        file.flush()
        assert followed.look() == [], "half a line is none"
        file.write(record(2_000)[30:])
    assert told(followed.look()) == [(2_050, "gpt-5.5")]


def test_files_of_other_sessions_are_none_and_those_of_sub_agents_are(folder: Path) -> None:
    (folder / name()).write_text(context("gpt-5.5") + record(1_000))
    meta = f'{{"timestamp":"","type":"session_meta","payload":{{"session_id":"{ID}","id":"{CHILD}"}}}}\n'
    (folder / name(CHILD)).write_text(meta + context("gpt-6-luna") + record(300))
    (folder / name("01a22e8c-ffff-7db0-8fe3-000000000000")).write_text(record(7))
    followed = files(folder)
    followed.begin(ID)
    signals = followed.look()
    assert sorted(told(signals)) == [(350, "gpt-6-luna"), (1_050, "gpt-5.5")]
    assert {one.usage.key for one in signals if one.usage and one.usage.tokens} == {name(), name(CHILD)}


def test_an_old_file_that_only_names_the_session_is_not_read(folder: Path) -> None:
    path = folder / name(CHILD)
    path.write_text(f'{{"session_id":"{ID}"}}\n' + record(300))
    os.utime(path, (time.time() - 60, time.time() - 60))
    followed = files(folder)
    followed.begin(ID)
    assert followed.look() == []


def test_what_is_read_at_once_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_file, "PIECE", 1_000)
    monkeypatch.setattr(session_file, "LINE", 2_000)
    (folder / name()).write_text("x" * 5_000 + "\n" + "".join(record(n) for n in range(1_000, 1_050)))
    followed = files(folder)
    followed.begin(ID)
    assert followed.look() == []
    assert told(followed.whole())[-1] == (1_099, "")


@pytest.mark.parametrize("session", ["", "*", "../../x/yyyyyyyy", "a" * 100, "short"])
def test_an_id_that_is_none_finds_nothing(folder: Path, session: str) -> None:
    (folder / name()).write_text(record(1_000))
    followed = files(folder)
    followed.begin(session)
    assert followed.look() == []


def test_a_reader_that_fails_costs_nothing(folder: Path) -> None:
    def fails(_: str) -> tuple[Signal, ...]:
        raise ValueError

    (folder / name()).write_text(record(1_000))
    followed = SessionFiles(folder.parents[2], fails)
    followed.begin(ID)
    assert followed.look() == []


def test_where_the_folder_is(tmp_path: Path) -> None:
    assert place("$CODEX_HOME/sessions", {"CODEX_HOME": "/c"}, tmp_path) == Path("/c/sessions")
    assert place("$CODEX_HOME/sessions", {"CODEX_HOME": "own"}, tmp_path) == tmp_path / "own/sessions"
    assert place("$CODEX_HOME/sessions", {"HOME": "/h"}, tmp_path) is None
    assert place(".codex/sessions", {"HOME": "/h"}, tmp_path) == Path("/h/.codex/sessions")
    assert place(".codex/sessions", {}, tmp_path) is None


COUNT = (
    '{"timestamp":"","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":'
    '{"input_tokens":1700,"cached_input_tokens":500,"cache_write_input_tokens":200,"output_tokens":34}}}}'
)
NOTHING = (
    "",
    "no JSON",
    '{"type":"response_item","payload":{"text":"token_count"}}',
    '{"timestamp":"","type":"event_msg","payload":{"type":"token_count","info":null}}',
)


def test_what_codex_writes() -> None:
    [signal] = codex.read_session(COUNT)
    assert signal.kind is SignalKind.USAGE
    assert signal.usage is not None
    assert (signal.usage.tokens, signal.usage.split, signal.usage.written) == (1_734, (1_200, 500, 34), 200)
    assert [one.usage.tokens for line in NOTHING for one in codex.read_session(line) if one.usage] == [0]
