"""`ralph audit`: for each ticked box the commit and the gates that prove it. Reads git, and no diary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from ralph.cli.output import say
from ralph.cli.where import look
from ralph.core.proof import Proof, Step, prove
from ralph.errors import Exit, RalphError
from ralph.model import Prd
from ralph.show.lines import sentence
from ralph.system.git import Git, Repo

AT_ONCE = 20  # commits whose PRDs are read together
FORMAT = "%H%n%T%n%P%n%s%n%(trailers:only,unfold)"


def audit(asked: str | None, *, as_json: bool) -> int:
    """Show it. Exit code 1 where a tick is proven by nothing."""
    where = look(asked)
    if where.repo is None:
        raise RalphError("this is no git repository: nothing can be proven", "Go to where the PRD's repository is.")
    now = where.prd()
    proofs = _proofs(now, Git(where.repo), _inside(where.path, where.repo))
    shown = json_line(now, proofs) if as_json else "\n".join(page(where.path.name, now, proofs))
    say(shown)
    return Exit.DONE if all(proof.proven for proof in proofs.values()) else Exit.PARKED


def _inside(path: Path, repo: Repo) -> str:
    try:
        return path.resolve().relative_to(repo.root.resolve()).as_posix()
    except ValueError:
        raise RalphError("it lies outside the repository", "Copy it in: its history is the proof.",
                         where=str(path)) from None  # fmt: skip


def _proofs(now: Prd, git: Git, path: str) -> dict[str, Proof]:
    if not git.head()[1]:
        return prove(now, b"", ())
    return prove(now, _contents(git, [f"HEAD:{path}"])[0], _steps(git, path))


# ---------------------------------------------------------------- history


def _steps(git: Git, path: str) -> Iterator[Step]:
    """The commits that changed the PRD, from new to old; read a few at a time, as far as they are asked for."""
    listed = iter(git.repo("log", "-z", "--topo-order", f"--format={FORMAT}", "HEAD", "--", path).split(b"\0"))
    while some := [entry.decode(errors="replace").lstrip("\n") for entry in islice(listed, AT_ONCE)]:
        heads = [entry.split("\n", 4) for entry in some if entry]
        names = [f"{sha}:{path}" for commit, _, parents, *_ in heads for sha in (commit, *parents.split())]
        contents = iter(_contents(git, names))
        for commit, tree, parents, subject, trailers in heads:
            after, *before = islice(contents, 1 + len(parents.split()))
            yield Step(commit, tree, subject, after, tuple(before), _trailers(trailers))


def _trailers(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found[key] = (*found.get(key, ()), value.strip())
    return found


def _contents(git: Git, names: Sequence[str]) -> list[bytes]:
    """The content of each `commit:path`, b"" where there is none."""
    if not names:
        return []
    out = git.repo("cat-file", "--batch", data="".join(f"{name}\n" for name in names).encode())
    contents = []
    for _ in names:
        head, _, out = out.partition(b"\n")
        if not head.endswith(b" missing"):
            size = int(head.rsplit(b" ", 1)[1])
            contents.append(out[:size])
            out = out[size + 1 :]
        else:
            contents.append(b"")
    return contents


# ---------------------------------------------------------------- telling


def json_line(now: Prd, proofs: dict[str, Proof]) -> str:
    """`{"ticks": [...], "unproven": n}`."""
    ticks = [{"number": task.number, "line": task.line, "text": task.text, **asdict(proofs[task.id])}
             for task in now.tasks if task.done]  # fmt: skip
    return json.dumps({"ticks": ticks, "unproven": sum(not tick["proven"] for tick in ticks)})


def page(name: str, now: Prd, proofs: dict[str, Proof]) -> list[str]:
    """Two lines for each ticked box, then the count."""
    shown = [line for task in now.tasks if task.done for line in _lines(task.number, task.text, proofs[task.id])]
    ticked = sum(task.done for task in now.tasks)
    missing = [task for task in now.tasks if task.done and not proofs[task.id].proven]
    if not ticked:
        return [f"{name}: no box is ticked."]
    if not missing:
        return [*shown, "", f"{name}: {ticked} of {ticked} ticks are proven."]
    cure = "Untick a box to have it done again by `ralph`."
    return [*shown, "", f"{name}: {len(missing)} of {ticked} ticks are proven by nothing. {cure}"]


def _lines(number: int, text: str, proof: Proof) -> list[str]:
    head = f"{number:>4} {sentence(text)}"
    if not proof.proven:
        where = f" in {proof.commit[:7]} ({sentence(proof.subject)})" if proof.commit else ""
        return [head, f"     NOT PROVEN: {proof.why}{where}"]
    changed = "" if proof.same_tree else "; rebased or amended since: the gates saw another tree"
    return [head, f"     {proof.commit[:7]}, gates: {sentence(proof.gates) or 'none'}{changed}"]
