"""The memory file (CLAUDE.md, AGENTS.md): what it tells, what ralph writes into it, what an agent may add.

ralph's queue and log stand between comment markers, as plain bullets. Only such bullets are ever replaced, so all
that people wrote stays byte for byte. The document is parsed only when the text around the bullets is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ralph.core import markdown
from ralph.core.blocks import BOM, Heading, read
from ralph.core.rules import BLOCK, BULLET, FENCE, TITLES, Told, plain, rules, sections, skeleton
from ralph.errors import RalphError
from ralph.text import clean, mask, one_line

__all__ = ["Told", "merge_agent", "record", "rules", "unwritable"]

QUEUE, LOG = "queue", "log"
BLANK = re.compile(rb"(?:\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r)\Z")  # a blank line at the end
LOG_KEPT, QUEUE_SHOWN = 30, 10
MOST_WRITTEN = 500_000  # bytes of a file that ralph still writes into
STARTS_A_BLOCK = re.compile(  # where a backslash makes it text
    r"\A(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+*](?:\s|$)|#{1,6}(?:\s|$)|[><]|`{3}|~{3}"
    r"|\[(?:.*\]:|[ xX]\])|(?:[-*_]\s*){3,}$))"
)


# ---------------------------------------------------------------- ralph's part


def record(data: bytes | None, *, starter: str, entry: str, queue: Sequence[str]) -> bytes:
    """The file with a new log entry and the tasks that come next; `starter` is used where there is no file.

    The same entry twice in a row is one entry. A file in which `unwritable` finds something comes back as it was.
    """
    text = prepared(starter.encode() if data is None else data)
    if text is None:
        return data or b""
    found = _blocks(text)
    rest = [f"and {len(queue) - QUEUE_SHOWN} more"] if len(queue) > QUEUE_SHOWN else []
    lines = {
        QUEUE: [bullet(one) for one in (*queue[:QUEUE_SHOWN], *rest)],
        LOG: _log([line for line in found[LOG][4].splitlines() if line.strip()], bullet(entry)),
    }
    for name in sorted(found, key=lambda name: -found[name].start()):  # from below: the offsets above stay true
        block = found[name]
        body = b"".join(line + block[3] for line in lines[name])
        text = text[: block.start(4)] + body + text[block.end(4) :]
    return text


def unwritable(data: bytes | None) -> str:
    """Why ralph can't keep its queue and log in this file, a sentence; empty: it can."""
    if data is None or prepared(data) is not None:
        return ""
    if len(data) > MOST_WRITTEN:
        return f"The memory file is larger than {MOST_WRITTEN // 1000} kB."
    return "No place for the queue and the log was found: a code fence, a comment or an HTML block is not closed."


def prepared(data: bytes) -> bytes | None:
    """The file with markers for queue and log; None where no place for them can be proved."""
    if len(data) > MOST_WRITTEN:
        return None
    found = _blocks(data)
    for name in (QUEUE, LOG):
        if name not in found:
            data = next((one for one in _with_markers(data, name) if name in _blocks(one)), b"")
            if not data:
                return None
    return data


def bullet(text: str) -> bytes:
    """One line of Markdown that is a list item of plain text, whatever the text."""
    return f"- {_harmless(one_line(clean(text)))}".encode()


def _harmless(line: str) -> str:
    return STARTS_A_BLOCK.sub(r"\g<1>\\", line.replace("<!--", "&lt;!--"))


def _log(old: list[bytes], new: bytes) -> list[bytes]:
    return (old if old[:1] == [new] else [new, *old])[:LOG_KEPT]


def _blocks(data: bytes) -> dict[str, re.Match[bytes]]:
    """The blocks of the queue and of the log, as far as they are there."""
    found = list(BLOCK.finditer(data))
    return {name: found[number] for name, number in _real(skeleton(data)).items()}


@lru_cache(maxsize=8)
def _real(data: bytes) -> dict[str, int]:
    """Which of the blocks are what they seem, and not lines in a code fence: name -> number of the first."""
    if not BLOCK.search(data):
        return {}
    try:
        document = read(data)
    except RalphError:
        return {}
    comments = {
        document.starts[token.map[0]] for token in document.tokens if token.type == "html_block" and token.map
    }
    found = [(n, one) for n, one in enumerate(BLOCK.finditer(data)) if {one.start(), one.end()} <= comments]
    return {one[2].decode(): n for n, one in reversed(found)}


def _with_markers(data: bytes, name: str) -> Iterator[bytes]:
    """Markers in the section of that name; else in a new one."""
    eol = _eol(data)
    markers = [f"<!-- ralph:{name} -->".encode(), f"<!-- /ralph:{name} -->".encode()]
    for one in _headings(data):
        if plain(one.title) == TITLES[name].lower():
            yield _insert(data, one.body, [*markers], eol)
    for at in _ends(data):
        yield _insert(data, at, [f"## {TITLES[name]}".encode(), b"", *markers], eol)


def _ends(data: bytes) -> tuple[int, ...]:
    """Where a section can be added: at the end or, where a fence is open there, above the last heading."""
    return (len(data), *(one.start for one in _headings(data)[-1:]))


