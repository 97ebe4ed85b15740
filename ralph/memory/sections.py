"""The sections of a memory file (CLAUDE.md, AGENTS.md) and the paths that it protects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ralph.immutable import immutable
from ralph.prd.markdown import edit as markdown
from ralph.text import clean

TITLES = {"queue": "Active Task Queue", "log": "Completed Tasks Log"}  # ralph's own sections
PROTECTED = frozenset(
    f"{never} {what}" for never in ("do not", "don't", "don’t") for what in ("touch", "modify", "change", "edit")
)

# A block holds only bullets, their indented lines and blank lines. Other lines may be a person's.
BLOCK = re.compile(
    rb"^(<!-- ralph:(queue|log) -->[ \t]*(\r?\n))((?:(?:[-*+][ \t].*|[ \t].*|\r?)\n)*+)"
    rb"(?=<!-- /ralph:\2 -->[ \t]*\r?$)",
    re.MULTILINE,
)
COMMENT = re.compile(r"<!--(?:(?!<!--).)*?-->", re.DOTALL)


@immutable
class MemoryRules:
    """The protected path patterns of a memory file, and its sections as text."""

    protected: tuple[str, ...] = ()
    sections: tuple[
        tuple[str, str], ...
    ] = ()  # (title, text), without ralph's own and empty sections; title "": text above the first heading


def rules(data: bytes | None) -> MemoryRules:
    """Read the memory file of the base. Raise RalphError if it is too large."""
    return _rules(skeleton(data)) if data else MemoryRules()


def skeleton(data: bytes) -> bytes:
    """Return the document with empty ralph blocks. It is equal before and after each task, so it is parsed once."""
    return BLOCK.sub(rb"\1", data)


@lru_cache(maxsize=8)
def _rules(data: bytes) -> MemoryRules:
    own = {title.lower() for title in TITLES.values()}
    texts = tuple((title, text) for title, text in sections(data) if text and plain_title(title) not in own)
    protecting = [heading for heading in markdown.headings(data) if plain_title(heading.title) in PROTECTED]
    patterns = [path for heading in protecting for path in paths(_text(data[heading.body : heading.end]))]
    return MemoryRules(tuple(dict.fromkeys(patterns)), texts)


def sections(data: bytes) -> list[tuple[str, str]]:
    """Return each heading with the text directly under it, without comments; text without a heading comes first."""
    headings = markdown.headings(data)
    ends = [*(heading.start for heading in headings), len(data)]
    top = _text(data[: ends[0]])
    under = [
        (heading.title, _text(data[heading.body : end])) for heading, end in zip(headings, ends[1:], strict=True)
    ]
    return [("", top), *under] if top else under


def plain_title(title: str) -> str:
    """Return a heading's words in lower case, without emphasis, numbering, emoji and colon."""
    return re.sub(r"^[\W\d_]+|[\W_]+$", "", title).lower()


def _text(data: bytes) -> str:
    return COMMENT.sub("", clean(data.decode(errors="replace"))).strip()


# ---------------------------------------------------------------- Do Not Touch

CODE = re.compile(r"`[ ]*([^`\n]*[^`\s])[ ]*`")
BULLET = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
LINK = re.compile(r"\[([^][]*)\]\([^()]*\)")
FENCE = re.compile(r"\s*(```|~~~)")
PATH = re.compile(r"(?!.*://)(?:.*[/*].*|.*\.\w{1,8}|\.\w.*)")  # a slash, a star, a file extension, a dot file


def paths(text: str) -> Iterator[str]:
    """Yield each line of a fence; from other lines the code spans that are paths or, if none is, such words.

    A name without slash, star or extension (`Makefile`) is a path only at the beginning of a line: “never push to
    `main`” does not protect `src/main/`. In a bullet that begins with a path, code spans after it are part of the
    reason.
    """
    fenced = False
    for line in text.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif fenced:
            yield from filter(None, [line.partition(" #")[0].strip()])
        else:
            bullet = BULLET.match(line)
            content = LINK.sub(r"\1", line[bullet.end() if bullet else 0 :]).strip()
            words = CODE.sub("code", content).split()
            yield from list(_spans(content)) or _words(words, listed=bullet is not None)


def _spans(line: str) -> Iterator[str]:
    for span in CODE.finditer(line):
        if not line[: span.start()].strip("*_ ") or PATH.fullmatch(span[1]):
            yield span[1]


def _words(words: list[str], *, listed: bool) -> Iterator[str]:
    bare = [word for word in map(_bare, words) if re.search(r"\w", word)]
    if len(bare) == 1 and (listed or PATH.fullmatch(bare[0])):
        yield bare[0]
    elif listed:
        names = [word for word in bare if PATH.fullmatch(word)]
        yield from names[:1] if names[:1] == bare[:1] else names


def _bare(word: str) -> str:
    """Strip emphasis and trailing punctuation: `**src/**:` becomes `src/`, `**/gen/**` stays."""
    word = word.strip("()\"'“”").rstrip(",;:.!")
    strong = re.fullmatch(r"\*\*([^*/].*)\*\*", word)
    return strong[1].rstrip(",;:.") if strong else word
