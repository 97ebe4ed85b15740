"""Lint rules for Files: do they match the files that the task needs?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from ralph import paths as sensitive
from ralph.prd.lint.model import ERROR, LintFacts, LintRemark, about, called, open_leaves
from ralph.prd.model import Prd, Task
from ralph.prd.scope_overlap import clash

WILD = set("*?[!\\")
ALIKE = 0.8
Tree = Mapping[str, set[str]]  # folder -> its entries


def scopes(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for Files that are missing, protected, match everything, or match nothing."""
    tree = _tree(facts.paths or ())
    guarded = [path for path in facts.paths or () if sensitive.matches(facts.protected, path)]
    for task in open_leaves(prd):
        if not task.fields.files and facts.strict:
            problem = f"{called(task)} names no Files, which `strict` asks for"
            yield about(task, "no-files", problem, "Add a line `- Files: src/**`.", ERROR)
        if both := _both(task, facts, guarded):
            problem = f"the Files of {called(task)} touch a protected path: {both}"
            cure = "Narrow its Files, or take the path out of the protected ones."
            yield about(task, "protected", problem, cure, ERROR)
        for pattern in task.fields.files:
            yield from _pattern(task, pattern, facts, tree)
    if facts.parallel and "/" not in facts.name:
        yield from _at_any_depth(prd, facts)


def _at_any_depth(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Yield a remark for a top-level file written without a slash: it matches at any depth, so unrelated tasks
    wait."""
    leaves = open_leaves(prd)
    elsewhere = {path.rpartition("/")[2] for path in facts.paths or () if "/" in path}
    for task in leaves:
        for name in sorted({*task.fields.files}.intersection(facts.paths or ()) - elsewhere):
            held = (leave for leave in leaves if leave is not task and _only_floating(name, leave.fields.files))
            if "/" not in name and (other := next(held, None)):
                problem = (
                    f"`{name}` of {called(task)} means one in any folder, so it never runs beside {called(other)}"
                )
                yield about(task, "any-folder", problem, f"Write `./{name}` for the one at the top.")


def _only_floating(pattern: str, files: tuple[str, ...]) -> bool:
    return clash((pattern,), files) and not clash((f"./{pattern}",), files)


def _both(task: Task, facts: LintFacts, guarded: Sequence[str]) -> str:
    """Return a path that the task both may and may not change; "" if there is none."""
    scope, own = facts.patterns(task.fields.files), facts.patterns(task.fields.protected)
    if not scope:
        return ""
    guarded_paths = [*guarded, *(path for path in facts.paths or () if own and sensitive.matches(own, path))]
    named = [name.strip("/") for name in scope if not set(name) & WILD]
    hit = (path for path in guarded_paths if sensitive.matches(scope, path))
    new = (path for path in named if sensitive.matches((*own, *facts.protected), path))
    return next(hit, "") or next(new, "")


def _pattern(task: Task, pattern: str, facts: LintFacts, tree: Tree) -> Iterator[LintRemark]:
    if pattern.removeprefix("./") in {"", ".", "/", "*", "**", "**/*"}:
        problem = f"the Files of {called(task)} name everything (`{pattern}`)"
        yield about(task, "wide", problem, "Name the folder that it works in, or leave Files out.")
    elif facts.paths and not pattern.startswith("!") and (meant := _meant(pattern, facts, tree)):
        problem = f"`{pattern}` in the Files of {called(task)} matches nothing yet"
        yield about(task, "typo", problem, f"Did you mean `{meant}`? Patterns are relative to the PRD's folder.")


# ---------------------------------------------------------------- typing errors


def _tree(paths: Sequence[str]) -> Tree:
    tree: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folders = path.split("/")
        for n, name in enumerate(folders):
            tree["/".join(folders[:n])].add(name)
    return dict(tree)


def _meant(pattern: str, facts: LintFacts, tree: Tree) -> str:
    """Return the likely intended path of a pattern without a match; "" if it may name a new file."""
    placed, plain = (name.strip("/").removeprefix("./") for name in (facts.patterns((pattern,))[0], pattern))
    if placed == plain and "/" not in plain and any(plain in entries for entries in tree.values()):  # at any depth
        return ""
    if not _literal(placed) or _known(_literal(placed), tree) == len(_literal(placed)):
        return ""
    if placed != plain and _known(_literal(plain), tree):  # written relative to the repository's root
        return facts.relative(_corrected(plain, tree) or pattern)
    meant = _corrected(placed, tree)
    return facts.relative(meant) if meant else ""


def _corrected(pattern: str, tree: Tree) -> str:
    """Return the pattern with its first missing name replaced by a similar existing one; "" if none is similar."""
    names, parts = _literal(pattern), pattern.split("/")
    n = _known(names, tree)
    if n == len(names):
        return ""
    new = n + 1 == len(parts)
    near = _near(names[n], tree.get("/".join(names[:n]), set()), new=new)
    return "/".join((*names[:n], near, *parts[n + 1 :])) if near else ""


def _literal(pattern: str) -> list[str]:
    """Return the folders and names of a pattern before its first wildcard."""
    parts = pattern.split("/")
    return parts[: next((n for n, part in enumerate(parts) if set(part) & WILD), len(parts))]


def _known(names: Sequence[str], tree: Tree) -> int:
    """Return how many of the names exist, each below the previous one."""
    missing = (n for n, name in enumerate(names) if name not in tree.get("/".join(names[:n]), set()))
    return next(missing, len(names))


def _near(name: str, entries: set[str], *, new: bool) -> str:
    """Return an existing name that is almost equal; for a possible new file only one with swapped letters."""
    close = sorted(text for text in entries if abs(len(text) - len(name)) < 3 and text[:1] in name[:2])
    return next((text for text in close if _same_letters(name, text) or (not new and _alike(name, text))), "")


def _same_letters(name: str, other: str) -> bool:
    return len(name) > 2 and sorted(name) == sorted(other)


def _alike(name: str, other: str) -> bool:
    """Return whether two names differ by a typo: `test` and `tests`, but not `page1` and `page2`."""
    bare, known = (re.sub(r"\d", "", text) for text in (name, other))
    return bare != known and SequenceMatcher(None, name, other, autojunk=False).ratio() >= ALIKE
