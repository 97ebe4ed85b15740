"""Whether two scopes may name the same path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ralph import paths as sensitive
from ralph.prd.scope_overlap import _kind, clash, common

APART = """
src/a/**            src/b/**
docs/               src/
*.py                *.md
src/*.py            src/*.md
a/*.py              a/b.md
src/a.py            src/b.py
src/a.py            src/a.pyc
/a.py               b/a.py
./a.py              b/a.py
./README.md         docs/**
src/*/models.py     src/*/views.py
src/[a-c]*.py       src/[x-z]*.py
lib/[a-c].py        lib/d.py
src/?.py            src/ab.py
a/b/c               b/c
test_*.py           *_spec.rb
README.md           package.json
Makefile            Dockerfile
/docs/              src/**
src/a\\*b            src/axb
src/v1*             src/v2*
app/[id]/page.tsx   app/x/page.tsx
!src/**             src/a.py
"""
TOGETHER = """
src/**              src/x.py
src/                src/a/b.py
src                 src/a/b.py
a/*.py              a/b*
*.py                src/a.py
*.md                docs/
*.md                docs
README.md           docs/
tests/              src/**
test_*              src/
docs                docs/
**/a.py             src/deep/a.py
a/**/z.py           a/z.py
a/**/z.py           a/b/*/z.py
src/a.py            src/a.py
./src/a.py          /src/a.py
.                   anything
**                  a/b
test_*.py           *_test.py
src/[a-c]*.py       src/b.py
src/?.py            src/[a-z].py
src/?.py            src/x.py
app/[id]/page.tsx   app/[id]/page.tsx
app/[id]/page.tsx   app/i/page.tsx
app/[id]/page.tsx   app/**
a\\*b                a*b
a/*                 */b
models              src/models/user.py
/a[!b]*.py          /a/c.py
src/[!a].py         src/b.py
src/[^a].py         src/b.py
src/[^]a].py        src/b.py
#notes              #notes
!keep               !keep
"""


def pairs(table: str) -> list[tuple[str, str]]:
    return [(one, other) for one, other in (line.split() for line in table.strip().splitlines())]


@pytest.mark.parametrize(("one", "other"), pairs(APART))
def test_apart(one: str, other: str) -> None:
    assert not clash((one,), (other,))
    assert not clash((other,), (one,))


@pytest.mark.parametrize(("one", "other"), pairs(TOGETHER))
def test_together(one: str, other: str) -> None:
    assert clash((one,), (other,))
    assert clash((other,), (one,))


def test_one_pattern_of_many_is_enough_and_is_named() -> None:
    assert common(("/docs/", "src/*.py"), ("lib/b.py", "src/a.py")) == "src/*.py"
    assert common(("/docs/", "src/*.py"), ("lib/b.py", "src/a.md")) == ""


def test_nothing_declared_clashes_with_nothing() -> None:
    assert not clash((), ("**",))
    assert not clash(("**",), ())
    assert not clash((), ())


# ---------------------------------------------------------------- the law

NAMES = st.text("ab.[]!-*\\#", min_size=1, max_size=4).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(
    ["a", "b", "ab", ".", "*", "?", "**", "[ab]", "[!b]", "[^a-b]", "[+-9]", "[]a]", "\\*", "-"]
)
PATTERN_NAMES = st.one_of(st.lists(PARTS, min_size=1, max_size=3).map("".join), NAMES, st.just("**"))
PATTERNS = st.builds(
    lambda front, names, back: front + "/".join(names) + back,
    st.sampled_from(["", "", "/", "./", "!", "#"]),
    st.lists(PATTERN_NAMES, min_size=1, max_size=4),
    st.sampled_from(["", "", "/", "/**", " "]),
)
SCOPES = st.lists(PATTERNS, min_size=1, max_size=2).map(tuple)


def loosened(path: str, data: st.DataObject) -> str:
    """A pattern made from the path itself, a character at a time: most random ones match nothing."""
    marks = [data.draw(st.sampled_from(loose(character))) for character in path]
    return data.draw(st.sampled_from(["/", "./", ""])) + "".join(marks)


def loose(character: str) -> list[str]:
    if character == "/":
        return ["/", "/", "/**/", "[+-9]"]
    wide = [f"[{character}q]", "[!q]", "[^q]", f"[{chr(ord(character) - 1)}-{chr(ord(character) + 1)}]", "?", "*"]
    return [character, f"\\{character}", *(wide if character not in "]\\-" else ["?"])]


def covers(scope: tuple[str, ...], path: str) -> bool:
    try:
        return sensitive.matches(scope, path)
    except re.error:  # a range the wrong way round: whoever asks about any path is told so
        return False


@settings(max_examples=200)
@given(SCOPES, PATTERNS, PATHS, st.data())
def test_scopes_that_share_a_path_clash(scope: tuple[str, ...], extra: str, path: str, data: st.DataObject) -> None:
    meant = (loosened(path, data),)
    for one, other in ((meant, (loosened(path, data),)), (meant, scope), ((*meant, extra), scope)):
        shared(one, other, path)


def shared(one: tuple[str, ...], other: tuple[str, ...], path: str) -> None:
    at_their_word = any(_kind(mine) and _kind(mine) == _kind(its) for mine in one for its in other)
    if covers(one, path) and covers(other, path) and not at_their_word:
        assert clash(one, other)
        assert clash(other, one)
