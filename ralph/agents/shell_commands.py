"""Shell commands that only read. Agents without a read tool use `cat`, which does not edit."""

from __future__ import annotations

import re

SEPARATORS = re.compile(r"&&|\|\||[;|\n]")
DOUBTFUL = re.compile(r"[>`]|\$\(|<\(|(?<!&)&(?!&)|--output|--pre\b|--ext-diff|--textconv")
READERS = {"cat", "head", "tail", "grep", "egrep", "fgrep", "rg", "ls", "wc", "nl", "file", "stat", "cmp", "diff",
           "cd", "pwd", "true", "echo", "printf"}  # fmt: skip
GIT_READERS = {"show", "diff", "log", "status", "grep", "ls-files", "blame", "rev-parse"}
SED_PRINT = re.compile(r"""sed\s+-n\s+(['"]?)[\d,$]+p\1(\s|$)""")


def only_reads(command: str) -> bool:
    """Whether every part of a shell command is known to change no file. False if in doubt."""
    return not DOUBTFUL.search(command) and all(_part_reads(part.strip()) for part in SEPARATORS.split(command))


def _part_reads(part: str) -> bool:
    words = part.split()
    if not words:
        return True
    if words[0] == "git":
        return len(words) > 1 and words[1] in GIT_READERS
    return words[0] in READERS or bool(SED_PRINT.match(part))
