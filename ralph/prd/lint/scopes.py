"""Lint: do the Files of the tasks name what they were written for?"""

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
Tree = Mapping[str, set[str]]  # folder -> what is in it


def scopes(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """Files that are missing or can't be changed, that name everything, or that name nothing."""
    tree = _tree(facts.paths or ())
    guarded = [path for path in facts.paths or () if sensitive.matches(facts.protected, path)]
    for task in open_leaves(prd):
        if not task.fields.files and facts.strict:
            what = f"{called(task)} names no Files, which `strict` asks for"
            yield about(task, "no-files", what, "Add a line `- Files: src/**`.", ERROR)
        if both := _both(task, facts, guarded):
            what = f"the Files of {called(task)} touch a protected path: {both}"
            cure = "Narrow its Files, or take the path out of the protected ones."
            yield about(task, "protected", what, cure, ERROR)
        for said in task.fields.files:
            yield from _pattern(task, said, facts, tree)
    if facts.parallel and "/" not in facts.name:
        yield from _at_any_depth(prd, facts)


def _at_any_depth(prd: Prd, facts: LintFacts) -> Iterator[LintRemark]:
    """A file at the top that is written as one in any folder waits for tasks that it has nothing to do with."""
    leaves = open_leaves(prd)
    elsewhere = {path.rpartition("/")[2] for path in facts.paths or () if "/" in path}
    for task in leaves:
        for said in sorted({*task.fields.files}.intersection(facts.paths or ()) - elsewhere):
            held = (leave for leave in leaves if leave is not task and _only_floating(said, leave.fields.files))
            if "/" not in said and (other := next(held, None)):
                what = (
                    f"`{said}` of {called(task)} means one in any folder, so it never runs beside {called(other)}"
                )
                yield about(task, "any-folder", what, f"Write `./{said}` for the one at the top.")


def _only_floating(said: str, files: tuple[str, ...]) -> bool:
    return clash((said,), files) and not clash((f"./{said}",), files)


def _both(task: Task, facts: LintFacts, guarded: Sequence[str]) -> str:
    """A path that the task may change and may not, as the run asks it; "" where there is none."""
    scope, own = facts.patterns(task.fields.files), facts.patterns(task.fields.protected)
    if not scope:
        return ""
    there = [*guarded, *(path for path in facts.paths or () if own and sensitive.matches(own, path))]
    named = [name.strip("/") for name in scope if not set(name) & WILD]
    hit = (path for path in there if sensitive.matches(scope, path))
    new = (path for path in named if sensitive.matches((*own, *facts.protected), path))
    return next(hit, "") or next(new, "")


def _pattern(task: Task, said: str, facts: LintFacts, tree: Tree) -> Iterator[LintRemark]:
    if said.removeprefix("./") in {"", ".", "/", "*", "**", "**/*"}:
        what = f"the Files of {called(task)} name everything (`{said}`)"
        yield about(task, "wide", what, "Name the folder that it works in, or leave Files out.")
    elif facts.paths and not said.startswith("!") and (meant := _meant(said, facts, tree)):
        what = f"`{said}` in the Files of {called(task)} matches nothing yet"
        yield about(task, "typo", what, f"Did you mean `{meant}`? Patterns are relative to the PRD's folder.")


# ---------------------------------------------------------------- typing errors


def _tree(paths: Sequence[str]) -> Tree:
    tree: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folders = path.split("/")
        for n, name in enumerate(folders):
            tree["/".join(folders[:n])].add(name)
    return dict(tree)


def _meant(said: str, facts: LintFacts, tree: Tree) -> str:
    """What a pattern that matches nothing may have been meant for; "" where it may well name something new."""
    placed, plain = (name.strip("/").removeprefix("./") for name in (facts.patterns((said,))[0], said))
    if placed == plain and "/" not in plain and any(plain in there for there in tree.values()):  # at any depth
        return ""
    if not _literal(placed) or _known(_literal(placed), tree) == len(_literal(placed)):
        return ""
    if placed != plain and _known(_literal(plain), tree):  # written as seen from the top
        return facts.relative(_corrected(plain, tree) or said)
    meant = _corrected(placed, tree)
    return facts.relative(meant) if meant else ""


def _corrected(pattern: str, tree: Tree) -> str:
    """The pattern with its first name that is not there replaced by one that is; "" where none is like it."""
    names, parts = _literal(pattern), pattern.split("/")
    n = _known(names, tree)
    if n == len(names):
        return ""
    new = n + 1 == len(parts)
    near = _near(names[n], tree.get("/".join(names[:n]), set()), new=new)
    return "/".join((*names[:n], near, *parts[n + 1 :])) if near else ""


def _literal(pattern: str) -> list[str]:
    """The folders and names that a pattern begins with, before its first wildcard."""
    parts = pattern.split("/")
    return parts[: next((n for n, part in enumerate(parts) if set(part) & WILD), len(parts))]


def _known(names: Sequence[str], tree: Tree) -> int:
    """How many of the names are there, one below the other."""
    missing = (n for n, name in enumerate(names) if name not in tree.get("/".join(names[:n]), set()))
    return next(missing, len(names))


def _near(name: str, there: set[str], *, new: bool) -> str:
    """What is there and almost called so; of what may be a new file only with the same letters in another order."""
    close = sorted(text for text in there if abs(len(text) - len(name)) < 3 and text[:1] in name[:2])
    return next((text for text in close if _same_letters(name, text) or (not new and _alike(name, text))), "")


def _same_letters(name: str, other: str) -> bool:
    return len(name) > 2 and sorted(name) == sorted(other)


def _alike(name: str, other: str) -> bool:
    """`test` and `tests`, but not `page1` and `page2`."""
    bare, known = (re.sub(r"\d", "", text) for text in (name, other))
    return bare != known and SequenceMatcher(None, name, other, autojunk=False).ratio() >= ALIKE
