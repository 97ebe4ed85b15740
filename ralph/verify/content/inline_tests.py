"""Tests that stand in the product's own files: which of their expectations an attempt changed. Pure.

The base's version of such a file can't be put back for a second run: it holds the work, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ralph import conventions, paths
from ralph.text import one_line

Texts = Mapping[str, tuple[bytes, bytes]]

LONGEST = 20  # lines of one assertion
MOST = 5  # assertions named for one file
WIDTH = 100
PROMPT = re.compile(r"^[\s#/*]*(?:>>>|iex(?:\(\d+\))?>)\s")  # of a doctest
GOES_ON = re.compile(r"^[\s#/*]*(?:\.\.\.(?:\s|\(\d+\)>|$)|\.\.\.>)")
ENDS = re.compile(r'^[\s#/*]*(?:"""|\'\'\'|```|$)')
LITERAL = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|(?<![\w.])-?\d[\w.]*|\b(?:true|false|True|False|None|null|nil)\b"""
)
OPEN, CLOSED = re.compile(r"[(\[{]"), re.compile(r"[)\]}]")


def bent(texts: Texts) -> Mapping[str, tuple[str, ...]]:
    """Return the assertions with another expected value than before, by file; not those that are gone."""
    found = {path: _bent(path, *pair) for path, pair in texts.items() if not paths.is_test(path) and all(pair)}
    return {path: tuple(one_line(line, WIDTH) for line in lines[:MOST]) for path, lines in found.items() if lines}


def is_doctest(assertion: str) -> bool:
    """Return whether it is an example in a document string, which not every project runs."""
    return PROMPT.match(assertion) is not None


def _bent(path: str, old: bytes, new: bytes) -> list[str]:
    marks = conventions.marks().get(path.rpartition(".")[2])
    if marks is None or not marks.inline.search(before := old.decode("utf-8", "replace")):
        return []
    texts = (before, new.decode("utf-8", "replace"))
    was, now = (Counter(_assertions(text.splitlines(), marks.asserts)) for text in texts)
    added = {_shape(line) for line in now - was}
    return [line for line in was - now if _shape(line) in added]


def _assertions(lines: Sequence[str], asserts: re.Pattern[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if PROMPT.match(line):
            yield _example(lines[number : number + LONGEST])
        elif asserts.search(line):
            yield _statement(lines[number : number + LONGEST])


def _example(lines: Sequence[str]) -> str:
    """Return an example with what it prints: `>>> add(1, 2) -> 3`."""
    code, printed = [lines[0].strip()], list[str]()
    for line in lines[1:]:
        if PROMPT.match(line) or ENDS.match(line):
            break
        (code if GOES_ON.match(line) and not printed else printed).append(line.strip())
    return f"{' '.join(code)} -> {' '.join(printed)}"


def _statement(lines: Sequence[str]) -> str:
    """Return an assertion up to the line that closes its brackets."""
    taken, depth = list[str](), 0
    for line in lines:
        taken.append(line.strip())
        bare = LITERAL.sub("", line)
        depth += len(OPEN.findall(bare)) - len(CLOSED.findall(bare))
        if depth <= 0:
            break
    return " ".join(taken)


def _shape(assertion: str) -> str:
    """Return the assertion without its values: an example without what it prints."""
    if is_doctest(assertion):
        return assertion.partition(" -> ")[0]
    return LITERAL.sub("#", assertion)
