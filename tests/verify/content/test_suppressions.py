"""Marks that take something out of the checks, in each language, and the edits that are none."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import pytest

from ralph.verify.content.suppressions import fewer_asserts, new_marks

MARKS = [
    ("a.py", "x = f()  # noqa: E501"), ("a.py", "x = f()  # type: ignore[misc]"), ("a.py", "@pytest.mark.skip"),
    ("a.py", "@pytest.mark.xfail(reason='x')"), ("a.py", "if x:  # pragma: no cover"), ("a.ts", "// @ts-ignore"),
    ("a.ts", "it.only('a', () => {})"), ("a.js", "/* eslint-disable no-eval */"), ("a.js", "xit('a')"),
    ("a.rs", "#[ignore]"), ("a.rs", "#[allow(dead_code)]"), ("a.go", "\tt.Skip()"), ("a.go", "f() //nolint:errcheck"),
    ("A.java", "@Disabled"), ("A.kt", '@Suppress("x")'), ("A.cs", '[Fact(Skip = "x")]'), ("A.cs", "#pragma warning disable"),
    ("a.cc", "GTEST_SKIP();"), ("a.c", "f(); // NOLINT"), ("a.rb", "xit 'a'"), ("a.rb", "f # rubocop:disable all"),
    ("a.php", "$this->markTestSkipped();"), ("a.exs", "@tag :skip"), ("a.swift", "throw XCTSkip()"), ("a.dart", "test('a', f, skip: true);"),
    ("a.sh", "# shellcheck disable=SC2086"), ("a.bats", "  skip"),
]  # fmt: skip
NO_MARKS = [
    ("a.py", "skip = header.skip(1)"), ("a.py", "ignore = True"), ("a.js", "list.skip(3)"), ("a.ts", "only(x)"), ("a.rs", "ignore(x);"),
    ("a.go", "reader.Skip(3)"), ("A.java", "stream.skip(2)"), ("a.rb", "rows.drop(1)"), ("a.md", "# noqa"), ("a.txt", "#[ignore]"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "line"), MARKS)
def test_a_new_mark_is_named(path: str, line: str) -> None:
    assert new_marks({path: (b"", line.encode())}) == {path: (" ".join(line.split()),)}


@pytest.mark.parametrize(("path", "line"), NO_MARKS)
def test_code_that_looks_like_a_mark(path: str, line: str) -> None:
    assert new_marks({path: (b"", line.encode())}) == {}


def test_a_mark_whose_line_changed_moved_or_went_is_not_new() -> None:
    assert new_marks({"a.py": (b"x = f()  # noqa\n", b"def g():\n    y = f(1)  # noqa\n")}) == {}
    assert new_marks({"a.py": (b"x = f()  # noqa\n", b""), "b.py": (b"", b"x = f()  # noqa\n")}) == {}
    assert new_marks({"a.py": (b"x = f()  # noqa\n", b"x = f()\n")}) == {}


def test_fewer_assertions_in_tests_and_beside_the_product() -> None:
    assert fewer_asserts({"tests/test_a.py": (b"assert a\nassert b\n", b"assert a\n")}) == {
        "tests/test_a.py": (2, 1)
    }
    rust = b"#[test]\nfn t() { \nassert!(a);\n assert!(b); }"
    assert fewer_asserts({"src/lib.rs": (rust, rust.replace(b"assert!(b);", b""))}) == {"src/lib.rs": (3, 2)}


def test_assertions_that_moved_and_those_of_the_product_are_not_gone() -> None:
    two, none = b"assert a\nassert b\n", b"x = 1\n"
    assert fewer_asserts({"tests/test_a.py": (two, none), "tests/test_b.py": (none, two)}) == {}
    assert fewer_asserts({"src/a.py": (two, none)}) == {}
    assert fewer_asserts({"tests/test_a.py": (two, b"")}) == {}


def test_a_list_of_texts_without_marks_in_known_languages_is_empty() -> None:
    assert new_marks({"a.py": (b"\xff\xfe", b"\xff" * 5000)}) == {}
