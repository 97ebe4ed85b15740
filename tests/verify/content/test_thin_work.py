"""Thin work: which diffs do nothing, and when a task asks for exactly that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ralph.git.model import Change
from ralph.verify.content.thin_work import (
    Contents,
    Thin,
    is_about_documents,
    is_asked_for,
    kind,
    named_files,
    names,
)


def change(path: str, old: bytes | None, new: bytes | None) -> tuple[Change, Contents]:
    """Return a change of a file's content. None: the file does not exist."""
    status = "A" if old is None else "D" if new is None else "M"
    blobs = tuple("" if data is None else str(hash(data)) for data in (old, new))
    return Change(path, status, "100644", "100644", *blobs), (old or b"", new or b"")


def thin(*files: tuple[str, bytes | None, bytes | None], earlier: Sequence[Sequence[Change]] = ()) -> Thin | None:
    changes = [change(*file) for file in files]
    return kind([done for done, _ in changes], {done.path: texts for done, texts in changes}, earlier)


TRIVIAL = {
    "an empty file": (Thin.EMPTY, ("src/tax.py", None, b"")),
    "a file of blank lines": (Thin.EMPTY, ("src/tax.py", None, b"\n  \n")),
    "blanks at a line's end": (Thin.SPACE, ("a.py", b"x = 1\n", b"x = 1  \n\n")),
    "line endings": (Thin.SPACE, ("a.py", b"x = 1\ny = 2\n", b"x = 1\r\ny = 2\r\n")),
    "the indentation of C": (Thin.SPACE, ("a.c", b"if (x)\n  y();\n", b"if (x)\n    y();\n")),
    "blanks in a document": (Thin.SPACE, ("README.md", b"hi\n", b"hi\n\n")),
    "a swap file": (Thin.LEFTOVER, (".a.py.swp", None, b"binary")),
    "a log": (Thin.LEFTOVER, ("debug.log", None, b"started\n")),
    "a comment": (Thin.COMMENT, ("a.py", b"x = 1\n", b"# calculates the tax\nx = 1\n")),
    "a comment of C": (Thin.COMMENT, ("a.ts", b"x();\n", b"// tax\n/* more\n * of it\n */\nx();\n")),
    "a sentence in the README": (Thin.DOCUMENT, ("README.md", b"hi\n", b"hi\nTax is calculated.\n")),
    "a new document": (Thin.DOCUMENT, ("docs/tax.html", None, b"<p>tax</p>\n")),
}
WORK = {
    "a new file": ("src/tax.py", None, b"def tax(): ...\n"),
    "the indentation of Python": ("a.py", b"if x:\n    y()\n    z()\n", b"if x:\n    y()\nz()\n"),
    "a line more": ("a.py", b"x = 1\n", b"x = 1\ny = 2\n"),
    "a deleted file": ("a.py", b"x = 1\n", None),
    "a comment that steers a tool": ("a.py", b"x = 1\n", b"# type: ignore[attr]\nx = 1\n"),
    "a preprocessor line": ("a.c", b"x();\n", b"#define X 1\nx();\n"),
    "a shebang": ("run.sh", b"x\n", b"#!/bin/sh\nx\n"),
}


@pytest.mark.parametrize(("expected", "file"), TRIVIAL.values(), ids=TRIVIAL)
def test_a_thin_change_is_recognised(expected: Thin, file: tuple[str, bytes | None, bytes | None]) -> None:
    assert thin(file) is expected


@pytest.mark.parametrize("file", WORK.values(), ids=WORK)
def test_work_is_not_thin(file: tuple[str, bytes | None, bytes | None]) -> None:
    assert thin(file) is None


def test_a_mode_bit_is_thin() -> None:
    only_mode = Change("run.sh", "M", "100644", "100755", "b", "b")
    assert kind([only_mode], {}, ()) is Thin.MODE


def test_several_trivial_kinds_are_trivial_and_one_real_change_is_enough() -> None:
    empty, space = ("new.py", None, b""), ("a.py", b"x\n", b"x \n")
    assert thin(empty, space) is not None
    assert thin(empty, space, ("b.py", b"x\n", b"y\n")) is None


def test_trivial_changes_beside_a_document_are_a_document() -> None:
    assert thin(("README.md", b"hi\n", b"ho\n"), ("a.py", b"x\n", b"x \n")) is Thin.DOCUMENT


def test_the_inverse_of_an_earlier_task_is_thin() -> None:
    earlier, _ = change("one.txt", None, b"x\n")
    assert thin(("one.txt", b"x\n", None), earlier=[[earlier]]) is Thin.INVERSE
    assert thin(("one.txt", b"x\n", b"y\n"), earlier=[[earlier]]) is None


def test_a_rename_is_a_rename_only_with_the_same_content() -> None:
    assert thin(("a.py", b"x\n", None), ("b.py", None, b"x\n")) is Thin.RENAME
    assert thin(("a.py", b"x\n", None), ("b.py", None, b"y\n")) is None


def test_large_files_without_content_are_not_thin() -> None:
    assert kind([Change("a.bin", "A", new_blob="1")], {}, ()) is None


ASKED = [
    (Thin.MODE, "Make the install script executable", "run.sh", True),
    (Thin.MODE, "Implement the tax calculation", "run.sh", False),
    (Thin.SPACE, "Delete trailing blanks", "a.py", True),
    (Thin.SPACE, "Run gofmt on everything", "a.go", True),
    (Thin.SPACE, "Implement the tax calculation", "a.py", False),
    (Thin.EMPTY, "Add an empty py.typed", "pkg/py.typed", True),
    (Thin.EMPTY, "Create the folder for migrations", "migrations/.gitkeep", True),
    (Thin.EMPTY, "Mark the package as typed with py.typed", "pkg/py.typed", True),
    (Thin.EMPTY, "Implement the tax calculation", "src/tax.py", False),
    (Thin.LEFTOVER, "Add `data/server.log` for the parser's tests", "data/server.log", True),
    (Thin.LEFTOVER, "Implement the parser", "nohup.out", False),
    (Thin.INVERSE, "Revert the new cache", "cache.py", True),
    (Thin.INVERSE, "Write two", "one.txt", False),
]


@pytest.mark.parametrize(("thinness", "text", "path", "asked"), ASKED)
def test_a_task_can_ask_for_trivial_work(thinness: Thin, text: str, path: str, asked: bool) -> None:
    assert is_asked_for(thinness, text, [Change(path, "A")]) is asked


def test_a_text_names_files() -> None:
    assert names("Repair `src/tax.py`.", "src/tax.py")
    assert names("Repair tax.py", "src/tax.py")
    assert not names("Repair the tax", "src/tax.py")
    assert named_files("implement it in src/tax.py, as in and/or, at v1.2") == ("src/tax.py",)


def test_a_task_can_be_about_documents() -> None:
    assert is_about_documents("Document src/tax.py")
    assert is_about_documents("Add a section to the README")
    assert not is_about_documents("implement the tax calculation in src/tax.py")
