"""The lines that an agent may add to the memory file, under two headings. Everything else stays unchanged."""

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
NAMED = 5  # lines that a sentence about a section quotes
MOST_BYTES = 100_000  # of a file that agents may still extend
MOST_GROWTH = 200_000  # bytes; a file that grew by more is not read


def merge_agent(
    base: bytes | None, work: bytes | None, *, starter: str = "", secrets: Sequence[str] = ()
) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the base with new lines under Known Issues and Architectural Invariants, bounded, and the dropped
    changes.

    Each dropped change is one sentence. If the file did not exist, the lines are added to `starter`.
    """
    if work == base:
        return base, ()
    if work is None:
        return base, ("The memory file was deleted; it is put back.",)
    try:
        then, now = _grouped(base or b""), _grouped(_readable(base or b"", work))
    except RalphError as error:
        return base, (f"The edit of the memory file is dropped: {error.what}.",)
    start = result = starter.encode() if base is None else base
    dropped = [
        f"“{_title(title, secrets)}” was removed; it stays." for name, (title, _) in then.items() if name not in now
    ]
    for name, (title, text) in now.items():
        known = then.get(name, ("", ""))[1]
        if name in ADDABLE:
            result, notes = _merge_section(result, name, known, text, secrets)
            dropped += notes
        elif text != known:
            dropped.append(f"A change under “{_title(title, secrets)}” is dropped.")
    if result == start:
        return base, tuple(dropped) or ("An edit of the memory file is dropped.",)
    return result, tuple(dropped)


def _readable(base: bytes, work: bytes) -> bytes:
    if len(work) > len(base) + MOST_GROWTH:
        raise RalphError(f"the file grew by {(len(work) - len(base)) / 1000:.0f} kB")
    return work


def _title(title: str, secrets: Sequence[str]) -> str:
    return one_line(mask(title, secrets), 60) or "(no heading)"


def _grouped(data: bytes) -> dict[str, tuple[str, str]]:
    """Return for each plain heading its full heading and the text directly under all headings of that name."""
    groups: dict[str, tuple[str, str]] = {}
    for title, text in sections(data):
        first, known = groups.get(plain_title(title), (clean(title), ""))
        groups[plain_title(title)] = first, f"{known}\n\n{text}".strip()
    return groups


def _merge_section(
    data: bytes, name: str, old: str, new: str, secrets: Sequence[str]
) -> tuple[bytes, list[str]]:  # fmt: skip
    """Return the file with the new lines of a section, and sentences about its dropped changes."""
    title = ADDABLE[name]
    before, after = _entries(old), _entries(new)
    gone = [item for item in before if item not in after]
    stays = f"under “{title}” was changed or removed; it stays as it was"
    notes = [f"A line {stays}: {_title(text, secrets)}" for text in gone[:NAMED]]
    if len(gone) > NAMED:
        notes.append(f"The same goes for {len(gone) - NAMED} more lines under “{title}”.")
    if len(FENCE.findall(new)) > len(FENCE.findall(old)):
        notes.append(f"A code block under “{title}” is dropped: only plain lines can be added.")
    lines = _new(before, after, gone)
    short = [one_line(mask(line, secrets), LONGEST) for line in lines[:MOST_LINES]]
    while sum(map(len, short)) > MOST_CHARS:
        short.pop()
    if len(short) < len(lines):
        notes.append(f"{len(lines) - len(short)} of {len(lines)} new lines under “{title}” are too much; dropped.")
    return _append(data, title, short, notes)


def _entries(text: str) -> list[str]:
    """Return the bullets and paragraphs of a section, each as one line, without code blocks."""
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
    """Return the new entries, without those that only reword an old one."""
    from difflib import get_close_matches

    added = [fromkey for fromkey in dict.fromkeys(after) if fromkey not in before]
    reworded = {near for old in gone[:20] for near in get_close_matches(old, added[:20], n=1)}
    return [name for name in added if name not in reworded]


def _append(data: bytes, title: str, lines: Sequence[str], notes: list[str]) -> tuple[bytes, list[str]]:
    if lines and len(data) > MOST_BYTES:
        return data, [*notes, f"Nothing is added under “{title}”: the memory file is larger than 100 kB."]
    try:
        for line in lines:
            ready = data if _heading(data, title) else _with_section(data, title)
            data = markdown.append_under(ready, _heading(ready, title), harmless(line))
    except RalphError as error:
        notes = [*notes, f"A line can't be added under “{title}”: {error.what}."]
    return data, notes


def _heading(data: bytes, title: str) -> str:
    """Return the heading as the file spells it; "" if it has none."""
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
