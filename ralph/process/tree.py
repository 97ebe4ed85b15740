"""Process trees: which processes are alive, what descends from them, and how to end a whole tree.

On Linux a *subreaper* inherits every orphan below it, so a tree is everything below its subreaper, however a
process detached itself (setsid, double fork, `env -i`). A subreaper without children is the kernel's proof that
nothing is left. Processes that another service was asked to start (docker, systemd-run, cron, a running tmux) are
not descendants. macOS has no subreaper: there the tree is what psutil lists at that moment, so a daemon that
detached itself earlier survives.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path

PATIENCE = 3.0  # seconds until a process that does not die (uninterruptible sleep) is given up
ROUND = 0.001  # seconds between two rounds of killing
ROUNDS = 5  # of reading a tree that changes meanwhile
LINUX = sys.platform == "linux"
_PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER = 36
_DEAD = ("Z", "X")


def start_time(pid: int) -> float | None:
    """Return the start of a process in seconds since boot, exact to the clock tick; None if it does not exist.

    It serves only to tell a process from a later one with the same pid. The fraction below the tick marks this
    boot, because pid and ticks could repeat after a reboot. On macOS: epoch seconds.
    """
    if not LINUX:
        return _psutil_start(pid)
    stat = _stat(pid)
    return round(int(stat[19]) / os.sysconf("SC_CLK_TCK") + _boot_mark(), 6) if stat else None


def alive(pid: int, started: float) -> bool:
    """Return whether this very process runs: same pid, same start, not a zombie."""
    if start_time(pid) != started:
        return False
    return not LINUX or _state(pid) not in _DEAD


def arguments(pid: int) -> list[str]:
    """Return the words of a process's command line; none if it is gone."""
    if not LINUX:
        return _psutil_arguments(pid)
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def become_subreaper() -> None:
    """Make orphans below this process its children from now on. Do nothing on systems without subreapers."""
    if LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> set[int]:
    """Return the current children of a process, zombies included."""
    if not LINUX:
        return {below for below in descendants(pid) if _psutil_parent(below) == pid}
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except OSError:  # the process is gone, or a kernel without CONFIG_PROC_CHILDREN
        return {child for child in _pids() if _parent(child) == pid}


def descendants(pid: int) -> set[int]:
    """Return everything below a process, zombies included, the process itself excluded."""
    if not LINUX:
        return _psutil_below(pid)
    pids: set[int] = set()
    new = children(pid)
    while new:
        pids |= new
        new = {child for parent in new for child in children(parent)} - pids
    return pids


def childless() -> bool:
    """Return whether this process has no child, not even a zombie. For a subreaper: no descendant either."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def at_work(program: str, folder: Path) -> bool:
    """Return whether a program of this name runs in the folder or below it; always False without /proc."""
    return LINUX and any(_runs(pid, program) and _cwd(pid).is_relative_to(folder) for pid in _living(_pids()))


def _runs(pid: int, program: str) -> bool:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip() == program
    except OSError:
        return False


def _cwd(pid: int) -> Path:
    try:
        return (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return Path()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time used below a process so far, itself excluded, reaped processes included.

    An ended process counts once its parent has waited for it, so the sum never falls while the tree lives.
    """
    if not LINUX:
        return _psutil_cpu(pid)
    for _ in range(ROUNDS):
        known = descendants(pid)
        own = _stat(pid)[13:15]
        below = [ticks for descendant in known for ticks in _stat(descendant)[11:15]]
        if descendants(pid) == known:
            break  # else one was reaped meanwhile, and counts twice or not at all
    return sum(map(int, own + below)) / os.sysconf("SC_CLK_TCK")


def end_descendants(deadline: float, spare: Collection[int] = ()) -> bool:
    """Kill and reap everything below this process except the children in `spare`; return True if nothing is left.

    `deadline` is a time of the monotonic clock. One scan would miss new forks: scan until two in a row are empty.
    """
    quiet = 0
    while not (childless() or quiet == 2):
        victims = _below(children(os.getpid()) - set(spare))
        send(signal.SIGKILL, victims)
        quiet = 0 if victims else quiet + 1
        if not _reap(victims):
            time.sleep(ROUND)
        if time.monotonic() > deadline:
            return False
    return True


def end_tree(pid: int, started: float) -> None:
    """End a process that another ralph left over, and everything below it. It is not our child.

    The descendants go first: the process is stopped meanwhile and, being a subreaper, keeps the orphans findable.
    """
    deadline = time.monotonic() + PATIENCE
    if alive(pid, started):
        send(signal.SIGSTOP, [pid])
        _end_all(lambda: _living(descendants(pid)), deadline)
        send(signal.SIGKILL, [pid] if alive(pid, started) else [])
        while alive(pid, started) and time.monotonic() < deadline:
            time.sleep(ROUND)


def end_leftovers(run: str) -> None:
    """End every process whose environment belongs to this run (RALPH_RUN_ID), except this one.

    The last resort if ralph and its supervisor were both killed: `env -i` hides from it.
    """
    _end_all(lambda: _marked(run), time.monotonic() + PATIENCE)


def send(signum: signal.Signals, pids: Iterable[int]) -> None:
    """Send a signal to each process; ignore those that are gone."""
    for pid in pids:
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue


def send_group(signum: signal.Signals, group: int) -> None:
    """Send a signal to a process group, if it still exists."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return


def _below(pids: Collection[int]) -> set[int]:
    """Return these and everything below them. Later forks of other processes are never among them."""
    return {number for pid in pids for number in (pid, *descendants(pid))}


def _end_all(find: Callable[[], set[int]], deadline: float) -> None:
    while (victims := find()) and time.monotonic() < deadline:
        send(signal.SIGSTOP, victims)  # they can't fork during the scan
        send(signal.SIGKILL, victims | find())
        time.sleep(ROUND)


def _reap(pids: Iterable[int]) -> int:
    reaped = 0
    for pid in pids:
        try:
            reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            continue
    return reaped


def _living(pids: Iterable[int]) -> set[int]:
    return {pid for pid in pids if not LINUX or _state(pid) not in _DEAD}


def _marked(run: str) -> set[int]:
    if not LINUX:
        return _psutil_marked(run)
    word = f"RALPH_RUN_ID={run}".encode()
    return _living(pid for pid in _pids() if pid != os.getpid() and word in _environment(pid))


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208 - ten times as fast


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; a program's name may hold spaces and brackets."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    return (_stat(pid) or ["X"])[0]


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["X", "0"])[1])


@cache
def _boot_mark() -> float:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text()
    return int(boot[:8], 16) % 10_000 / 1_000_000


def _psutil_start(pid: int) -> float | None:
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _psutil_arguments(pid: int) -> list[str]:
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def _psutil_parent(pid: int) -> int:
    import psutil

    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0


def _psutil_below(pid: int) -> set[int]:
    import psutil

    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.Error:
        return set()


def _psutil_cpu(pid: int) -> float:
    import psutil

    used = 0.0
    for number in _psutil_below(pid):
        try:
            used += sum(psutil.Process(number).cpu_times()[:4])
        except psutil.Error:
            continue
    return used


def _psutil_marked(run: str) -> set[int]:
    import psutil

    pids = set()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("RALPH_RUN_ID") == run:
                pids.add(process.pid)
        except psutil.Error:
            continue
    return pids
