"""The memory file (CLAUDE.md, AGENTS.md): ralph's task queue and log.

Both stand between comment markers, as plain bullets with an empty line above and below. Only such bullets are
replaced; all other text stays byte for byte. The document is parsed only when the text around the bullets is new.
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
MOST_WRITTEN = 500_000  # bytes of the largest file that ralph writes into
CONFLICT = (b"<<<<<<< ", b"=======", b">>>>>>> ")  # the line prefixes of a merge conflict, in order


def record(data: bytes | None, *, starter: str, entry: str, queue: Sequence[str]) -> bytes:
    """Return the file with a new log entry and the next tasks; start from `starter` if there is no file.

    An entry equal to the newest one is not repeated; `archive.compact` keeps the log short. Return a file that
    `unwritable` rejects unchanged.
    """
    text = prepared(starter.encode() if data is None else data)
    if text is None:
        return data or b""
    markers = blocks(text)
    rest = [f"and {len(queue) - QUEUE_SHOWN} more"] if len(queue) > QUEUE_SHOWN else []
    lines = {
        QUEUE: [bullet(name) for name in (*queue[:QUEUE_SHOWN], *rest)],
        LOG: _log([line for line in markers[LOG][4].splitlines() if line.strip()], bullet(entry)),
    }
    for name in sorted(markers, key=lambda name: -markers[name].start()):  # from below: the offsets above stay true
        block = markers[name]
        body = b"".join(line + block[3] for line in set_apart(lines[name]))
        text = text[: block.start(4)] + body + text[block.end(4) :]
    return text


def set_apart(lines: Sequence[bytes]) -> list[bytes]:
    """Return the lines between two markers, with the empty lines that formatters add there."""
    return [b"", *lines, b""] if lines else [b""]


def unwritable(data: bytes | None) -> str:
    """Return one sentence why ralph can't write its queue and log into this file; "" if it can."""
    if data is None or prepared(data) is not None:
        return ""
    if len(data) > MOST_WRITTEN:
        return f"The memory file is larger than {MOST_WRITTEN // 1000} kB."
    return "No place for the queue and the log was found: a code fence, a comment or an HTML block is not closed."


def conflicted(data: bytes | None) -> bool:
    """Return whether the file contains the conflict markers of a merge."""
    lines = iter((data or b"").splitlines())
    return all(any(line.startswith(marker) for line in lines) for marker in CONFLICT)


def prepared(data: bytes) -> bytes | None:
    """Return the file with markers for queue and log; None if no safe position is proved."""
    if len(data) > MOST_WRITTEN:
        return None
    markers = blocks(data)
    for name in (QUEUE, LOG):
        if name not in markers:
            data = next((marker for marker in _with_markers(data, name) if name in blocks(marker)), b"")
            if not data:
                return None
    return data


def _log(old: list[bytes], new: bytes) -> list[bytes]:
    return old if old[:1] == [new] else [new, *old]


def blocks(data: bytes) -> dict[str, re.Match[bytes]]:
    """Return the blocks of queue and log that exist."""
    matches = list(BLOCK.finditer(data))
    return {name: matches[number] for name, number in _real(skeleton(data)).items()}


@lru_cache(maxsize=8)
def _real(data: bytes) -> dict[str, int]:
    """Return name -> index among the matches of BLOCK, for the blocks outside code fences."""
    if not BLOCK.search(data):
        return {}
    try:
        document = read_document(data)
    except RalphError:
        return {}
    comments = {
        document.starts[token.map[0]] for token in document.tokens if token.type == "html_block" and token.map
    }
    matches = [
        (n, match) for n, match in enumerate(BLOCK.finditer(data)) if {match.start(), match.end()} <= comments
    ]
    return {match[2].decode(): n for n, match in reversed(matches)}


def _with_markers(data: bytes, name: str) -> Iterator[bytes]:
    """Yield the file with markers in the section of that name, then with markers in a new section."""
    eol = line_end(data)
    markers = [f"<!-- ralph:{name} -->".encode(), b"", f"<!-- /ralph:{name} -->".encode()]
    for heading in headings_or_none(data):
        if plain_title(heading.title) == TITLES[name].lower():
            yield insert(data, heading.body, [*markers], eol)
    for at in ends(data):
        yield insert(data, at, [f"## {TITLES[name]}".encode(), b"", *markers], eol)
