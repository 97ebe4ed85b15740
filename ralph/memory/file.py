"""The memory file (CLAUDE.md, AGENTS.md): what it tells, what ralph writes into it, what an agent may add.

ralph's queue and log stand between comment markers, as plain bullets with an empty line above and below. Only such
bullets are ever replaced, so all that people wrote stays byte for byte. The document is parsed only when the text
around the bullets is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ralph.errors import RalphError
from ralph.memory.agent_edits import merge_agent
from ralph.memory.sections import BLOCK, TITLES, MemoryRules, plain_title, rules, skeleton
from ralph.prd.markdown.blocks import read_document
from ralph.prd.markdown.insert import bullet, ends, headings_or_none, insert, line_end

__all__ = ["MemoryRules", "blocks", "conflicted", "merge_agent", "record", "rules", "unwritable"]

QUEUE, LOG = "queue", "log"
QUEUE_SHOWN = 10
MOST_WRITTEN = 500_000  # bytes of a file that ralph still writes into
CONFLICT = (b"<<<<<<< ", b"=======", b">>>>>>> ")  # how lines begin that a merge leaves, in this order


def record(data: bytes | None, *, starter: str, entry: str, queue: Sequence[str]) -> bytes:
    """The file with a new log entry and the tasks that come next; `starter` is used where there is no file.

    The same entry twice in a row is one entry; `archive.compact` keeps the log short. A file in which `unwritable`
    finds something comes back as it was.
    """
    text = prepared(starter.encode() if data is None else data)
    if text is None:
        return data or b""
    found = blocks(text)
    rest = [f"and {len(queue) - QUEUE_SHOWN} more"] if len(queue) > QUEUE_SHOWN else []
    lines = {
        QUEUE: [bullet(name) for name in (*queue[:QUEUE_SHOWN], *rest)],
        LOG: _log([line for line in found[LOG][4].splitlines() if line.strip()], bullet(entry)),
    }
    for name in sorted(found, key=lambda name: -found[name].start()):  # from below: the offsets above stay true
        block = found[name]
        body = b"".join(line + block[3] for line in set_apart(lines[name]))
        text = text[: block.start(4)] + body + text[block.end(4) :]
    return text


def set_apart(lines: Sequence[bytes]) -> list[bytes]:
    """The lines between two markers, with the empty ones that formatters put there."""
    return [b"", *lines, b""] if lines else [b""]


def unwritable(data: bytes | None) -> str:
    """Why ralph can't keep its queue and log in this file, a sentence; empty: it can."""
    if data is None or prepared(data) is not None:
        return ""
    if len(data) > MOST_WRITTEN:
        return f"The memory file is larger than {MOST_WRITTEN // 1000} kB."
    return "No place for the queue and the log was found: a code fence, a comment or an HTML block is not closed."


def conflicted(data: bytes | None) -> bool:
    """Whether a merge left its conflict markers in the file."""
    lines = iter((data or b"").splitlines())
    return all(any(line.startswith(marker) for line in lines) for marker in CONFLICT)


def prepared(data: bytes) -> bytes | None:
    """The file with markers for queue and log; None where no place for them can be proved."""
    if len(data) > MOST_WRITTEN:
        return None
    found = blocks(data)
    for name in (QUEUE, LOG):
        if name not in found:
            data = next((marker for marker in _with_markers(data, name) if name in blocks(marker)), b"")
            if not data:
                return None
    return data


def _log(old: list[bytes], new: bytes) -> list[bytes]:
    return old if old[:1] == [new] else [new, *old]


def blocks(data: bytes) -> dict[str, re.Match[bytes]]:
    """The blocks of the queue and of the log, as far as they are there."""
    found = list(BLOCK.finditer(data))
    return {name: found[number] for name, number in _real(skeleton(data)).items()}


@lru_cache(maxsize=8)
def _real(data: bytes) -> dict[str, int]:
    """Which of the blocks are what they seem, and not lines in a code fence: name -> number of the first."""
    if not BLOCK.search(data):
        return {}
    try:
        document = read_document(data)
    except RalphError:
        return {}
    comments = {
        document.starts[token.map[0]] for token in document.tokens if token.type == "html_block" and token.map
    }
    found = [(n, match) for n, match in enumerate(BLOCK.finditer(data)) if {match.start(), match.end()} <= comments]
    return {match[2].decode(): n for n, match in reversed(found)}


def _with_markers(data: bytes, name: str) -> Iterator[bytes]:
    """Markers in the section of that name; else in a new one."""
    eol = line_end(data)
    markers = [f"<!-- ralph:{name} -->".encode(), b"", f"<!-- /ralph:{name} -->".encode()]
    for heading in headings_or_none(data):
        if plain_title(heading.title) == TITLES[name].lower():
            yield insert(data, heading.body, [*markers], eol)
    for at in ends(data):
        yield insert(data, at, [f"## {TITLES[name]}".encode(), b"", *markers], eol)
