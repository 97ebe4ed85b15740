"""The memory file (CLAUDE.md, AGENTS.md): what it tells, what ralph writes into it, what an agent may add.

ralph's queue and log stand between comment markers, and only what is between them is ever replaced: hand-written
text stays byte for byte. What is generated is plain bullets, so a place that was proven once needs no new proof.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ralph.core import markdown
from ralph.text import clean, one_line

QUEUE, LOG = "queue", "log"
TITLES = {QUEUE: "Active Task Queue", LOG: "Completed Tasks Log"}
ADDABLE = ("Known Issues", "Architectural Invariants")
LOG_KEPT, QUEUE_SHOWN = 30, 10
MOST_LINES, MOST_CHARS = 10, 2000
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(rb"(<!-- ralph:(queue|log) -->\r?\n).*?(<!-- /ralph:\2 -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Told:
    """What a memory file tells: patterns that nobody may touch, and its sections as text."""

    protected: tuple[str, ...] = ()
    sections: tuple[tuple[str, str], ...] = ()  # (title, text), without ralph's own and the empty ones


def rules(data: bytes | None) -> Told:
    """Read the file of the base. Never fails: a file that can't be read tells nothing."""
    return _rules(BLOCK.sub(rb"\1\3", data)) if data else Told()


@lru_cache(maxsize=8)
def _rules(data: bytes) -> Told:
    found = _sections(data)
    protected = tuple(path for title, text in found if title.lower() == "do not touch" for path in _paths(text))
    own = set(TITLES.values())
    return Told(protected, tuple((title, text) for title, text in found if text and title not in own))


def _sections(data: bytes) -> list[tuple[str, str]]:
    headings = markdown.headings(data)
    ends = [*(one.start for one in headings), len(data)][1:]
    return [(one.title, _text(data[one.body : end])) for one, end in zip(headings, ends, strict=True)]


def _text(data: bytes) -> str:
    return re.sub(r"<!--.*?-->", "", clean(data.decode(errors="replace")), flags=re.DOTALL).strip()


def _paths(text: str) -> list[str]:
    """The code spans of each line, else a bullet's first word where that looks like a path."""
    paths = []
    for line in text.splitlines():
        bullet = re.match(r"\s*[-*+]\s+(\S+)", line)
        words = CODE.findall(line) or ([bullet[1]] if bullet and re.search(r"[/.*]", bullet[1]) else [])
        paths += [word.strip().rstrip(",;:") for word in words]
    return paths


# ---------------------------------------------------------------- ralph's part


def record(data: bytes | None, *, starter: str, entry: str, queue: Sequence[str]) -> bytes:
    """The file with a new log entry and the tasks that come next; `starter` is used where there is no file.

    The same entry twice in a row is one entry. RalphError where a marker can't be placed safely.
    """
    text = starter.encode() if data is None else data
    for name in (QUEUE, LOG):
        text = text if _block(text, name) else _with_markers(text, name)
    old = [line for line in _between(text, LOG) if line.strip()]
    new = f"- {one_line(clean(entry))}"
    log = ([] if old[:1] == [new] else [new]) + old
    text = _fill(text, LOG, log[:LOG_KEPT])
    rest = [f"- and {len(queue) - QUEUE_SHOWN} more"] if len(queue) > QUEUE_SHOWN else []
    return _fill(text, QUEUE, [*(f"- {one_line(clean(one))}" for one in queue[:QUEUE_SHOWN]), *rest])


def _block(data: bytes, name: str) -> re.Match[bytes] | None:
    return next((found for found in BLOCK.finditer(data) if found[2] == name.encode()), None)


def _between(data: bytes, name: str) -> list[str]:
    found = _block(data, name)
    return data[found.end(1) : found.start(3)].decode(errors="replace").splitlines() if found else []


_PROVEN: dict[tuple[bytes, bytes], None] = {}


def _fill(data: bytes, name: str, lines: Sequence[str]) -> bytes:
    """Replace what stands between the markers, proven by a parse where the text around them is new."""
    found = _block(data, name)
    if found is None:
        return data
    around = BLOCK.sub(rb"\1\3", data[: found.end(1)]), BLOCK.sub(rb"\1\3", data[found.start(3) :])
    body = "\n".join(lines)
    if around not in _PROVEN:
        done = markdown.replace_between(data, f"<!-- ralph:{name} -->", f"<!-- /ralph:{name} -->", body)
        _PROVEN[around] = None
        return done
    end = b"\r\n" if found[1].endswith(b"\r\n") else b"\n"
    filled = b"".join(line.encode() + end for line in lines)
    return data[: found.end(1)] + filled + data[found.start(3) :]


def _with_markers(data: bytes, name: str) -> bytes:
    """Markers in the section of that name, or in a new one at the end."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    markers = b"".join((f"<!-- ralph:{name} -->".encode(), end, f"<!-- /ralph:{name} -->".encode(), end))
    same = [one for one in markdown.headings(data) if one.title.strip().lower() == TITLES[name].lower()]
    if len(same) == 1:
        return data[: same[0].body] + end + markers + end + data[same[0].body :]
    gap = end if data.endswith((b"\n", b"\r")) or not data else end + end
    return data + gap + f"## {TITLES[name]}".encode() + end + end + markers


# ---------------------------------------------------------------- the agent's part


def merge_agent(base: bytes | None, left: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """The base with what an agent may add: lines under Known Issues and Architectural Invariants, bounded.

    Everything else that it did to the file is dropped and named, a sentence each.
    """
    if left == base:
        return base, ()
    if left is None:
        return base, ("The memory file was deleted; it is put back.",)
    kept, dropped = base, []
    then, now = dict(_sections(base or b"")), dict(_sections(left))
    for title, text in now.items():
        added, gone = _added(then.get(title, ""), text), _added(text, then.get(title, ""))
        if title in ADDABLE and base is not None:
            kept, said = _append(kept or b"", title, added)
            dropped += said
        else:
            gone += added
        dropped += [f"A change under “{one_line(clean(title), 60)}” is dropped."] if gone else []
    dropped += [
        f"The section “{one_line(clean(title), 60)}” was removed; it stays." for title in then if title not in now
    ]
    return kept, tuple(dict.fromkeys(dropped)) or (
        () if kept != base else ("An edit of the memory file is dropped.",)
    )


def _added(old: str, new: str) -> list[str]:
    before = set(old.splitlines())
    return [line for line in new.splitlines() if line.strip() and line not in before]


def _append(data: bytes, title: str, lines: Sequence[str]) -> tuple[bytes, list[str]]:
    kept, said = lines[:MOST_LINES], []
    if len(lines) > len(kept) or sum(map(len, kept)) > MOST_CHARS:
        said.append(f"Under “{title}” only {MOST_LINES} short lines can be added at a time; the rest is dropped.")
    room = MOST_CHARS
    for line in kept:
        entry = one_line(clean(line).lstrip("-*+ #"), 300).replace("<!--", "").replace("```", "")
        room -= len(entry)
        if entry and room >= 0:
            data = markdown.append_under(data, title, entry)
    return data, said
