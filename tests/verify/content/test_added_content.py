"""Secrets, core dumps, large files and links in what the work adds."""

from __future__ import annotations

import pytest

from ralph.git.model import Change
from ralph.verify.content.added_content import Added, files, links, secrets

VALUE = "s3cr3t-value-12345678"
TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3"


def found(
    path: str, new: str, old: str = "", known: tuple[str, ...] = (VALUE,), base: tuple[str, ...] = ()
) -> list[Added]:
    return list(secrets(path, (old.encode(), new.encode()), known, base))


def test_the_value_of_a_secret_variable_is_never_committed() -> None:
    assert [added.sure for added in found("src/config.txt", f"token = {VALUE}\n")] == [True]
    assert [added.sure for added in found("tests/config.txt", f"token = {VALUE}\n")] == [True]


def test_a_value_that_the_base_has_is_no_news() -> None:
    assert not found("src/config.txt", f"token = {VALUE}\nmore\n", f"token = {VALUE}\n")
    assert not found("src/other.txt", f"token = {VALUE}\n", base=(VALUE,))


@pytest.mark.parametrize("value", ["postgres", "short-1", "a-plain-sentence-of-words"])
def test_a_short_value_or_a_word_is_only_reported(value: str) -> None:
    assert [added.sure for added in found("src/a.py", f"x = '{value}'\n", known=(value,))] == [False]


def test_the_shape_of_a_token_counts_in_the_product_and_is_reported_in_tests_and_documents() -> None:
    line = f"TOKEN = '{TOKEN}'\n"
    assert [added.sure for added in found("src/a.py", line)] == [True]
    assert [[added.sure for added in found(path, line)] for path in ("tests/test_a.py", "docs/a.md")] == [
        [False],
        [False],
    ]


def test_the_examples_of_documentation_are_no_tokens() -> None:
    assert not found("src/a.py", "key = 'AKIAIOSFODNN7EXAMPLE'\n")
    assert not found("src/a.py", "key = 'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'\n")


def test_a_token_in_a_line_that_was_there_is_no_news() -> None:
    assert not found("src/a.py", f"TOKEN = '{TOKEN}'\nx = 1\n", f"TOKEN = '{TOKEN}'\n")


def test_large_files_and_core_dumps() -> None:
    changes = [
        Change("data.bin", "A", new_blob="1"),
        Change("core.4711", "A", new_blob="2"),
        Change("a.py", "M", new_blob="3"),
    ]
    added = list(files(changes, {"data.bin": 11_000_000, "core.4711": 5_000_000, "a.py": 10}, 10_000_000))
    assert [(one.path, one.sure) for one in added] == [("data.bin", True), ("core.4711", True)]
    assert not list(
        files([Change("core.py", "A", new_blob="1"), Change("src/core", "A", new_blob="2")][:1], {}, 10)
    )
    assert not list(files([Change("big.bin", "D", old_blob="1")], {"big.bin": 99}, 10))


LINKS = [("src/lib", b"/etc/passwd", True), ("src/lib", b"../../x", True), ("src/lib", b"../x", False),
         ("lib", b"..", True), ("a/b/c", b"../../x", False)]  # fmt: skip


@pytest.mark.parametrize(("path", "target", "leaves"), LINKS)
def test_links_that_leave_the_repository(path: str, target: bytes, leaves: bool) -> None:
    change = Change(path, "A", new_mode="120000", new_blob="1")
    assert bool(list(links([change], {path: target}))) is leaves
