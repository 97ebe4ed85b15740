"""Set-up of worktrees: links and copies of ignored files, and the user's set-up command."""

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
    """Return the worktree pool of this checkout."""
    return worktrees.WorktreePool(run.checkout or run.git, worktrees.cache_folder(dict(os.environ)))


def warnings(run: RunContext) -> list[str]:
    """Return the reasons why tests may be wrong or fail in a worktree, each with its cure."""
    from ralph.git import worktree_warnings

    warnings_found = worktree_warnings.find_warnings(run.git, os.environ, run.settings.setup, run.settings.brought)
    return [f"{warning.what.rstrip('.')}. {warning.cure}" for warning in warnings_found]


@contextmanager
def rehearsed(run: RunContext) -> Iterator[RunContext]:
    """Yield the first worktree, set up at HEAD, for a trial of the gates before the run starts."""
    place = pool(run)
    try:
        git = place.open(1, run.git.sha("HEAD"), run.settings.brought)
        context = run.elsewhere(git)
        worktrees.check_out(git, run.git.sha("HEAD"), 0)
        fit(context)
        yield context
    finally:
        place.close()


@contextmanager
def fresh(run: RunContext) -> Iterator[RunContext]:
    """Yield a worktree for `renew`. Delete its files on exit."""
    place = pool(run)
    shutil.rmtree(place.repo(CLEAN).root, ignore_errors=True)
    try:
        yield run.elsewhere(place.open(CLEAN, run.state.tip, run.settings.brought))
    finally:
        shutil.rmtree(place.repo(CLEAN).root.parent, ignore_errors=True)
        place.close(CLEAN)


def renew(place: RunContext, commit: str) -> None:
    """Reset the worktree to the files of a commit, then set it up."""
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
    """Add links and copies to the worktree before an attempt, and run the set-up if it is due."""
    settings, root = run.settings, run.root
    main = run.checkout.where.root if run.checkout else root
    missing = worktrees.bring_along(main, root, settings.worktree_link, settings.worktree_copy)
    if missing:
        run.say(f"[worktree] names what this checkout does not have: {', '.join(missing)}", loud=True)
    if settings.setup:
        _set_up(run)


def _set_up(run: RunContext) -> None:
    """Run the set-up command once per worktree, and again if a lock file changed or its files were removed.

    Raise RalphError if the command fails.
    """
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
        output = mask(clean(done.tail), run.secrets).strip()[-300:] or run.settings.setup
        problem = f"--setup failed in a new worktree ({run.root}): {output}"
        raise RalphError(problem, f"Its output is in {log}. It runs in a fresh checkout, with no ignored files.")
    mark.write_bytes(join([wanted, *split_zero(run.git.tree(*UNTRACKED))]))


def _refuse_install_elsewhere(run: RunContext, before: Sequence[installed.Packages]) -> None:
    """Raise RalphError if the set-up installed the worktree into an outside environment. Undo that install."""
    for packages in before:
        names = installed.changed(packages)
        if not names:
            continue
        shown = ", ".join(names[:5])
        if installed.take_back(packages, run.root, names):
            problem = f"--setup installed the worktree into {packages.folder}, which is outside of it ({shown})"
            raise RalphError(f"{problem}. ralph removed it there and restored the links", OWN_ENVIRONMENT)
        run.say(f"--setup changed {packages.folder}, which all worktrees share: {shown}.", loud=True)


def _stands(root: Path, mark: Sequence[str], wanted: str) -> bool:
    """Whether the set-up ran with this digest, and its untracked files, which each attempt removes, still exist."""
    return mark[:1] == (wanted,) and all(os.path.lexists(root / path) for path in mark[1:])


def _digest(command: str, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(command.encode())
    for path in files:
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
