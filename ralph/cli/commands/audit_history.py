"""Git queries of `ralph audit`: the commits that changed a PRD, later commits, and other branches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile

from ralph.git.client import Git
from ralph.git.parse import parse_raw
from ralph.immutable import immutable
from ralph.verify.aftermath import Aftereffects, FileState, LaterCommit
from ralph.verify.proof import LostCommit, Proof, ProofStep

AT_ONCE = 20  # commits whose PRDs are read together
MOST_LOST = 2_000  # commits on other branches that are read
BODY = 16_000  # characters of a message that are read
FIELDS = "%H%x00%T%x00%P%x00%an%x00%cd%x00%s%x00%(trailers:only,unfold)%x00%B"  # git's texts hold no NUL
FORM = ("--date=format:%Y-%m-%d", "--topo-order", "--no-show-signature")


# ---------------------------------------------------------------- the commits that changed the PRD


def steps(git: Git, path: str) -> Iterator[ProofStep]:
    """Yield the commits of the PRD from new to old, across renames. They are read lazily, a few at a time."""
    start = "HEAD"
    while path:
        last: ProofStep | None = None
        for last in _steps(git, path, start):
            if any(last.before) or not last.after:
                yield last
            else:
                break
        else:
            return
        old = _renamed_from(git, last.commit, path)
        yield replace(last, before=_befores(git, last.commit, old)) if old else last
        start, path = f"{last.commit}^", old


def _steps(git: Git, path: str, start: str) -> Iterator[ProofStep]:
    words = ("log", "-z", *FORM, f"--format={FIELDS}", start, "--", path)
    listed = _in_rows(git.repo(*words), 8)
    while heads := list(islice(listed, AT_ONCE)):
        names = [f"{sha}:{path}" for commit, _, parents, *_ in heads for sha in (commit, *parents.split())]
        found = iter(contents(git, names))
        for commit, tree, parents, author, date, subject, said, body in heads:
            after, *before = islice(found, 1 + len(parents.split()))
            yield ProofStep(commit, tree, subject, after, tuple(before), trailers(said), author, date, body[:BODY])


def _in_rows(out: bytes, width: int) -> Iterator[tuple[str, ...]]:
    """Return the fields of each commit. A NUL ends each field."""
    fields = iter(out.decode(errors="replace").split("\0")[:-1])
    return zip(*[fields] * width, strict=True)


def _renamed_from(git: Git, commit: str, path: str) -> str:
    """Return the name of a file before this commit, or "" if it is new."""
    words = ("diff-tree", "-r", "-M", "-z", "--no-commit-id", "--name-status", "--diff-filter=R", commit)
    names = iter(os.fsdecode(git.repo(*words)).split("\0"))
    return next((old for _, old, new in zip(names, names, names, strict=False) if new == path), "")


def _befores(git: Git, commit: str, path: str) -> tuple[bytes, ...]:
    parents = git.repo("log", "-1", "--format=%P", commit).decode().split()
    return tuple(contents(git, [f"{parent}:{path}" for parent in parents]))


def trailers(text: str) -> dict[str, tuple[str, ...]]:
    """Return the values by key of `Key: value` lines."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found[key] = (*found.get(key, ()), value.strip())
    return found


def contents(git: Git, names: Sequence[str]) -> list[bytes]:
    """Return the content of each `commit:path`, b"" if it does not exist."""
    if not names:
        return []
    asked = b"".join(os.fsencode(name) + b"\n" for name in names)
    out, at, found = git.repo("cat-file", "--batch", data=asked), 0, []
    for _ in names:
        end = out.index(b"\n", at)
        head, at = out[at:end], end + 1
        size = 0 if head.endswith(b" missing") else int(head.rsplit(b" ", 1)[1])
        found.append(out[at : at + size])
        at += size + 1 if not head.endswith(b" missing") else 0
    return found


