"""Which paths are what: tests, leftovers of tools, and what a gitignore-style pattern covers or names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from ralph.package_data import table

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

#: Exclude rules for what is never anybody's work, also where a repository has no .gitignore.
CACHES = (
    "__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".tox/", ".nox/",
    ".venv/", "node_modules/", ".gradle/", ".coverage", ".eslintcache", ".DS_Store",
)  # fmt: skip


def is_test(path: str) -> bool:
    """A test, or data and support of tests, by its folders and its name (`test_names.toml`)."""
    *folders, name = path.split("/")
    in_folder, is_named = _test_names()
    return any(in_folder.fullmatch(folder.lower()) for folder in folders) or bool(is_named.fullmatch(name))


@cache
def _test_names() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The patterns of the folders and of the files of tests."""
    kinds = table("test_names.toml").values()
    return tuple(_any([name for kind in kinds for name in kind.get(part, ())]) for part in ("folders", "files"))  # type: ignore[return-value]


def _any(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


def is_artefact(path: str) -> bool:
    """A cache, a dependency or a build result: an attempt may hide it from git without being suspicious."""
    parts = path.rstrip("/").split("/")
    return any(part in ARTEFACTS or _any_name(part, ARTEFACT_NAMES) for part in parts)


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
