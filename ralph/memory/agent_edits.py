"""What an agent may add to the memory file: some lines under two headings. Everything else stays as it was."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.errors import RalphError
from ralph.memory.sections import BULLET, FENCE, plain_title, sections
from ralph.prd.markdown import edit as markdown
from ralph.prd.markdown.insert import ends, harmless, insert, line_end
from ralph.text import clean, mask, one_line

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
        first, known = found.get(plain_title(title), (clean(title), ""))
        found[plain_title(title)] = first, f"{known}\n\n{text}".strip()
    return found


def _merge_section(
    data: bytes, name: str, old: str, new: str, secrets: Sequence[str]
) -> tuple[bytes, list[str]]:  # fmt: skip
    """The file with the new lines of a section, and sentences about what else was done to it."""
    title = ADDABLE[name]
    before, after = _entries(old), _entries(new)
    gone = [item for item in before if item not in after]
    stays = f"under “{title}” was changed or removed; it stays as it was"
    said = [f"A line {stays}: {_title(text, secrets)}" for text in gone[:NAMED]]
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
    return [entry for entry in entries if entry]


def _new(before: Sequence[str], after: Sequence[str], gone: Sequence[str]) -> list[str]:
    """What is new, without what only says an old line in other words."""
    from difflib import get_close_matches

    added = [fromkey for fromkey in dict.fromkeys(after) if fromkey not in before]
    reworded = {near for old in gone[:20] for near in get_close_matches(old, added[:20], n=1)}
    return [name for name in added if name not in reworded]


def _append(data: bytes, title: str, lines: Sequence[str], said: list[str]) -> tuple[bytes, list[str]]:
    if lines and len(data) > MOST_BYTES:
        return data, [*said, f"Nothing is added under “{title}”: the memory file is larger than 100 kB."]
    try:
        for line in lines:
            ready = data if _heading(data, title) else _with_section(data, title)
            data = markdown.append_under(ready, _heading(ready, title), harmless(line))
    except RalphError as error:
        said = [*said, f"A line can't be added under “{title}”: {error.what}."]
    return data, said


def _heading(data: bytes, title: str) -> str:
    """The heading as it stands in the file; empty where there is none."""
    return next(
        (
            heading.title.strip()
            for heading in markdown.headings(data)
            if plain_title(heading.title) == title.lower()
        ),
        "",
    )


def _with_section(data: bytes, title: str) -> bytes:
    tries = (insert(data, at, [f"## {title}".encode()], line_end(data)) for at in ends(data))
    return next((attempt for attempt in tries if _heading(attempt, title)), data)
