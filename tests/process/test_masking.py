"""Secrets in a stream: however it is cut into pieces, nothing of them reaches the disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ralph.process.masking import HOLD, MaskedWriter, Masker
from ralph.process.transcript import CappedFile
from ralph.text import MASK, mask

LETTERS = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5"
KEY = "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----"
SHAPES = (
    f"sk-ant-api03-{LETTERS}", *(f"gh{one}_{LETTERS}" for one in "pousr"), f"github_pat_{LETTERS}",
    f"glpat-{LETTERS}", "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", f"AIza{LETTERS}", f"npm_{LETTERS}",
    f"xoxb-{LETTERS}", f"xapp-{LETTERS}", f"sk_live_{LETTERS}", f"rk_test_{LETTERS}", "hf_" + "abcdefghij" * 4,
    f"pypi-{LETTERS}{LETTERS}", f"SG.{LETTERS}.{LETTERS}", f"eyJhbGciOiJI.{LETTERS}.{LETTERS}",
    f"Authorization: Bearer {LETTERS}", "https://me:hunter2@git.example.org/x",
    f"https://hooks.slack.com/services/T0/B0/{LETTERS}", KEY.format(f"{LETTERS}\n{LETTERS}\nab=\n"),
    KEY.format(f"\\n{LETTERS}\\n"), KEY.format(f"Proc-Type: 4,ENCRYPTED\r\nDEK-Info: AES,AB\r\n\r\n{LETTERS}\r\n"),
)  # fmt: skip
SECRETS = ("hunter2.", "hunter2.hunter2/long", "abcabcab", "line-one\nline-two\nx", 'qu"ote\\d!', "pass phrase")
WORD = "QRSTUVWX0123"
PROSE = ("sk-", "eyJ", "://", "a:b@", "@127.", "@host.", "earer ", "hf", "-----BEGIN ", "-", "_", ".", " ", "\n",
         '{"a": "', "\\n", "9", "é", "x", "task-force", "https://example.org/a:b@c")  # fmt: skip

halves = st.sampled_from([*SHAPES, *SECRETS]).flatmap(
    lambda whole: st.integers(0, len(whole)).map(lambda at: whole[:at])
)
texts = st.lists(st.one_of(st.sampled_from([*SHAPES, *SECRETS, *PROSE]), halves), max_size=8).map("".join)
cuts = st.lists(st.integers(1, 60), max_size=40)


def pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The data in pieces of these sizes, and the rest."""
    ends = [0]
    for size in sizes:
        ends.append(min(len(data), ends[-1] + size))
    return [data[one:other] for one, other in pairwise([*ends, len(data)])]


def streamed(parts: Iterable[bytes], secrets: tuple[str, ...] = SECRETS) -> bytes:
    """What comes out when they went in one by one."""
    stream = MaskedWriter(Masker(secrets))
    return b"".join([*map(stream.feed, parts), stream.flush()])


# ---------------------------------------------------------------- laws


@given(texts, cuts)
def test_any_pieces_give_the_same(text: str, sizes: list[int]) -> None:
    whole = Masker(SECRETS).text(text)
    data = text.encode()
    assert streamed(pieces(data, sizes)).decode() == whole
    assert streamed(bytes([byte]) for byte in data).decode() == whole


@given(texts)
def test_every_shape_of_a_token_is_known_here(text: str) -> None:
    assert Masker().text(text) == mask(text, ())


@pytest.mark.parametrize("token", SHAPES, ids=[one[:14] for one in SHAPES])
def test_a_token_is_masked_byte_by_byte(token: str) -> None:
    shown = streamed([bytes([byte]) for byte in f"a ({token}) b".encode()], ()).decode()
    assert shown == mask(f"a ({token}) b", ())
    assert MASK in shown
    assert "EXAMPLE" not in shown
    assert LETTERS not in shown


upper = st.text("QRSTUVWXYZ0123456789", min_size=8, max_size=30)


@given(st.lists(upper, min_size=1, max_size=4), st.data(), cuts)
@example(["QRSTUVWX", "UVWXYZ01"], None, [1] * 40)
def test_nothing_of_a_secret_remains(secrets: list[str], data: st.DataObject | None, sizes: list[int]) -> None:
    """Also where one secret is the end of another's beginning."""
    drawn = data.draw(st.lists(st.sampled_from([*secrets, "prose ", "\n", "x"]), max_size=8)) if data else secrets
    text = "".join(drawn) if data else "QRSTUVWXYZ01"
    shown = streamed(pieces(text.encode(), sizes), tuple(secrets)).decode()
    assert [part for part in fours(secrets) if part in shown] == []
    assert shown.replace(MASK, "").replace("prose ", "").strip("x\n") == ""


