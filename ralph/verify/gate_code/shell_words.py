"""Read shell text as far as needed to see which files it runs and names: simple commands, as lists of words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

MOST_COMMANDS = 2000  # of one text
MOST_NESTED = 4  # substitutions in substitutions
INNER = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
KEYWORDS = frozenset(
    {"if", "then", "else", "elif", "fi", "do", "done", "while", "until", "!", "{", "}", "time", "exec"}
)


def commands_in(text: str, depth: int = 0) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each simple command, and whether it stands in a substitution, as its output is a value."""
    for line in re.sub(r"\\\n", " ", text).splitlines()[:MOST_COMMANDS]:
        words: list[str] = []
        for word in _words(line):
            if word and set(word) <= set("();|&"):
                yield from ((command, depth > 0) for command in _command(words))
                words = []
            else:
                words.append(word)
        yield from ((command, depth > 0) for command in _command(words))
        if depth < MOST_NESTED:
            for match in INNER.finditer(line):
                yield from commands_in(match[1] or match[2] or "", depth + 1)


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and words[0] in KEYWORDS:
        words = words[1:]
    if words:
        yield words


def _words(line: str) -> list[str]:
    """Return the words and operators of a line; without its quotes if these do not close in it."""
    for text in (line, re.sub(r"['\"]", " ", line)):
        reader = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
        reader.whitespace_split = True
        reader.commenters = ""
        try:
            return _without_comment(list(reader))
        except ValueError:
            continue
    return line.split()


def _without_comment(words: list[str]) -> list[str]:
    at = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:at]
