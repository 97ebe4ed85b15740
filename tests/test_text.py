"""Text from elsewhere can't control a terminal, carry a secret, or leave its quotes."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ralph.text import LEAST, MASK, clean, fence, mask, one_line, secrets_of, tail

PIECES = ["\x1b", "\x1b[", "31m", "\x1b]0;", "\x07", "\x1b\\", "\x9b", "\x9d", "\x90", "\x9c", "\r", "\r\n",
          "\n", "\t", "\x00", "\x7f", "\x08", "\u202e", "\u2066", "\u061c", "\ufeff", "\U000e0041", "\ud800", "a",
          "é", "`", "```", "~~~", "````text", "    ", "> ", "- ", "<!--", "[x]"]  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=20).map("".join)
values = st.one_of(st.text("ab.*+?()[]{}^$|\\1", min_size=LEAST, max_size=20), st.text(min_size=LEAST, max_size=20))


# ---------------------------------------------------------------- clean


@given(hostile)
def test_clean_text_controls_nothing(text: str) -> None:
    for char in clean(text):
        assert char in "\n\t" or unicodedata.category(char) != "Cc"
        assert unicodedata.bidirectional(char) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }
        assert char not in "\u061c\u200e\u200f\ufeff"
        assert not 0xE0000 <= ord(char) <= 0xE007F
    clean(text).encode()


@given(hostile)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(hostile.map(lambda text: re.sub(r"[\r\n]", "", text)), max_size=5))
def test_no_escape_swallows_another_line(lines: list[str]) -> None:
    assert clean("\n".join(lines)) == "\n".join(map(clean, lines))


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"])))
def test_plain_text_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("\x1b]52;c;aGk=\nthe next line", "\nthe next line"),
        ("10%\r20%\r\ndone", "10%\n20%\ndone"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\x1b(Bx\x1bcy", "xy"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


# ---------------------------------------------------------------- mask


@given(st.lists(values, max_size=4), hostile, st.data())
def test_no_secret_stays(secrets: list[str], text: str, data: st.DataObject) -> None:
    secrets = [one for one in secrets if not set(one) & set(MASK)]
    held = "".join(data.draw(st.permutations([text, *secrets, "-"])))
    assert not [one for one in secrets if one in mask(held, secrets)]


def test_a_secret_in_another_is_masked_with_it() -> None:
    assert mask("x hunter2.hunter2/long y hunter2.", ["hunter2.", "hunter2.hunter2/long"]) == f"x {MASK} y {MASK}"


def test_an_empty_secret_masks_nothing() -> None:
    assert mask("text", [""]) == "text"


LETTERS = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5"
KEY = "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----"
SHAPES = [
    f"sk-ant-api03-{LETTERS}", f"ghp_{LETTERS}", f"github_pat_{LETTERS}", f"glpat-{LETTERS}",
    "AKIAIOSFODNN7EXAMPLE", f"AIza{LETTERS}", f"npm_{LETTERS}", f"xoxb-{LETTERS}",
    f"eyJhbGciOiJI.{LETTERS}.{LETTERS}",
    f"sk_live_{LETTERS}", f"SG.{LETTERS}.{LETTERS}", KEY.format(f"{LETTERS}\n{LETTERS}\nab=\n"),
    KEY.format(f"\\n{LETTERS}\\n"),
    KEY.format(f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{LETTERS}\n"),
]  # fmt: skip


@pytest.mark.parametrize("token", SHAPES, ids=[one[:14] for one in SHAPES])
@pytest.mark.parametrize("around", ["{}", "KEY={}", "('{}')", "a {} b\n", "https://x/?k={}&b"])
def test_tokens_of_known_shapes(token: str, around: str) -> None:
    assert mask(around.format(token), ()) == around.format(MASK)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"Authorization: Bearer {LETTERS}", f"Authorization: Bearer {MASK}"),
        ("git push https://me:hunter2@git.example.org/x", f"git push https://{MASK}@git.example.org/x"),
        (f"https://hooks.slack.com/services/T0/B0/{LETTERS}", f"https://hooks.slack.com/services/{MASK}"),
        (KEY.format(f"{LETTERS}\n")[:68] + "\nand so on", f"{MASK}\nand so on"),
    ],
)
def test_secrets_in_their_place(text: str, masked: str) -> None:
    assert mask(text, ()) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Implement bearer authentication/authorization",
        "the class .sk-folding-cube-container",
        "Look for `-----BEGIN PRIVATE KEY-----` in uploads, and say which file has it.",
        "DATABASE_URL=postgres://postgres:postgres@localhost:5432/test pytest",
        "npm_config_registry, task-force-2026-report-final, eyJ is how they begin",
        "https://example.org/a:b@c",
    ],
)
def test_prose_is_no_token(text: str) -> None:
    assert mask(text, ()) == text


@pytest.mark.parametrize("before", ["+", "-", "> ", "    ", "| "])
def test_a_private_key_in_a_diff_or_quote(before: str) -> None:
    key = KEY.format(f"{LETTERS}\n{LETTERS}\nab=\n")
    quoted = "\n".join(before + line for line in key.splitlines())
    assert mask(f"{quoted}\nand so on", ()) == f"{before}{MASK}\nand so on"


def test_secrets_of_an_environment() -> None:
    env = {"MY_API_KEY": "v-api-key", "DB_PASS": "v-db-pass", "GITHUB_TOKEN": "v-github",
           "authorization": "v-basic-x", "PGPASSWORD": " v-padded\n", "SLACK_WEBHOOK": "v-webhook",
           "KEY_FILE": "/home/ada/.ssh/id", "PWD": "/tmp/x-y",
           "GIT_AUTHOR_NAME": "Ada Lovelace", "A_TOKEN": "short", "EDITOR": "emacs -nw", "COMPASS": "north-north",
           "AWS_SECRET": "/starts/like+a=path", "PEM_KEY": "line-one\nline-two\nx"}  # fmt: skip
    found = {"v-api-key", "v-db-pass", "v-github", "v-basic-x", "v-padded", "v-webhook", "/starts/like+a=path",
             "line-one\nline-two\nx", "line-one", "line-two"}  # fmt: skip
    assert secrets_of(env) == tuple(sorted(found))


# ---------------------------------------------------------------- cut and quote


@given(hostile.map(clean))
def test_a_fence_holds_its_text(text: str) -> None:
    tokens = MarkdownIt().parse(f"before\n\n{fence(text, 'text')}\n\n# after\n")
    assert [one.type for one in tokens if one.level == 0] == [
        "paragraph_open", "paragraph_close", "fence", "heading_open", "heading_close"
    ]  # fmt: skip
    assert next(one for one in tokens if one.type == "fence").content == f"{text.rstrip()}\n"


@given(hostile, st.integers(1, 40))
def test_one_line_is_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line == one_line(text, 10**6) or line.endswith("…")


@given(hostile, st.integers(1, 5), st.integers(0, 20))
def test_a_tail_is_the_end(text: str, lines: int, chars: int) -> None:
    end = tail(text, lines, chars)
    assert len(end) <= chars
    assert len(end.splitlines()) <= lines
    assert "\n".join(text.rstrip().splitlines()).endswith(end.removeprefix("…"))


def test_tail() -> None:
    assert tail("a\nb\nc\n\n", 2) == "b\nc"
    assert tail("abcdef\nghi", chars=6) == "…f\nghi"
    assert not tail("text", chars=0)
