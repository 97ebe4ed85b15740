"""The stash list: recorded and held by a ref before an attempt; entries that vanished are put back afterwards.

`refs/stash` and its log belong to the repository, so all worktrees share them: `git stash; git stash pop` with a
clean tree pops and drops an entry of the user's, and two agents pop each other's. ralph itself never calls `git
stash`. A separate common folder for each worktree would isolate them, but a `git gc --prune=now` there deleted the
objects of the user's stash, which it could not see (measured with git 2.39).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.model import StashEntry
from ralph.immutable import immutable

LOG = "logs/refs/stash"
REF = "refs/stash"
PATIENCE = 5.0  # seconds for a git that works on the list
TICK = 0.01
SLACK = 2_000_000_000  # ns: clocks of file systems are coarse
MOST_LOOSE = 50_000  # maximum number of objects searched for entries that came and went
MOST_COMPARED = 50  # entries, the newest first, whose content is compared with the work

Signature = tuple[tuple[int, int, int], ...]
Content = tuple[tuple[str, str, str], ...]  # (path, blob before, blob after) of one entry; "": no such file


@immutable
class StashList:
    """The stash list at one moment, newest entry first. `signature` changes with each write; None: unknown. `since`
    is in nanoseconds of the epoch, 0: unknown."""

    entries: tuple[StashEntry, ...] = ()
    signature: Signature | None = None
    since: int = 0


def note(git: Git) -> StashList:
    """Return the list. Costs no process if git keeps refs as files."""
    since = time.time_ns() - SLACK
    signature = signature_of(git)
    return StashList(stash_entries(git), signature, since)


def stash_entries(git: Git) -> tuple[StashEntry, ...]:
    """Return the entries of the stash list, newest first."""
    if signature_of(git) is not None:
        return parse_entries(_read(git.where.common / LOG))
    form = "--format=%H%x00%gn <%ge> %gd%x00%gs"
    listed = git.repo("log", "-g", "--date=raw", form, REF, ok=(0, 128)).decode(errors="surrogateescape")
    return tuple(_of_git(line) for line in listed.splitlines() if line)


def _of_git(line: str) -> StashEntry:
    sha, who, message = line.split("\0", 2)
    return StashEntry(sha, message, re.sub(r"\S*@\{(.*)\}$", r"\1", who))


def parse_entries(log: bytes) -> tuple[StashEntry, ...]:
    """Parse a reflog: one line `<old> <new> <who and when>\\t<message>` for each entry, oldest first."""
    entries = []
    for line in os.fsdecode(log).split("\n"):
        head, _, message = line.partition("\t")
        ids = head.split(" ", 2)
        if len(ids) == 3:
            entries.append(StashEntry(ids[1], message, ids[2]))
    return tuple(reversed(entries))


def written(listed: Sequence[StashEntry]) -> bytes:
    """Return the reflog of this list."""
    lines, old = [], ""
    for entry in reversed(listed):
        lines.append(f"{old or '0' * len(entry.sha)} {entry.sha} {entry.who}\t{entry.message}\n")
        old = entry.sha
    return os.fsencode("".join(lines))


def signature_of(git: Git) -> Signature | None:
    """Return a value that changes with each write of the list; None if git does not keep refs as files."""
    common = git.where.common
    if (common / "reftable").is_dir():
        return None
    return tuple(_signature(common / name) for name in ("logs/refs", LOG, REF))


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_ino, stat.st_size if path.is_file() else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# ---------------------------------------------------------------- held while an agent works


def hold(git: Git, ref: str, base: str) -> StashList:
    """Return the list, and hold every entry by `<ref>/stash`, so that `git stash clear; git gc --prune=now` loses
    none. An entry without objects is left out."""
    noted = note(git)
    existing = _existing(git, [entry.sha for entry in noted.entries]) if noted.entries else frozenset()
    entries = tuple(entry for entry in noted.entries if entry.sha in existing)
    if entries:
        commit = git.commit(git.tree_of(base), [entry.sha for entry in entries], _message(entries))
        git.make_ref(f"{ref}/stash", commit)
    return StashList(entries, noted.signature, noted.since)


def _existing(git: Git, shas: Iterable[str]) -> frozenset[str]:
    data = "".join(f"{sha}\n" for sha in dict.fromkeys(shas)).encode()
    lines = git.tree("cat-file", "--batch-check", data=data).decode(errors="replace").splitlines()
    return frozenset(line.split()[0] for line in lines if " commit " in line)


def _message(entries: Sequence[StashEntry]) -> str:
    lines = (f"{entry.sha} {entry.who}\t{entry.message}" for entry in entries)
    return "the stash list before an attempt\n\n" + "\n".join(lines)


def held(git: Git, ref: str) -> tuple[StashEntry, ...] | None:
    """Return the list that `<ref>/stash` holds; None if there is no such ref."""
    sha = git.sha(f"{ref}/stash")
    if not sha:
        return None
    text = os.fsdecode(git.tree("cat-file", "commit", sha)).partition("\n\n")[2].partition("\n\n")[2]
    rows = (line.partition("\t") for line in text.split("\n") if line)
    return tuple(StashEntry(head.split(" ", 1)[0], message, head.split(" ", 1)[1]) for head, _, message in rows)


# ---------------------------------------------------------------- put back


def put_back(git: Git, then: Sequence[StashEntry], back: Sequence[StashEntry]) -> tuple[StashEntry, ...]:
    """Put the missing entries of `back` into the list, each at its position in `then`; return the list.

    No entry is removed. Safe while other gits and other attempts change the list, and safe to repeat. Raise
    RalphError if another git holds the list for too long.
    """
    if not back:
        return stash_entries(git)
    if signature_of(git) is None:
        return _rebuilt(git, then, back)
    with _locked(git.where.common / f"{REF}.lock") as lock:
        now = stash_entries(git)
        wanted = merged(now, then, back)
        if wanted != now:
            _write_log(git.where.common / LOG, written(wanted))
            lock.write_text(f"{wanted[0].sha}\n")
            lock.replace(git.where.common / REF)
        return wanted


def merged(
    now: Sequence[StashEntry], then: Sequence[StashEntry], back: Sequence[StashEntry]
) -> tuple[StashEntry, ...]:
    """Return `now` with its missing entries of `back`, in the order of `then`."""
    wanted, at = list(now), len(now)
    for entry in reversed(then):
        place = next((i for i, other in enumerate(wanted) if other.sha == entry.sha), None)
        if place is not None:
            at = place
        elif entry in back:
            wanted.insert(at, entry)
    return tuple(wanted)


@contextmanager
def _locked(lock: Path) -> Iterator[Path]:
    """Hold git's own lock of the ref."""
    deadline = time.monotonic() + PATIENCE
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise _busy(lock) from None
            time.sleep(TICK)
    try:
        yield lock
    finally:
        lock.unlink(missing_ok=True)


