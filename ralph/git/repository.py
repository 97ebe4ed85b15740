"""Find the repository, or report why ralph can't work with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ralph.errors import RalphError
from ralph.git.command import GitProcess
from ralph.immutable import immutable

OLDEST = (2, 31)
KEPT = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")  # fmt: skip


@immutable
class Repo:
    """The location of a repository: absolute paths."""

    root: Path
    git_dir: Path
    common: Path

    @property
    def state(self) -> Path:
        """ralph's own folder inside git's: one for each checkout."""
        ours = self.common / "ralph"
        return ours if self.git_dir == self.common else ours / "worktrees" / self.git_dir.name


def clean_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that redirect git (GIT_DIR, GIT_INDEX_FILE ...); identity and
    settings stay."""
    variables = {name: value for name, value in env.items() if not name.startswith("GIT_") or name.startswith(KEPT)}
    return {**variables, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1"}  # fmt: skip


@cache
def discover(cwd: Path) -> Repo:
    """Return the repository around `cwd`. Raise RalphError with the cure if there is none."""
    options = ("--show-toplevel", "--git-dir", "--git-common-dir")
    calls = [("version",), *(("rev-parse", "--path-format=absolute", name) for name in options)]
    env = clean_environment(os.environ)
    try:
        running = [GitProcess(["git", *word], cwd, env, b"") for word in calls]
    except OSError as error:
        raise RalphError("git was not found", "Install git 2.31 or newer.") from error
    version, *answers = [started.finish() for started in running]
    _refuse_old(version[0].decode(errors="replace"))
    for _, errors, code in answers:
        if code:
            raise _no_repository(cwd, errors.decode(errors="replace"))
    return Repo(*(Path(os.fsdecode(out.removesuffix(b"\n"))) for out, _, _ in answers))


def _refuse_old(output: str) -> None:
    version = re.search(r"(\d+)\.(\d+)", output)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        problem = f"{output.strip() or 'git'} is too old"
        raise RalphError(problem, "ralph needs git 2.31 or newer: install it, then start again.")


def _no_repository(cwd: Path, errors: str) -> RalphError:
    if "dubious ownership" in errors or "safe.directory" in errors:
        return RalphError("git does not trust this folder: it belongs to another user",
                          f"Run `git config --global --add safe.directory '{cwd}'`, then start again.")  # fmt: skip
    if "must be run in a work tree" in errors:
        return RalphError("this is a bare repository: there are no files to work on",
                          "Start ralph in a checkout of it.")  # fmt: skip
    if "not a git repository" not in errors:
        first = errors.strip().splitlines()[0].removeprefix("fatal: ") if errors.strip() else "it does not answer"
        return RalphError(f"git can't read this repository: {first}",
                          "Correct it until `git status` works, then start again.")  # fmt: skip
    return RalphError(f"{cwd} is not inside a git repository",
                      "Run `git init && git add -A && git commit -m start` there first.")  # fmt: skip