def cut(git: Git) -> frozenset[str]:
    """Return the commits at which a shallow clone ends."""
    try:
        return frozenset((git.where.common / "shallow").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return frozenset()


def older_ralph(git: Git, commit: str) -> bool:
    """Whether ralph committed a task before this commit."""
    return bool(git.repo("rev-list", "-1", "-F", "--grep=Ralph-Task: ", commit).strip())


# ---------------------------------------------------------------- later commits


@immutable
class Aftermath:
    """Return the commits since the first of the proofs, and the changes of each proof's commit."""

    since: Aftereffects
    files: dict[str, tuple[FileState, ...]]


def aftermath(git: Git, commits: Sequence[str]) -> Aftermath:
    """Return the later changes of these commits, which are all in HEAD."""
    if not commits:
        return Aftermath(Aftereffects(()), {})
    return Aftermath(Aftereffects(tuple(_later(git, _fork(git, commits)))), _files(git, commits))


def _fork(git: Git, commits: Sequence[str]) -> str:
    """Return the newest common ancestor of the commits, which may be one of them, or ""."""
    words = ("merge-base", "--octopus", *commits) if len(commits) > 1 else ("rev-parse", *commits)
    return git.repo(*words, ok=(0, 1)).decode().strip()


def _later(git: Git, fork: str) -> Iterator[LaterCommit]:
    span = [f"{fork}..HEAD"] if fork else ["HEAD"]
    words = ("log", "-z", *FORM, "--name-only", "--no-renames", "--format=%x00%H%x00%P%x00%s%x00%B", *span)
    fields = iter(git.repo(*words).split(b"\0")[1:])
    while commit := next(fields, b"").decode():
        parents, subject, body = (text.decode(errors="replace") for text in islice(fields, 3))
        paths = tuple(os.fsdecode(name.removeprefix(b"\n")) for name in takewhile(bool, fields))
        yield LaterCommit(commit, tuple(parents.split()), subject, body[:BODY], paths)


def _files(git: Git, commits: Sequence[str]) -> dict[str, tuple[FileState, ...]]:
    """Return the changed files of each commit, with their blobs before, in it, and at HEAD."""
    listed = (word.partition(b"\t") for word in git.repo("ls-tree", "-r", "-z", "HEAD").split(b"\0") if word)
    now = {os.fsdecode(path): head.split()[2].decode() for head, _, path in listed}
    words = ("diff-tree", "--stdin", "-r", "--root", "--raw", "-z", "--no-renames", "--no-abbrev")
    out = git.repo(*words, data="".join(f"{commit}\n" for commit in commits).encode())
    found: dict[str, tuple[FileState, ...]] = {}
    for commit, raw in _each_commit(out):
        found[commit] = tuple(
            FileState(change.path, _blob(change.old_blob), _blob(change.new_blob), now.get(change.path, ""))
            for change in parse_raw(raw)
        )
    return found


def _each_commit(out: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each commit with its records, from `<commit>\\0` and records."""
    commit, raw = "", b""
    fields = iter(out.split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            raw += field + b"\0" + next(fields, b"") + b"\0"
        elif field:
            if commit:
                yield commit, raw
            commit, raw = field.decode().strip(), b""
    if commit:
        yield commit, raw


def _blob(name: str) -> str:
    return name if name.strip("0") else ""


# ---------------------------------------------------------------- what HEAD does not hold


def elsewhere(git: Git, unproven: Sequence[Proof]) -> tuple[LostCommit, ...]:
    """Return ralph's commits on other branches and tags, new to old, with HEAD's commits of the same tree."""
    refs = ("--branches", "--tags", "--remotes", "--not", "HEAD")
    form = "--format=%H%x00%T%x00%(trailers:only,unfold)"
    words = ("log", "-z", *FORM, f"-{MOST_LOST}", "-F", "--grep=Ralph-Task: ", form, *refs)
    listed = list(_in_rows(git.repo(*words), 3))
    wanted = {proof.task for proof in unproven}
    of_tree = {tree: commit for commit, tree, _ in reversed(listed)}
    ends = [(proof.commit, of_tree[proof.tree]) for proof in unproven if proof.tree in of_tree]
    found = []
    for commit, _, said in listed:
        told = trailers(said)
        if wanted & set(told.get("Ralph-Task", ())):
            kept = frozenset(here for here, end in ends if git.is_ancestor(commit, end))
            found.append(LostCommit(commit, told, _place(git, commit), kept))
    return tuple(found)


def _place(git: Git, commit: str) -> str:
    """Return the short name of a branch or tag that holds the commit."""
    words = ("for-each-ref", "--count=1", "--contains", commit, "--format=%(refname:short)")
    return git.repo(*words, "refs/heads", "refs/remotes", "refs/tags").decode(errors="replace").strip()