def _busy(lock: Path) -> RalphError:
    cure = "Wait for the git that holds it; if none runs, delete that file. Then run the same command again."
    return RalphError(f"stash entries vanished and can't be put back: {lock} exists", cure, code=Exit.STOPPED)


def _write_log(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"stash.ralph{os.getpid()}")
    beside.write_bytes(content)
    if path.exists():
        beside.chmod(path.stat().st_mode & 0o777)
    beside.replace(path)


def _rebuilt(git: Git, then: Sequence[StashEntry], back: Sequence[StashEntry]) -> tuple[StashEntry, ...]:
    """Rebuild the list by git's own commands if refs are not files: delete it and store each entry again, oldest
    first."""
    now = stash_entries(git)
    wanted = merged(now, then, back)
    if wanted == now:
        return now
    if now:
        git.repo("update-ref", "-d", REF, now[0].sha)
    old = git.zero
    for entry in reversed(wanted):
        git.repo("update-ref", "--create-reflog", "-m", entry.message, REF, entry.sha, old)
        old = entry.sha
    return wanted


# ---------------------------------------------------------------- contents of entries


def passing(git: Git, since: int, known: Iterable[str]) -> tuple[StashEntry, ...]:
    """Return the entries made since then that are not `known`: their commits are still loose objects."""
    shas = _loose(git.where.common / "objects", since)
    commits = _existing(git, shas) - frozenset(known) if shas else frozenset()
    return tuple(
        StashEntry(sha, subject) for sha, parents, subject in _commits(git, sorted(commits))
        if len(parents) in (2, 3) and StashEntry(sha, subject).branch
    )  # fmt: skip


def _loose(objects: Path, since: int) -> list[str]:
    names = []
    for folder in objects.glob("[0-9a-f][0-9a-f]"):
        for file in folder.iterdir():
            try:
                if file.stat().st_mtime_ns >= since and not file.name.startswith("tmp_"):
                    names.append(folder.name + file.name)
            except OSError:
                continue
            if len(names) >= MOST_LOOSE:
                return names
    return names


def _commits(git: Git, shas: Sequence[str]) -> list[tuple[str, tuple[str, ...], str]]:
    """Return (id, parents, subject) of each commit; skip other objects and missing ones."""
    if not shas:
        return []
    call = ("log", "--no-walk=unsorted", "-z", "--format=%H %P%n%s", "--stdin")
    rows = git.tree(*call, data="".join(f"{sha}\n" for sha in shas).encode()).decode(errors="surrogateescape")
    commits = []
    for row in rows.split("\0"):
        ids, _, subject = row.partition("\n")
        if ids:
            sha, *parents = ids.split()
            commits.append((sha, tuple(parents), subject))
    return commits


def contents(git: Git, listed: Sequence[StashEntry]) -> dict[str, Content]:
    """Return id -> the files that the entry would restore, untracked ones included."""
    wanted = [entry.sha for entry in listed[:MOST_COMPARED]]
    existing = _existing(git, wanted) if wanted else frozenset()
    requests, of = [], dict[str, str]()
    for sha, parents, _ in _commits(git, [sha for sha in wanted if sha in existing]):
        requests.append(f"{sha} {parents[0]}")
        of[sha] = sha
        if len(parents) == 3:
            requests.append(parents[2])
            of[parents[2]] = sha
    return _grouped(_diffs(git, requests), of)


def _diffs(git: Git, requests: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Return (commit, path, blob before, blob after) of the files that these commits change."""
    if not requests:
        return []
    call = ("diff-tree", "--stdin", "-r", "--root", "--raw", "-z", "--no-renames", "--no-abbrev")
    output = os.fsdecode(git.tree(*call, data="".join(f"{line}\n" for line in requests).encode())).split("\0")
    diffs, commit, fields = [], "", iter(output)
    for field in fields:
        if not field.startswith(":"):
            commit = field.strip() or commit
            continue
        _, _, old, new, _ = field.lstrip(":").split()
        path = next(fields)
        if new.strip("0"):
            diffs.append((commit, path, old if old.strip("0") else "", new))
    return diffs


def _grouped(rows: Iterable[tuple[str, str, str, str]], of: dict[str, str]) -> dict[str, Content]:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for commit, path, old, new in rows:
        groups.setdefault(of.get(commit, commit), []).append((path, old, new))
    return {sha: tuple(files) for sha, files in groups.items()}