def fours(secrets: Iterable[str]) -> set[str]:
    """All that tells something about them: four characters in a row."""
    return {one[at : at + 4] for one in secrets for at in range(len(one) - 3)}


@given(texts, cuts, st.integers(1, 120), st.integers(1, 60))
def test_a_file_that_is_full_cuts_no_secret_in_two(
    tmp_path_factory: pytest.TempPathFactory, text: str, sizes: list[int], cap: int, last: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "full"
    with CappedFile(path, cap, last, (WORD,)) as log:
        for piece in pieces(text.replace("x", WORD).encode(), sizes):
            log.write(piece)
        tail = log.tail(last).decode("utf-8", "replace")
    shown = path.read_text(errors="replace") + tail
    assert [part for part in fours([WORD]) if part in shown] == []


@given(texts, cuts, st.integers(1, 200))
def test_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, text: str, sizes: list[int], cap: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "long"
    with CappedFile(path, cap, 100_000, SECRETS) as log:
        for piece in pieces(text.encode(), sizes):
            log.write(piece)
    shown = re.sub(rb"\n\[ralph: [^]]*\]\n", b"", path.read_bytes())
    assert shown.decode() == Masker(SECRETS).text(text)


# ---------------------------------------------------------------- cases


@pytest.mark.parametrize("secret", ['pa"ss\\word', "pa$$wörd-1", "first line\nsecond\n"])
def test_a_secret_as_json_has_it(secret: str) -> None:
    for text in (json.dumps({"text": secret}), json.dumps({"text": secret}, ensure_ascii=False)):
        assert Masker((secret,)).text(text) == json.dumps({"text": MASK})


def test_a_secret_that_begins_within_itself() -> None:
    assert Masker(("abcabcab",)).text("abcabcabcabcabcab.") == f"{MASK}."


def test_a_secret_of_several_lines_as_a_terminal_has_it() -> None:
    assert streamed([b"> one\r\n", b"two\r\n."], ("one\ntwo",)).decode() == f"> {MASK}\r\n."


def test_words_are_told_at_once_and_only_what_may_become_a_secret_waits() -> None:
    stream = MaskedWriter(Masker(("hunter2-long",)))
    assert stream.feed(b"a line\n") == b"a line\n"
    assert stream.feed(b"Password: ") == b"Password: "
    assert stream.feed(b"Go on? [y/N]") == b"Go on? [y/N]"
    assert stream.feed(b" it is hunter2-") == b" it is "
    assert stream.feed(b"long") == b""
    assert stream.feed(b"er\n") == f"{MASK}er\n".encode()
    assert stream.flush() == b""


def test_an_endless_line_is_not_held_back() -> None:
    stream = MaskedWriter(Masker())
    told = sum(len(stream.feed(b"x" * 4096)) for _ in range(100))
    assert 409_600 - told == stream.held < 20


@pytest.mark.parametrize("begin", ["ghp_", "-----BEGIN PRIVATE KEY-----\n"])
def test_an_endless_token_is_masked_to_its_end_and_takes_no_memory(begin: str) -> None:
    stream = MaskedWriter(Masker())
    shown = stream.feed(b"a " + begin.encode())
    held = 0
    for _ in range(100):
        shown += stream.feed(b"aB3d" * 512)
        held = max(held, stream.held)
    shown += stream.feed(b"aB3d; go on\n") + stream.flush()
    assert shown.decode() == f"a {MASK}; go on\n"
    assert held < 2 * HOLD


def test_the_first_half_of_a_secret_at_the_end_of_a_screen() -> None:
    masker = Masker(("hunter2-long",))
    assert masker.text("it is hunter2", goes_on=True) == f"it is {MASK}"
    assert masker.text("it is hun", goes_on=True) == "it is hun", "that tells nothing"
    assert masker.text("it is hunter2") == "it is hunter2", "it ends so: somebody else's words"


def test_bytes_that_are_no_text_pass() -> None:
    data = bytes(range(256)) * 3
    assert streamed(pieces(data, [7] * 100)) == data


def test_a_transcript_is_masked_at_both_ends(tmp_path: Path) -> None:
    with CappedFile(tmp_path / "log", cap=100, last=60, secrets=("hunter2-long",)) as log:
        for number in range(100):
            log.write(f"{number:03d} hunter2-lo".encode())
            log.write(b"ng\n")
    kept = (tmp_path / "log").read_text()
    assert kept.startswith(f"000 {MASK}\n001 {MASK}\n")
    assert kept.endswith(f"098 {MASK}\n099 {MASK}\n")
    assert "hunt" not in kept
    assert log.total == 1700, "what was printed, not what is shown"
