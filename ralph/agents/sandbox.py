"""The agent in a sandbox of bubblewrap's: what it may write, and a pid namespace that ends with it.

The whole file system is there, read-only. Writable are the work tree, git's folder (but not what git acts on:
configuration, hooks, info; nor ralph's own folder), the agent's own files in the home folder, the caches of the
usual tools, and what ralph.toml adds. /tmp is its own. The network stays: an agent needs it.

It holds an agent that went astray, not one that wants out: services that listen on a socket (docker, systemd) do
outside what they are asked to. The agent keeps its terminal, so there is no `--new-session`: what could be pushed
into it (TIOCSTI) lands in the pty that ralph made, where nobody's shell reads.
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
TMP = Path("/tmp")  # noqa: S108 - its own in there

# as root bubblewrap leaves every capability, and one of them would remount what is read-only
ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")

# what package managers and compilers write below the home folder while they build and test
CACHES = (
    ".cache", ".npm", ".yarn", ".pnpm-store", ".local/share/pnpm", ".bun/install/cache", ".cargo/registry",
    ".cargo/git", "go/pkg", ".m2/repository", ".gradle", ".nuget/packages", ".local/share/uv",
)  # fmt: skip

# what git acts on, inside its folder: nothing that an agent plants there shall run later
ACTED_ON = ("config", "config.worktree", "hooks", "info", "ralph")

CONTAINER = "leave --sandbox out, or start ralph itself in a container."


def wanted(mode: str) -> bool:
    """Whether `--sandbox` auto, on or off means a sandbox here. RalphError where it is on and can't be."""
    if mode == "off":
        return False
    why = available()
    if why and mode == "on":
        what, _, cure = why.partition(". ")
        raise RalphError(what, cure)
    return not why


def sandbox_notice(mode: str, root: Path) -> str:
    """A sentence for the first lines of a run; "" where no sandbox was asked for."""
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
    """Empty where agents can be started in a sandbox, else why not: a sentence, and one with the cure."""
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
    """The command line that starts `argv` in a sandbox; its environment stays `env`.

    `git_dir` and `common` are git's folders of the work tree `root` (absolute; one and the same where it is no
    linked worktree); `here` is where it starts. `home_paths` are the agent's own files: relative to the home
    folder, absolute, or `$NAME` for what that variable names; those that do not exist are left out. `extra` is
    what ralph.toml adds, as `extra_paths` checks it. `tmp` is made, becomes its /tmp, and is the caller's to
    remove. What the command line and the environment name below the real /tmp can be read.
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
    """`sandbox_paths` as paths: `~` is the home folder, others are relative to `root`. RalphError: not there."""
    found = []
    for text in extra:
        path = root / (home / text[2:] if text.startswith("~/") else text)
        if not path.exists():
            raise RalphError(f"`{text}` in sandbox_paths does not exist", "Make it, or take it out of ralph.toml.")
        found.append(path)
    return tuple(found)


def exit_code(code: int | None) -> int | None:
    """The agent's own exit code behind bubblewrap's: negative for the signal that ended it."""
    return 128 - code if code is not None and 128 < code <= 128 + 64 else code


# ---------------------------------------------------------------- what is mounted


def _start() -> tuple[str, ...]:
    """Read-only everything, and no right to change that."""
    if os.geteuid() != 0:
        return NAMESPACE
    return (*NAMESPACE, "--cap-drop", "ALL", *(word for name in ROOT for word in ("--cap-add", f"CAP_{name}")))


def _bound(how: str, paths: Iterable[Path], at: Path | None = None) -> Iterator[str]:
    """Mounts of what there is. A link is followed: the mount is where it leads to."""
    for path in dict.fromkeys(path.resolve() for path in paths if _there(path)):
        yield from (how, str(path), str(at or path))


def _there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - says no where pathlib raises: names too long, folders out of bounds


def _named(text: str, home: Path, env: Mapping[str, str]) -> Path | None:
    if not text.startswith("$"):
        return home / text
    value = env.get(text[1:])
    return home / value if value else None


def _named_below_tmp(argv: Sequence[str], env: Mapping[str, str]) -> list[Path]:
    """Programs, keys and folders there that the command line or the environment names, outermost first."""
    words = {*argv, *(part for value in env.values() for part in value.split(os.pathsep))}
    named = {Path(os.path.normpath(word)) for word in words if word.startswith("/tmp/")}  # noqa: S108
    return sorted(path for path in named if TMP in path.parents)


def _acted_on(root: Path, git_dir: Path, common: Path) -> list[Path]:
    """What git acts on stays as it is. Mounts can't be renamed, so nothing is put in their place either."""
    inside = [folder / name for folder in dict.fromkeys((common, git_dir)) for name in ACTED_ON]
    modules = [path.parent / name for path in common.glob("modules/*/HEAD") for name in ("config", "hooks", "info")]
    pointer = [root / ".git"] if (root / ".git").is_file() else []
    return [*inside, *modules, *pointer]


def _refused(stderr: str) -> str:
    """The kernel, an AppArmor profile or a container forbids it."""
    first = (stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("bwrap: ")
    cure = "Where user namespaces are forbidden, allow them"
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        cure += " (an AppArmor profile for bwrap, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`)"
    return f"bubblewrap can't make a sandbox here: {first}. {cure}; or {CONTAINER}"
