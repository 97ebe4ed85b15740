"""What a memory file (CLAUDE.md, AGENTS.md) tells: its sections, and the paths that nobody may touch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ralph.immutable import immutable
from ralph.prd.markdown import edit as markdown
from ralph.text import clean

TITLES = {"queue": "Active Task Queue", "log": "Completed Tasks Log"}  # ralph's own
PROTECTED = frozenset(
    f"{never} {what}" for never in ("do not", "don't", "don’t") for what in ("touch", "modify", "change", "edit")
)

# A block holds bullets, their indented lines and blank ones: nothing else that a person may have put there.
BLOCK = re.compile(
    rb"^(<!-- ralph:(queue|log) -->[ \t]*(\r?\n))((?:(?:[-*+][ \t].*|[ \t].*|\r?)\n)*+)"
    rb"(?=<!-- /ralph:\2 -->[ \t]*\r?$)",
    re.MULTILINE,
)
COMMENT = re.compile(r"<!--(?:(?!<!--).)*?-->", re.DOTALL)


@immutable
class MemoryRules:
    """What a memory file tells: patterns that nobody may touch, and its sections as text."""

    protected: tuple[str, ...] = ()
    sections: tuple[
        tuple[str, str], ...
    ] = ()  # (title, text), without ralph's own and the empty ones; "": no title


def rules(data: bytes | None) -> MemoryRules:
    """Read the file of the base. RalphError for a file that is too large to be read."""
    return _rules(skeleton(data)) if data else MemoryRules()


def skeleton(data: bytes) -> bytes:
    """The document with nothing in ralph's blocks: equal before and after each task, so it is parsed once."""
    return BLOCK.sub(rb"\1", data)


@lru_cache(maxsize=8)
def _rules(data: bytes) -> MemoryRules:
    own = {title.lower() for title in TITLES.values()}
    told = tuple((title, text) for title, text in sections(data) if text and plain_title(title) not in own)
    protecting = [heading for heading in markdown.headings(data) if plain_title(heading.title) in PROTECTED]
    found = [path for heading in protecting for path in paths(_text(data[heading.body : heading.end]))]
    return MemoryRules(tuple(dict.fromkeys(found)), told)


def sections(data: bytes) -> list[tuple[str, str]]:
    """Each heading with the text directly under it, without comments. First comes what has no heading, if any."""
    found = markdown.headings(data)
    ends = [*(heading.start for heading in found), len(data)]
    top = _text(data[: ends[0]])
    under = [(heading.title, _text(data[heading.body : end])) for heading, end in zip(found, ends[1:], strict=True)]
    return [("", top), *under] if top else under


def plain_title(title: str) -> str:
    """A heading's words alone, in lower case: without emphasis, numbering, emoji and colon."""
    return re.sub(r"^[\W\d_]+|[\W_]+$", "", title).lower()


def _text(data: bytes) -> str:
    return COMMENT.sub("", clean(data.decode(errors="replace"))).strip()


# ---------------------------------------------------------------- Do Not Touch

CODE = re.compile(r"`[ ]*([^`\n]*[^`\s])[ ]*`")
BULLET = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
LINK = re.compile(r"\[([^][]*)\]\([^()]*\)")
FENCE = re.compile(r"\s*(```|~~~)")
PATH = re.compile(r"(?!.*://)(?:.*[/*].*|.*\.\w{1,8}|\.\w.*)")  # a slash, a star, an ending, a dot file


def paths(text: str) -> Iterator[str]:
    """Each line of a fence; of other lines the code spans that are paths; where none is, such words.

    A name without slash, star or ending (`Makefile`) is a path where a line begins with it: “never push to `main`”
    does not protect `src/main/`. After a path at the beginning of a bullet comes the reason, without code spans.
    """
    fenced = False
    for line in text.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif fenced:
            yield from filter(None, [line.partition(" #")[0].strip()])
        else:
            bullet = BULLET.match(line)
            said = LINK.sub(r"\1", line[bullet.end() if bullet else 0 :]).strip()
            words = CODE.sub("code", said).split()
            yield from list(_spans(said)) or _words(words, listed=bullet is not None)


def _spans(line: str) -> Iterator[str]:
    for span in CODE.finditer(line):
        if not line[: span.start()].strip("*_ ") or PATH.fullmatch(span[1]):
            yield span[1]


def _words(words: list[str], *, listed: bool) -> Iterator[str]:
    bare = [word for word in map(_bare, words) if re.search(r"\w", word)]
    if len(bare) == 1 and (listed or PATH.fullmatch(bare[0])):
        yield bare[0]
    elif listed:
        found = [word for word in bare if PATH.fullmatch(word)]
        yield from found[:1] if found[:1] == bare[:1] else found


def _bare(word: str) -> str:
    """Without emphasis and what follows in the sentence: `**src/**:` is `src/`, `**/gen/**` stays."""
    word = word.strip("()\"'“”").rstrip(",;:.!")
    strong = re.fullmatch(r"\*\*([^*/].*)\*\*", word)
    return strong[1].rstrip(",;:.") if strong else word
