"""Expectations of tests that stand in the product's own files: which of them an attempt changed."""

from __future__ import annotations

import pytest

from ralph.verify.content.inline_tests import bent, is_doctest

PYTHON = """def add(a, b):
    '''Add.

    >>> add(1, 2)
    3
    >>> add("a",
    ...     "b")
    'ab'
    '''
    return a + b
"""
RUST = """pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn small() { assert_eq!(add(1, 2), 3); }
    #[test]
    fn words() {
        assert_eq!(
            name(1),
            "one (1)"
        );
    }
}
"""
VITEST = """export const add = (a, b) => a + b
if (import.meta.vitest) {
  it('adds', () => expect(add(1, 2)).toBe(3))
}
"""
ELIXIR = '  @doc """\n      iex> add(1, 2)\n      3\n  """\n  def add(a, b), do: a + b\n'

BENT = [
    ("calc.py", PYTHON, ("    3\n", "    4\n"), (">>> add(1, 2) -> 3",)),
    ("calc.py", PYTHON, ("'ab'", "'ba'"), (""">>> add("a", ... "b") -> 'ab'""",)),
    ("src/lib.rs", RUST, ("2), 3)", "2), 0)"), ("fn small() { assert_eq!(add(1, 2), 3); }",)),
    ("src/lib.rs", RUST, ("one (1)", "two (2)"), ('assert_eq!( name(1), "one (1)" );',)),
    ("src/add.ts", VITEST, ("toBe(3)", "toBe(0)"), ("it('adds', () => expect(add(1, 2)).toBe(3))",)),
    ("lib/calc.ex", ELIXIR, ("      3\n", "      0\n"), ("iex> add(1, 2) -> 3",)),
]


@pytest.mark.parametrize(("path", "text", "change", "lines"), BENT, ids=[change[1] for _, _, change, _ in BENT])
def test_another_value_is_expected(path: str, text: str, change: tuple[str, str], lines: tuple[str, ...]) -> None:
    assert change[0] in text
    assert bent({path: (text.encode(), text.replace(*change).encode())}) == {path: lines}


KEPT = [
    ("another test is added", "calc.py", PYTHON, ('    >>> add("a"', '    >>> add(2, 2)\n    4\n    >>> add("a"')),
    ("a test moves", "src/lib.rs", RUST, ("    #[test]\n    fn small() { assert_eq!(add(1, 2), 3); }\n", "")),
    ("a name is changed everywhere", "src/lib.rs", RUST, ("add", "plus")),
    ("only the code changes", "calc.py", PYTHON, ("a + b", "b + a")),
    ("the text around it changes", "calc.py", PYTHON, ("Add.", "Add 2 numbers.")),
    ("it is laid out in another way", "src/lib.rs", RUST, ("name(1),\n            ", "name(1), ")),
    ("a file without tests", "src/x.py", "assert 1 == 1\n", ("== 1", "== 2")),
    ("a file of tests, which the base's replaces", "tests/test_a.py", PYTHON, ("    3\n", "    4\n")),
    ("a language without marks", "notes.txt", PYTHON, ("    3\n", "    4\n")),
    ("the file is removed", "calc.py", PYTHON, (PYTHON, "")),
]


@pytest.mark.parametrize(("path", "text", "change"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
def test_no_other_value_is_expected(path: str, text: str, change: tuple[str, str]) -> None:
    assert change[0] in text
    assert bent({path: (text.encode(), text.replace(*change).encode())}) == {}


def test_examples_are_told_from_assertions() -> None:
    assert is_doctest(">>> add(1, 2) -> 3")
    assert is_doctest("iex(3)> add(1, 2) -> 3")
    assert not is_doctest("assert_eq!(add(1, 2), 3);")


def test_long_and_many_assertions_are_cut() -> None:
    old = "".join(f"#[test] fn t{n}() {{ assert_eq!(f(), {n}); }}\n" for n in range(9))
    (lines,) = bent({"a.rs": (old.encode(), old.replace("f(), ", "f(), 1").encode())}).values()
    assert len(lines) == 5
    endless = "#[test]\nassert_eq!(\n" + "x,\n" * 500 + "1);\n"
    assert bent({"a.rs": (endless.encode(), endless.replace("1)", "2)").encode())}) == {}
