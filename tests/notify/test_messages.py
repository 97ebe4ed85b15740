"""What calls a human, and in which words; when it is told; and that nothing of an address may be seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from ralph.notify import messages as notices
from ralph.notify.messages import GAP, Batch, Notification
from ralph.state.events import Chosen, Event, Noted, Parked, Paused, RunEnded, Waiting
from ralph.text import secrets_of

NOW = 1_000_000.0
CALLS = {
    "parked": Parked("T3", "T3 rate limits", "The gate `make test` failed (exit code 1)."),
    "parked, with a hash for an id": Parked("9f2c11", "rate limits", "It asks: which window?"),
    "checkpoint": Paused("20 tasks were accepted since the last look. To go on: `ralph resume`.", checkpoint=True),
    "paused by hand": Paused("somebody asked for it"),
    "a long wait": Waiting("The agent's limit is reached.", NOW + 7380),
    "done": RunEnded(0, "Every task is verified.", 7380.0, cost=3.4),
    "finished": RunEnded(1, "Finished; parked for a human: 2.", 59.0),
    "a limit": RunEnded(3, "Stopped with work left: the limit of 50 attempts is reached (--max-iterations).", 100),
    "no login": RunEnded(3, "The agent is not logged in. Run `claude` and type /login. The same command goes on."),
    "ctrl-c": RunEnded(130, "Interrupted. The same command goes on from here."),
    "died": RunEnded(70, "A bug of ralph's own: ZeroDivisionError."),
}
QUIET = [Noted("x", loud=True), Chosen(1, "T1", "one", 1, "abc"), Waiting("a moment", NOW + 599)]


@pytest.mark.parametrize("name", CALLS)
def test_words(name: str, snapshot: SnapshotAssertion) -> None:
    notice = notices.of(CALLS[name], NOW)
    assert notice is not None
    told = notices.letter([notice], "shop")
    assert (told.title, told.body, told.line, told.mood) == snapshot


@pytest.mark.parametrize("event", QUIET, ids=lambda event: event.NAME)
def test_other_events_call_nobody(event: Event) -> None:
    assert notices.of(event, NOW) is None


def test_many_are_one_message(snapshot: SnapshotAssertion) -> None:
    parked = [notices.of(Parked(f"T{n}", f"T{n} task {n}", "red"), NOW) for n in range(1, 51)]
    end = notices.of(CALLS["finished"], NOW)
    told = notices.letter([one for one in (*parked, end) if one], "shop")
    assert (told.title, told.body, told.line) == snapshot
    assert told.data["event"] == "run ended"
    assert [one["task"] for one in told.data["earlier"]] == [f"T{n}" for n in range(31, 51)]


# ---------------------------------------------------------------- texts of strangers

ATTACKS = {
    "\x1b]0;owned\x07\x1b[31mred\x1b[0m": "red",
    "a\u202egpj.exe\u2066": "agpj.exe",
    "line one\r\nBcc: all@example.org\n\nbody": "line one Bcc: all@example.org body",
    "@everyone and @here look": "@ everyone and @ here look",
    "<!channel> <@U123>": "< !channel> < @U123>",
    "mail ada@hereford.org": "mail ada@hereford.org",
    "key hunter2-hunter2 in it": "key [masked] in it",
}


@pytest.mark.parametrize("text", ATTACKS)
def test_texts_become_harmless(text: str) -> None:
    notice = notices.of(Parked("T1", "T1", text), NOW, ("hunter2-hunter2",))
    assert notice is not None
    assert notice.text == f"T1: {ATTACKS[text]}"


def test_programs_get_texts_without_control_and_secrets_too() -> None:
    event = Parked("T1", "\x1b[2Jhunter2-hunter2", "x" * 10_000)
    notice = notices.of(event, NOW, ("hunter2-hunter2",))
    assert notice is not None
    assert notice.data["text"] == "[masked]"
    assert len(notice.data["reason"]) == notices.WORDS


@given(st.lists(st.text(max_size=300), min_size=1, max_size=30), st.text(max_size=40))
def test_title_and_line_are_one_line_without_control(texts: list[str], place: str) -> None:
    told = notices.letter([one for text in texts if (one := notices.of(Parked("T", text, text), NOW))], place)
    assert len(told.body) < 12 * 450
    for line in (told.title, told.line, *told.body.split("\n")):
        assert "\x1b" not in line
        assert "\r" not in line
        assert "\n" not in line


# ---------------------------------------------------------------- when

STEPS = st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=60)  # (seconds later, something happens)


@given(STEPS)
def test_at_most_one_message_in_a_minute_and_nothing_is_lost_or_told_twice(
    steps: list[tuple[float, bool]],
) -> None:  # fmt: skip
    held, now, taken, told, times = Batch(), 0.0, [], [], []
    for number, (later, happens) in enumerate(steps):
        now += later
        if happens:
            taken.append(str(number))
            held = held.take(Notification("parked", str(number), {}))
        due = held.due
        held, left = held.leave(now)
        assert bool(left) == (due is not None and due <= now)
        if left:
            times.append(now)
            told += [one.text for one in left]
    assert all(second - first >= GAP for first, second in pairwise(times))
    held, left = held.leave(now, last=True)
    assert told + [one.text for one in left] == taken
    assert held.due is None
    assert held.leave(now + 1000, last=True)[1] == ()


def test_the_first_does_not_wait() -> None:
    held, left = Batch().take(Notification("parked", "one", {})).leave(5.0)
    assert [one.text for one in left] == ["one"]
    assert held.take(Notification("parked", "two", {})).due == 5.0 + GAP


# ---------------------------------------------------------------- addresses

MAIL = "mailtos://ada:s3cret-s3cret@mail.example.org?to=ada@example.org,bob@example.org"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"


def test_addresses_of_a_variable_and_of_a_file() -> None:
    assert notices.addresses(f" {MAIL}, {SLACK}\n", SLACK, "", "json://here/x\njson://here/y") == (
        MAIL, SLACK, "json://here/x", "json://here/y",
    )  # fmt: skip


def test_an_address_is_called_by_its_scheme() -> None:
    known = (MAIL, SLACK, "json://a", "JSON://b", "hunter2-hunter2", "\x1b[2J://x")
    assert notices.receiver_names(known) == ("mailtos", "slack", "json 1", "json 2", "? 1", "? 2")


def test_the_variable_is_secret_wherever_secrets_are_masked() -> None:
    assert {MAIL, SLACK} <= set(secrets_of({"RALPH_NOTIFY_URLS": f"{MAIL} {SLACK}"}))


def test_what_is_secret_of_an_address() -> None:
    found = notices.secrets_in((MAIL, SLACK))
    assert {MAIL, SLACK, MAIL.partition("://")[2], "s3cret-s3cret", "TIiajkdnlazkcOXrIdevi7FQ"} <= set(found)
    assert "general" not in found
    assert "example.org" not in found
