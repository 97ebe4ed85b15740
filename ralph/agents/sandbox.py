"""Bubblewrap sandbox for an agent: limited writable paths, and a pid namespace that ends with it.

The whole file system is visible, read-only. Writable are the work tree, git's folder (without configuration, hooks,
info and ralph's own folder), the agent's files in the home folder, the caches of the usual tools, and the paths in
ralph.toml. /tmp is private. The network stays, because an agent needs it.

The sandbox stops accidents, not an agent that tries to escape: services on a socket (docker, systemd) act outside.
The agent keeps its terminal, so there is no `--new-session`: input injected by TIOCSTI lands in ralph's pty, which
no shell reads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from ralph.errors import RalphError

NAMESPACE = ("--unshare-pid", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
TMP = Path("/tmp")  # noqa: S108 - private inside the sandbox

# as root, bubblewrap keeps every capability, and one of them could remount read-only paths
ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")

# caches below the home folder that package managers and compilers write while they build and test
CACHES = (
    ".cache", ".npm", ".yarn", ".pnpm-store", ".local/share/pnpm", ".bun/install/cache", ".cargo/registry",
    ".cargo/git", "go/pkg", ".m2/repository", ".gradle", ".nuget/packages", ".local/share/uv",
)  # fmt: skip

# parts of git's folder that git acts on: an agent must not plant code there that runs later
ACTED_ON = ("config", "config.worktree", "hooks", "info", "ralph")

CONTAINER = "leave --sandbox out, or start ralph itself in a container."


def wanted(mode: str) -> bool:
    """Whether the mode (auto, on, off) means a sandbox here. Raise RalphError if it is on but not available."""
    if mode == "off":
        return False
    why = available()
    if why and mode == "on":
        problem, _, cure = why.partition(". ")
        raise RalphError(problem, cure)
    return not why


def sandbox_notice(mode: str, root: Path) -> str:
    """Return a sentence for the first lines of a run, or "" if the sandbox is off."""
    if mode == "off":
        return ""
    if why := available():
        return f"NO SANDBOX: {why}"
    return (
        f"Sandbox: bubblewrap. Agents write in {root}, in their own files and in caches of the home folder, and "
        "in a /tmp of their own; git's configuration and hooks are read-only."
    )


@cache
def available() -> str:
    """Return "" if agents can run in a sandbox, otherwise the reason and the cure, a sentence each."""
    if sys.platform != "linux":
        return f"bubblewrap runs on Linux only. Use the sandbox of the agent itself, or {CONTAINER}"
    program = shutil.which("bwrap")
    if program is None:
        return f"bubblewrap was not found. Install it (`apt install bubblewrap`), or {CONTAINER}"
    try:
        tried = subprocess.run(
            [program, *_start(), "--", "true"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start: {error}. Look at `{program} --version`, or {CONTAINER}"
    return "" if tried.returncode == 0 else _refused(tried.stderr)


def wrap(
    argv: Sequence[str], env: Mapping[str, str], *, root: Path, here: Path, git_dir: Path, common: Path,
    home_paths: Sequence[str], extra: Sequence[str], tmp: Path,
) -> tuple[str, ...]:  # fmt: skip
    """Return the command line that starts `argv` in a sandbox with the environment `env`.

    `git_dir` and `common` are git's folders of the work tree `root` (absolute; the same unless it is a linked
    worktree); `here` is the start folder. `home_paths` are the agent's files: relative to the home folder,
    absolute, or `$NAME` for the path in that variable; missing ones are left out. `extra` are the paths of
    ralph.toml (see `extra_paths`). `tmp` is created and becomes /tmp; the caller removes it. Paths below the real
    /tmp that command line or environment name are readable.
    """
    for folder in (tmp, common / "hooks", common / "info"):
        folder.mkdir(mode=0o700 if folder == tmp else 0o755, parents=True, exist_ok=True)
    home = Path(env.get("HOME") or Path.home())
    own = [_named(text, home, env) for text in home_paths]
    caches = [home / name for name in CACHES]
    writable = [*own, *caches, *extra_paths(extra, root, home), root, git_dir, common]
    return (
        shutil.which("bwrap") or "bwrap",
        *_start(),
        *_bound("--bind", [tmp], TMP), *_bound("--bind", [tmp], Path("/var/tmp")),  # noqa: S108
        *_bound("--ro-bind", _named_below_tmp(argv, env)),
        *_bound("--bind", (path for path in writable if path is not None)),
        *_bound("--ro-bind", _acted_on(root, git_dir, common)),
        *(("--setenv", "TMPDIR", str(TMP)) if "TMPDIR" in env else ()),
        "--chdir", str(here), "--", *argv,
    )  # fmt: skip


def extra_paths(extra: Sequence[str], root: Path, home: Path) -> tuple[Path, ...]:
    """Return `sandbox_paths` as paths: `~` is the home folder, others are relative to `root`.

    Raise RalphError if one does not exist.
    """
    paths = []
    for text in extra:
        path = root / (home / text[2:] if text.startswith("~/") else text)
        if not path.exists():
            raise RalphError(f"`{text}` in sandbox_paths does not exist", "Make it, or take it out of ralph.toml.")
        paths.append(path)
    return tuple(paths)


def exit_code(code: int | None) -> int | None:
    """Return the agent's exit code from bubblewrap's: negative for a signal."""
    return 128 - code if code is not None and 128 < code <= 128 + 64 else code


# ---------------------------------------------------------------- mounts


def _start() -> tuple[str, ...]:
    """Return the flags for a read-only file system without the capability to change that."""
    if os.geteuid() != 0:
        return NAMESPACE
    return (*NAMESPACE, "--cap-drop", "ALL", *(word for name in ROOT for word in ("--cap-add", f"CAP_{name}")))


def _bound(how: str, paths: Iterable[Path], at: Path | None = None) -> Iterator[str]:
    """Yield the mounts of the paths that exist. Links are followed: their targets are mounted."""
    for path in dict.fromkeys(path.resolve() for path in paths if _exists(path)):
        yield from (how, str(path), str(at or path))


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - False where pathlib raises: names too long, folders without access


def _named(text: str, home: Path, env: Mapping[str, str]) -> Path | None:
    if not text.startswith("$"):
        return home / text
    value = env.get(text[1:])
    return home / value if value else None


def _named_below_tmp(argv: Sequence[str], env: Mapping[str, str]) -> list[Path]:
    """Return paths below /tmp that the command line or the environment names, outermost first."""
    words = {*argv, *(part for value in env.values() for part in value.split(os.pathsep))}
    named = {Path(os.path.normpath(word)) for word in words if word.startswith("/tmp/")}  # noqa: S108
    return sorted(path for path in named if TMP in path.parents)


def _acted_on(root: Path, git_dir: Path, common: Path) -> list[Path]:
    """Return the paths that git acts on. As mounts they can't be renamed or replaced either."""
    inside = [folder / name for folder in dict.fromkeys((common, git_dir)) for name in ACTED_ON]
    modules = [path.parent / name for path in common.glob("modules/*/HEAD") for name in ("config", "hooks", "info")]
    pointer = [root / ".git"] if (root / ".git").is_file() else []
    return [*inside, *modules, *pointer]


def _refused(stderr: str) -> str:
    """Return the reason and cure if the kernel, an AppArmor profile or a container forbids the sandbox."""
    first = (stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("bwrap: ")
    cure = "Where user namespaces are forbidden, allow them"
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        cure += " (an AppArmor profile for bwrap, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`)"
    return f"bubblewrap can't make a sandbox here: {first}. {cure}; or {CONTAINER}"
