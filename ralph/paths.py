"""Which paths are what: tests, leftovers of tools, and what a gitignore-style pattern covers or names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from ralph import conventions

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

ARTEFACTS = frozenset({
    "node_modules", "bower_components", ".venv", "venv", "__pycache__", "__pypackages__", "target", "dist",
    "build", "out", "coverage", "htmlcov", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox",
    ".nox", ".eggs", ".cache", ".coverage", ".nyc_output", ".next", ".nuxt", ".output", ".svelte-kit", ".vite",
    ".parcel-cache", ".turbo", ".gradle", ".kotlin", ".dart_tool", ".bundle", "_build", ".stack-work",
    ".DS_Store", ".eslintcache", ".idea", ".vscode",
})  # fmt: skip
ARTEFACT_NAMES = (
    "*.egg-info", "*.pyc", "*.pyo", "*.o", "*.so", "*.class", "*.log", "*.tsbuildinfo", ".coverage.*",
)  # fmt: skip

BUILT = frozenset({"target", "dist", "build", "out", "_build"})  # of the artefacts: what a build writes

#: Exclude rules for what is never anybody's work, also where a repository has no .gitignore.
CACHES = (
    "__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".tox/", ".nox/",
    ".venv/", "node_modules/", ".gradle/", ".coverage", ".eslintcache", ".DS_Store",
)  # fmt: skip


@lru_cache(maxsize=4096)
def is_test(path: str) -> bool:
    """Return whether this is a test, or support, data or snapshots of tests, in any language: by its folders and
    its name."""
    *folders, name = path.split("/")
    return (
        any(_is_test_folder(folder) for folder in folders)
        or bool(conventions.patterns("tests", "files").match(name))
        or conventions.matches_below(conventions.patterns("tests", "paths"), path)
        or (_is_test_outside_the_product(folders, name) and not conventions.in_product(folders))
    )


def _is_test_folder(folder: str) -> bool:
    pattern = conventions.patterns("tests", "folders")
    return bool(pattern.match(folder) or pattern.match(folder.lower()))


def _is_test_outside_the_product(folders: list[str], name: str) -> bool:
    top = conventions.names("tests", "top_folders")
    return not top.isdisjoint(folders) or bool(conventions.patterns("tests", "top_files").match(name))


def is_artefact(path: str) -> bool:
    """A cache, a dependency or a build result: an attempt may hide it from git without being suspicious."""
    parts = path.rstrip("/").split("/")
    return any(part in ARTEFACTS or _any_name(part, ARTEFACT_NAMES) for part in parts)


def is_built(path: str) -> bool:
    """Return whether this is a folder that a build writes."""
    return path.endswith("/") and path.rstrip("/").rpartition("/")[2] in BUILT


def is_installed(path: str) -> bool:
    """Return whether this is a cache, or in one, or a dependency that a package manager installs."""
    parts = path.rstrip("/").split("/")
    folders = (ARTEFACTS - BUILT) | conventions.names("generated", "installed")
    return any(part in folders or _any_name(part, ARTEFACT_NAMES) for part in parts)


def matches(patterns: Sequence[str], path: str) -> bool:
    """Is the path covered by a gitignore-style pattern? A pattern that names a folder covers all below it.

    A pattern that is literally the path (or a folder of it) covers it too: in `app/[id]/page.tsx` the brackets
    are a name, not a set of characters.
    """
    if not patterns:
        return False
    return _spec(tuple(patterns)).match_file(path) or any(_literally(pattern, path) for pattern in patterns)


def placed(folder: str, pattern: str) -> str:
    """A pattern that is relative to a folder, as a pattern of the repository. What takes paths out still does."""
    if not folder:
        return pattern
    if pattern.startswith("!"):
        return "!" + placed(folder, pattern[1:])
    inside = "" if pattern == "." else pattern.removeprefix("./").lstrip("/")
    joined = f"/{folder}/{inside}"
    slash = "/" if joined.endswith("/") else ""
    return posixpath.normpath(joined) + slash if ".." in joined.split("/") else joined


def names_path(pattern: str, path: str) -> bool:
    """Does the pattern name this very file? `a/Makefile` and `jest.config.*` do; `a/`, `**` and `*.toml` do not."""
    last = pattern.rpartition("/")[2]
    spelled = not last.startswith("*") and fnmatchcase(path.rpartition("/")[2], last)
    return spelled and matches((pattern,), path)


def names_tests(pattern: str) -> bool:
    """Does the pattern speak of tests? `tests/`, `**/*.test.ts` and `calc_test.go` do; `src/**` does not."""
    return is_test(pattern) or is_test(pattern.rstrip("/") + "/-")


def _literally(pattern: str, path: str) -> bool:
    literal = pattern.removeprefix("./").removeprefix("/").rstrip("/")
    return path == literal or path.startswith(literal + "/")


def _any_name(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@lru_cache(maxsize=64)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    with catch_warnings():
        simplefilter("ignore", FutureWarning)  # `re` on patterns like `[[a]`
        return GitIgnoreSpec.from_lines(filter(_is_valid, map(_as_gitignore, patterns)))


def _is_valid(line: str) -> bool:
    """git reads over a pattern that ends in a lone backslash, or in a set that is none; pathspec does not."""
    from pathspec import GitIgnoreSpec

    try:
        return bool(GitIgnoreSpec.from_lines([line]))
    except (ValueError, re.error):  # `[z-a]`
        return False


def _as_gitignore(pattern: str) -> str:
    """git knows no `./` and no `.`: `./a` is only the one at the top. A file may be called `#notes`."""
    if pattern in {".", "./", "/"}:
        return "**"
    if pattern.startswith("./"):
        return pattern[1:]
    return pattern if not pattern.startswith("#") else "\\" + pattern