def _eol(data: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in data else b"\n"


def _headings(data: bytes) -> tuple[Heading, ...]:
    try:
        return markdown.headings(data)
    except RalphError:
        return ()


def _insert(data: bytes, at: int, lines: Sequence[bytes], eol: bytes) -> bytes:
    """The lines, with an empty one above and below where there is none."""
    above, below = data[:at].removeprefix(BOM), data[at:]
    if above and not above.endswith((b"\n", b"\r")):
        lines = [b"", *lines]
    if above and not BLANK.search(above):
        lines = [b"", *lines]
    if below and not re.match(rb"[ \t]*[\r\n]", below):
        lines = [*lines, b""]
    return data[:at] + b"".join(line + eol for line in lines) + below


# ---------------------------------------------------------------- the agent's part

ADDABLE = {title.lower(): title for title in ("Known Issues", "Architectural Invariants")}
MOST_LINES, MOST_CHARS = 10, 2000  # that one attempt may add under a heading
LONGEST = 300  # characters of one line
NAMED = 5  # lines that are quoted in what is said about a section
MOST_BYTES = 100_000  # of a file that is still added to
MOST_GROWTH = 200_000  # bytes; what grew by more is not even read


def merge_agent(
    base: bytes | None, left: bytes | None, *, starter: str = "", secrets: Sequence[str] = ()
) -> tuple[bytes | None, tuple[str, ...]]:
    """The base with what an agent may add: lines under Known Issues and Architectural Invariants, bounded.

    Everything else that it did to the file is dropped and named, a sentence each. Where there was no file, what it
    may add stands in the `starter`.
    """
    if left == base:
        return base, ()
    if left is None:
        return base, ("The memory file was deleted; it is put back.",)
    try:
        then, now = _grouped(base or b""), _grouped(_readable(base or b"", left))
    except RalphError as error:
        return base, (f"The edit of the memory file is dropped: {error.what}.",)
    start = kept = starter.encode() if base is None else base
    dropped = [
        f"“{_title(title, secrets)}” was removed; it stays." for name, (title, _) in then.items() if name not in now
    ]
    for name, (title, text) in now.items():
        known = then.get(name, ("", ""))[1]
        if name in ADDABLE:
            kept, said = _merge_section(kept, name, known, text, secrets)
            dropped += said
        elif text != known:
            dropped.append(f"A change under “{_title(title, secrets)}” is dropped.")
    if kept == start:
        return base, tuple(dropped) or ("An edit of the memory file is dropped.",)
    return kept, tuple(dropped)


def _readable(base: bytes, left: bytes) -> bytes:
    if len(left) > len(base) + MOST_GROWTH:
        raise RalphError(f"the file grew by {(len(left) - len(base)) / 1000:.0f} kB")
    return left


def _title(title: str, secrets: Sequence[str]) -> str:
    return one_line(mask(title, secrets), 60) or "(no heading)"


def _grouped(data: bytes) -> dict[str, tuple[str, str]]:
    """A heading's plain words -> the heading, and all text that stands directly under headings like it."""
    found: dict[str, tuple[str, str]] = {}
    for title, text in sections(data):
        first, known = found.get(plain(title), (clean(title), ""))
        found[plain(title)] = first, f"{known}\n\n{text}".strip()
    return found


def _merge_section(
    data: bytes, name: str, old: str, new: str, secrets: Sequence[str]
) -> tuple[bytes, list[str]]:  # fmt: skip
    """The file with the new lines of a section, and sentences about what else was done to it."""
    title = ADDABLE[name]
    before, after = _entries(old), _entries(new)
    gone = [one for one in before if one not in after]
    stays = f"under “{title}” was changed or removed; it stays as it was"
    said = [f"A line {stays}: {_title(one, secrets)}" for one in gone[:NAMED]]
    if len(gone) > NAMED:
        said.append(f"The same goes for {len(gone) - NAMED} more lines under “{title}”.")
    if len(FENCE.findall(new)) > len(FENCE.findall(old)):
        said.append(f"A code block under “{title}” is dropped: only plain lines can be added.")
    lines = _new(before, after, gone)
    short = [one_line(mask(line, secrets), LONGEST) for line in lines[:MOST_LINES]]
    while sum(map(len, short)) > MOST_CHARS:
        short.pop()
    if len(short) < len(lines):
        said.append(f"{len(lines) - len(short)} of {len(lines)} new lines under “{title}” are too much; dropped.")
    return _append(data, title, short, said)


def _entries(text: str) -> list[str]:
    """The bullets and paragraphs of a section, each on one line; code blocks left out."""
    entries: list[str] = []
    fenced = open_ = False
    for line in text.splitlines():
        bullet_ = BULLET.match(line)
        if FENCE.match(line):
            fenced, open_ = not fenced, False
        elif fenced or not line.strip():
            open_ = False
        elif open_ and not bullet_:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line[bullet_.end() if bullet_ else 0 :].strip())
            open_ = True
    return [one for one in entries if one]


def _new(before: Sequence[str], after: Sequence[str], gone: Sequence[str]) -> list[str]:
    """What is new, without what only says an old line in other words."""
    from difflib import get_close_matches

    added = [one for one in dict.fromkeys(after) if one not in before]
    reworded = {near for old in gone[:20] for near in get_close_matches(old, added[:20], n=1)}
    return [one for one in added if one not in reworded]


def _append(data: bytes, title: str, lines: Sequence[str], said: list[str]) -> tuple[bytes, list[str]]:
    if lines and len(data) > MOST_BYTES:
        return data, [*said, f"Nothing is added under “{title}”: the memory file is larger than 100 kB."]
    try:
        for line in lines:
            ready = data if _heading(data, title) else _with_section(data, title)
            data = markdown.append_under(ready, _heading(ready, title), _harmless(line))
    except RalphError as error:
        said = [*said, f"A line can't be added under “{title}”: {error.what}."]
    return data, said


def _heading(data: bytes, title: str) -> str:
    """The heading as it stands in the file; empty where there is none."""
    return next((one.title.strip() for one in markdown.headings(data) if plain(one.title) == title.lower()), "")


def _with_section(data: bytes, title: str) -> bytes:
    tries = (_insert(data, at, [f"## {title}".encode()], _eol(data)) for at in _ends(data))
    return next((one for one in tries if _heading(one, title)), data)
