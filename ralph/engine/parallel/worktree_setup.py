"""A worktree made fit for work: what git ignores and the project needs, and the user's own set-up command."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.git import worktrees
from ralph.git.config import read_config
from ralph.git.index import UNTRACKED, join, split_zero
from ralph.text import clean, mask
from ralph.verify import gates
from ralph.verify.model import Gate
from ralph.verify.places import installed

CLEAN = 99  # the number of the worktree that is fresh each time
OWN_ENVIRONMENT = (
    "Let it install inside the worktree: --setup 'python -m venv .venv && .venv/bin/pip install -e .' "
    "--gate '.venv/bin/python -m pytest -q'."
)
LOCKS = (
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "uv.lock",
    "poetry.lock", "Pipfile.lock", "pdm.lock", "requirements.txt", "requirements-dev.txt", "Cargo.lock", "go.sum",
    "Gemfile.lock", "composer.lock", "mix.lock", "pyproject.toml", "package.json", "flake.lock",
)  # fmt: skip


def pool(run: RunContext) -> worktrees.WorktreePool:
    """The worktrees of this checkout."""
    return worktrees.WorktreePool(run.checkout or run.git, worktrees.cache_folder(dict(os.environ)))


def warnings(run: RunContext) -> list[str]:
    """What makes tests lie or fail in a worktree, each with its cure."""
    from ralph.git import worktree_warnings as traps

    found = traps.find_warnings(run.git, os.environ, run.settings.setup, run.settings.brought)
    return [f"{warning.what.rstrip('.')}. {warning.cure}" for warning in found]


@contextmanager
def rehearsed(run: RunContext) -> Iterator[RunContext]:
    """The first worktree, at the tip and made fit: where gates can be tried before anything begins."""
    place = pool(run)
    try:
        git = place.open(1, run.git.sha("HEAD"), run.settings.brought)
        apart = run.elsewhere(git)
        worktrees.check_out(git, run.git.sha("HEAD"), 0)
        fit(apart)
        yield apart
    finally:
        place.close()


@contextmanager
def fresh(run: RunContext) -> Iterator[RunContext]:
    """A worktree for `renew`; none of its files are kept afterwards."""
    place = pool(run)
    shutil.rmtree(place.repo(CLEAN).root, ignore_errors=True)
    try:
        yield run.elsewhere(place.open(CLEAN, run.tip, run.settings.brought))
    finally:
        shutil.rmtree(place.repo(CLEAN).root.parent, ignore_errors=True)
        place.close(CLEAN)


def renew(place: RunContext, commit: str) -> None:
    """Nothing but this commit's files stands there, and what links, copies and the set-up bring."""
    for path in place.root.iterdir():
        if path.name == ".git":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    place.git.index.unlink(missing_ok=True)
    (place.git.where.state / "setup").unlink(missing_ok=True)
    worktrees.check_out(place.git, commit, 0)
    fit(place)


def fit(run: RunContext) -> None:
    """Called in the worktree, before an attempt: links and copies, then the set-up where it is due."""
    settings, root = run.settings, run.root
    main = run.checkout.where.root if run.checkout else root
    missing = worktrees.bring_along(main, root, settings.worktree_link, settings.worktree_copy)
    if missing:
        run.say(f"[worktree] names what this checkout does not have: {', '.join(missing)}", loud=True)
    if settings.setup:
        _set_up(run)


def _set_up(run: RunContext) -> None:
    """Once in each worktree, and again when a lock file changed since, or what it left was cleared away."""
    mark = run.git.where.state / "setup"
    wanted = _digest(run.settings.setup, (run.root / name for name in LOCKS))
    if _stands(run.root, split_zero(read_config(mark)), wanted):
        return
    mark.unlink(missing_ok=True)
    log = run.folder / f"setup-{run.git.where.git_dir.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    gate = Gate(run.settings.setup, "--setup")
    before = installed.installed_packages(run.root, run.environment())
    done = gates.run_gate(gate, cwd=run.here, env=run.environment(), timeout=run.settings.gate_timeout, log=log,
                     stop=lambda: run.hurried, secrets=run.secrets)  # fmt: skip
    _refuse_install_elsewhere(run, before)
    if not done.ok:
        said = mask(clean(done.tail), run.secrets).strip()[-300:] or run.settings.setup
        what = f"--setup failed in a new worktree ({run.root}): {said}"
        raise RalphError(what, f"Its output is in {log}. It runs in a fresh checkout, with no ignored files.")
    mark.write_bytes(join([wanted, *split_zero(run.git.tree(*UNTRACKED))]))


def _refuse_install_elsewhere(run: RunContext, before: Sequence[installed.Packages]) -> None:
    """Refuse a set-up that installed its worktree into an environment elsewhere, and restore the links there."""
    for packages in before:
        names = installed.changed(packages)
        if not names:
            continue
        shown = ", ".join(names[:5])
        if installed.take_back(packages, run.root, names):
            what = f"--setup installed the worktree into {packages.folder}, which is outside of it ({shown})"
            raise RalphError(f"{what}. ralph removed it there and restored the links", OWN_ENVIRONMENT)
        run.say(f"--setup changed {packages.folder}, which all worktrees share: {shown}.", loud=True)


def _stands(root: Path, mark: Sequence[str], wanted: str) -> bool:
    """It was done like this, and what it left in plain sight, which goes before each attempt, is still there."""
    return mark[:1] == (wanted,) and all(os.path.lexists(root / path) for path in mark[1:])


def _digest(command: str, files: Iterable[Path]) -> str:
    whole = hashlib.sha256(command.encode())
    for path in files:
        if path.is_file():
            whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()
