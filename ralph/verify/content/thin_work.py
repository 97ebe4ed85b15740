"""Thin work: a diff that does nothing, or nothing of what the task asks. Pure.

Work is trivial if all of its changes are of one trivial kind: mode bits, white space, empty files, leftovers of
tools. A trivial diff is rejected unless the task asks for exactly that. Comments, documents and renames are work,
but a gate that stays green proves nothing about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from ralph.git.model import Change

Contents = tuple[bytes, bytes]  # of a file: before, after

LEFTOVERS = (
    "*.swp", "*.swo", "*~", ".#*", "#*#", "*.orig", "*.rej", "*.bak", "*.tmp", "*.log", "nohup.out", ".DS_Store",
    "Thumbs.db", "*.pid", ".nfs*",
)  # fmt: skip
DOCUMENTS = (
    "*.md", "*.markdown", "*.rst", "*.adoc", "*.asciidoc", "README*", "CHANGELOG*", "CHANGES*", "LICENSE*",
    "COPYING*", "AUTHORS*", "NOTICE*",
)  # fmt: skip


def _each(names: str) -> list[str]:
    return names.split()


#: Languages in which the white space at the start of a line has a meaning.
INDENTED = frozenset(_each("py pyi yml yaml mk hs haml pug sass coffee nim fs rst md gd"))
COMMENTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_each("py pyi sh bash rb pl yml yaml toml ex exs r cfg"), ("#",)),
    **dict.fromkeys(
        _each("js jsx ts tsx mjs cjs go rs java kt cs c h cc cpp hpp swift dart scala"), ("//", "/*", "*/", "* ")
    ),
    "php": ("//", "#", "/*", "*/", "* "),
    **dict.fromkeys(_each("sql lua hs elm"), ("--",)),
}
#: A comment that steers a tool is more than a comment.
DIRECTIVE = re.compile(rb"#!|//go:|//\s*@ts-|eslint|noqa|type:|pragma|nolint|istanbul|c8 |pylint|frozen_string")


class Thin(StrEnum):
    """The kinds of trivial and thin work."""

    MODE = "mode bits"
    SPACE = "white space"
    EMPTY = "empty files"
    LEFTOVER = "leftovers of tools"
    INVERSE = "the inverse of an earlier task"
    COMMENT = "comments"
    DOCUMENT = "documents"
    RENAME = "renames"
    UNRELATED = "nothing that the task names"


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)({'|'.join(words)})(?!\w)", re.IGNORECASE)


#: What a task says that asks for work of a trivial kind.
ASKS: Mapping[Thin, re.Pattern[str]] = {
    Thin.MODE: _words("executable", "chmod", "permissions?", "modes?"),
    Thin.SPACE: _words(
        "white ?spaces?", "trailing", "blanks?", "empty lines?", r"indent\w*", r"(re)?format\w*", "line endings?",
        "crlf", "lf", "newlines?", "tabs?", r"lint\w*", "prettier", "black", r"\w*fmt",
    ),
    Thin.EMPTY: _words(
        "empty", "placeholders?", r"stubs?", r"scaffold\w*", "skeletons?", r"__init__(\.py)?", r"\.(git)?keep",
        r"(create|add|make)\b[^.]*\b(folders?|director(y|ies)|packages?)",
    ),
    Thin.LEFTOVER: _words("logs?", "backups?", "fixtures?", "samples?"),
    Thin.INVERSE: _words("revert", "undo", r"roll(ing)? ?back", "back out", "restore", "remove", "delete", "drop"),
}  # fmt: skip
TRIVIAL = tuple(ASKS)
PATHS = re.compile(r"[\w./-]+\.\w+|[\w-]+(?:/[\w.-]+)+")  # words that may be paths
ABOUT_DOCUMENTS = _words(
    r"document\w*", "docs?", "docstrings?", "readme", "changelog", "describe", "explain", "guides?", r"comment\w*",
    "licen[cs]e", "tutorial", "notes?", "write ?up",
)  # fmt: skip


def kind(
    changes: Sequence[Change], contents: Mapping[str, Contents], earlier: Iterable[Sequence[Change]]
) -> Thin | None:
    """Return the kind of thin work that these changes are, or None.

    `contents` may lack large files: their changes are not thin. `earlier` are the changes of the run's commits.
    """
    if not changes:
        return None
    if _signature(change.backwards for change in changes) in {_signature(commit) for commit in earlier}:
        return Thin.INVERSE
    if _is_rename(changes):
        return Thin.RENAME
    kinds = {_kind_of(change, contents.get(change.path)) for change in changes}
    trivial = kinds & set(TRIVIAL)
    if trivial == kinds:
        return next(thin for thin in TRIVIAL if thin in trivial)
    rest = kinds - trivial
    return next(iter(rest)) if len(rest) == 1 else None


def is_asked_for(thin: Thin, text: str, changes: Sequence[Change]) -> bool:
    """Return whether the task asks for work of this trivial kind, by a word for it or by the paths."""
    if thin in (Thin.EMPTY, Thin.LEFTOVER) and all(names(text, change.path) for change in changes):
        return True
    return ASKS[thin].search(text) is not None


def names(text: str, path: str) -> bool:
    """Return whether the text names the path, or its last part with its extension."""
    last = path.rpartition("/")[2]
    return any(word in (path, last) or path.endswith("/" + word) for word in _paths(text))


def named_files(text: str) -> tuple[str, ...]:
    """Return the paths with a folder and an extension that the text names."""
    return tuple(word for word in _paths(text) if "/" in word and "." in word.rpartition("/")[2])


def is_about_documents(text: str) -> bool:
    """Return whether the task asks for documentation."""
    return ABOUT_DOCUMENTS.search(text) is not None


def is_document(path: str) -> bool:
    """Return whether the file is prose for people."""
    folders, _, name = path.rpartition("/")
    return "docs" in folders.split("/") or any(fnmatchcase(name, pattern) for pattern in DOCUMENTS)


def _paths(text: str) -> list[str]:
    return [match[0].strip(".") for match in PATHS.finditer(text)]


def _signature(changes: Iterable[Change]) -> frozenset[tuple[str, str, str]]:
    return frozenset((change.path, change.old_blob, change.new_blob) for change in changes)


def _is_rename(changes: Sequence[Change]) -> bool:
    """Return whether each added file is a deleted one with the same content, and nothing else changed."""
    added = sorted(change.new_blob for change in changes if change.status == "A")
    deleted = sorted(change.old_blob for change in changes if change.status == "D")
    return bool(added) and added == deleted and len(added) + len(deleted) == len(changes)


def _kind_of(change: Change, contents: Contents | None) -> Thin | None:
    name = change.path.rpartition("/")[2]
    if change.status == "M" and change.old_blob and change.old_blob == change.new_blob:
        return Thin.MODE
    if change.status == "A" and any(fnmatchcase(name, pattern) for pattern in LEFTOVERS):
        return Thin.LEFTOVER
    if contents is None or change.status not in ("A", "M"):
        return None
    old, new = contents
    if change.status == "A":
        return Thin.EMPTY if not new.strip() else Thin.DOCUMENT if is_document(change.path) else None
    if _without_space(change.path, old) == _without_space(change.path, new):
        return Thin.SPACE
    if is_document(change.path):
        return Thin.DOCUMENT
    return Thin.COMMENT if _only_comments(change.path, old, new) else None


def _without_space(path: str, text: bytes) -> list[bytes]:
    """Return the lines without white space that means nothing in the file's language."""
    strip = bytes.rstrip if _extension(path) in INDENTED or "." not in path else bytes.strip
    return [line for line in map(strip, text.splitlines()) if line]


def _only_comments(path: str, old: bytes, new: bytes) -> bool:
    """Return whether the files are equal without lines that are comments for people."""
    prefixes = tuple(prefix.encode() for prefix in COMMENTS.get(_extension(path), ()))
    return bool(prefixes) and _code(old, prefixes) == _code(new, prefixes)


def _code(text: bytes, prefixes: tuple[bytes, ...]) -> list[bytes]:
    lines = (line.rstrip() for line in text.splitlines())
    return [line for line in lines if line and (DIRECTIVE.search(line) or not line.lstrip().startswith(prefixes))]


def _extension(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()
