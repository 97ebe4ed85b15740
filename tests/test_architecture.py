"""The rules of the package structure: order of packages, no cycles, pure files, unique names, a complete map."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from ralph.engine.recovery_policy import table_as_text as recovery_table
from ralph.state.attempt import table_as_text as life_table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ralph"
MAP = (PACKAGE / "README.md").read_text()

# A package imports only itself and those before it. The modules beside the packages are the leaves.
ORDER = (
    "leaves", "prd", "memory", "process", "git", "agents", "verify", "state", "notify", "engine", "cli",
)  # fmt: skip

# What a file needs to reach the operating system: modules, and the methods of a path that read or write.
OUTSIDE = frozenset({
    "ctypes", "fcntl", "multiprocessing", "os", "pexpect", "psutil", "pty", "random", "secrets", "select", "shutil",
    "signal", "socket", "subprocess", "tempfile", "termios", "threading", "time",
})  # fmt: skip
TOUCHES = frozenset({
    "chmod", "exists", "glob", "is_dir", "is_file", "iterdir", "lstat", "mkdir", "open", "read_bytes", "read_text",
    "rglob", "rmdir", "stat", "symlink_to", "touch", "unlink", "write_bytes", "write_text",
})  # fmt: skip

# The files that may do so. Every other file decides with plain values and is tested with literals.
IMPURE = frozenset({
    "agents/sandbox.py", "agents/selection.py", "agents/session/pty.py", "agents/session/reader.py",
    "agents/session/session.py", "agents/session_file.py", "cli/commands/audit_gates.py",
    "cli/commands/audit_history.py", "cli/commands/audit_page.py", "cli/commands/background_run.py",
    "cli/commands/clean.py", "cli/commands/control.py", "cli/commands/demo.py", "cli/commands/init.py",
    "cli/commands/lint.py", "cli/commands/logs.py", "cli/commands/notify.py", "cli/commands/report.py",
    "cli/commands/resume_command.py", "cli/commands/review.py", "cli/commands/session_registry.py",
    "cli/commands/sessions.py", "cli/commands/start.py", "cli/commands/status.py",
    "cli/completion/candidates.py", "cli/crash_log.py", "cli/display/keyboard.py", "cli/display/live_view.py",
    "cli/display/screen.py", "cli/display/status.py", "cli/locate.py", "cli/output.py", "cli/report_data.py",
    "config.py", "conventions.py", "engine/attempt/attempt.py", "engine/attempt/base_checks.py",
    "engine/attempt/finished.py", "engine/attempt/gates.py", "engine/attempt/ignored_files.py",
    "engine/attempt/monitor.py", "engine/attempt/run_agent.py", "engine/attempt/stash.py",
    "engine/attempt/usage.py", "engine/branch.py", "engine/checkpoints.py", "engine/confirmations.py",
    "engine/context.py", "engine/daily_note.py", "engine/doctor.py", "engine/dry_run.py",
    "engine/gate_selection.py", "engine/kept_requirements.py", "engine/launch.py", "engine/linked_sources.py",
    "engine/loop.py", "engine/notifications.py", "engine/parallel/channel.py", "engine/parallel/pool.py",
    "engine/parallel/worker.py", "engine/parallel/worktree_setup.py", "engine/pool.py", "engine/prd_file.py",
    "engine/preflight.py", "engine/recovery.py", "engine/run_state.py", "engine/startup.py",
    "engine/stop_signal.py", "files.py", "git/checkout.py", "git/cleanup.py", "git/client.py", "git/command.py",
    "git/config.py", "git/fast_forward.py", "git/freeze.py", "git/ignored.py", "git/index.py", "git/merge.py",
    "git/objects.py", "git/parse.py", "git/poll.py", "git/ref_files.py", "git/repository.py", "git/restore.py",
    "git/stash.py", "git/worktree_warnings.py", "git/worktrees.py", "notify/apprise.py", "notify/command.py",
    "notify/courier.py", "package_data.py", "process/child.py", "process/command.py", "process/logout.py",
    "process/supervisor.py", "process/tmux.py", "process/transcript.py", "process/tree.py",
    "process/workers.py", "state/control.py", "state/journal.py", "state/lock.py", "state/other_checkouts.py",
    "state/retention.py", "state/sessions.py", "verify/detect_gates.py", "verify/missing_runners.py",
    "verify/places/installed.py", "verify/places/links.py", "verify/places/retarget.py",
})  # fmt: skip

LARGE = 100  # lines: from here on a module has tests of its own, or a line in tests/README.md

# Functions that every module of a family has: agent adapters, pages of commands, entry points.
FAMILY_NAMES = frozenset({"launch", "login", "main", "page", "read", "read_session", "window"})


@cache
def modules() -> dict[str, Path]:
    """Every module of the package: dotted name -> file."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(name: str) -> frozenset[str]:
    """The modules of ralph that a module imports, also inside functions."""
    imported: set[str] = set()
    for node in ast.walk(tree(modules()[name])):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {member if member in modules() else node.module for member in members}
    return frozenset(imported & modules().keys() - {name, "ralph"})


def rank(name: str) -> int:
    """The place of a module's package in the order."""
    parts = name.split(".")
    return ORDER.index(parts[1]) if len(parts) > 1 and parts[1] in ORDER else 0


def test_a_package_imports_only_earlier_ones() -> None:
    later = [f"{name} imports {other}" for name in modules() for other in imports(name) if rank(other) > rank(name)]
    assert later == ["ralph.__main__ imports ralph.cli.main"]


def test_no_import_cycle() -> None:
    try:
        TopologicalSorter({name: imports(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def is_impure(path: Path) -> bool:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import) and OUTSIDE & {alias.name.split(".")[0] for alias in node.names}:
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OUTSIDE:
            return True
        if isinstance(node, ast.Call) and _touches(node.func):
            return True
    return False


def _touches(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "open") or (
        isinstance(function, ast.Attribute) and function.attr in TOUCHES
    )


def test_only_listed_files_reach_the_operating_system() -> None:
    impure = {str(path.relative_to(PACKAGE)) for path in modules().values() if is_impure(path)}
    assert impure == IMPURE


def definitions(kind: type[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Each public definition of this kind at the top of a module: its name and the module."""
    for name, path in modules().items():
        for node in tree(path).body:
            if isinstance(node, kind) and not (defined := str(getattr(node, "name", "_"))).startswith("_"):
                yield defined, name


def users(kind: type[ast.stmt]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for defined, name in definitions(kind):
        places[defined].append(name)
    return places


def test_a_class_name_exists_once() -> None:
    assert {name: where for name, where in users(ast.ClassDef).items() if len(where) > 1} == {}


def test_a_public_function_name_is_in_at_most_two_modules() -> None:
    several = {name: where for name, where in users(ast.FunctionDef).items() if len(where) > 2}
    assert {name: where for name, where in several.items() if name not in FAMILY_NAMES} == {}


def test_only_the_git_package_starts_git() -> None:
    """The demo makes its own repository as a user would."""
    starters = {str(path.relative_to(PACKAGE)) for path in modules().values() if '["git"' in path.read_text()}
    assert starters <= {"git/client.py", "git/repository.py", "cli/commands/demo.py"}


def test_the_map_names_every_file() -> None:
    missing = [
        str(path.relative_to(PACKAGE))
        for path in modules().values()
        if not path.name.startswith("__") and path.stem not in MAP
    ]
    assert missing == []


def test_the_tables_of_the_map_are_those_of_the_code() -> None:
    assert life_table() in MAP
    assert recovery_table() in MAP


def test_a_large_module_has_a_test_file_or_a_line_that_names_its_tests() -> None:
    named = (ROOT / "tests" / "README.md").read_text()
    missing = []
    for path in modules().values():
        own = path.relative_to(PACKAGE)
        is_large = len(path.read_text().splitlines()) > LARGE and path.name != "__init__.py"
        tested = (ROOT / "tests" / own.parent / f"test_{own.name}").exists()
        if is_large and not tested and f"`{own}`" not in named:
            missing.append(str(own))
    assert missing == []


def test_the_tests_that_the_list_names_exist() -> None:
    text = (ROOT / "tests" / "README.md").read_text().partition("## Modules without")[2]
    tests = re.findall(r"`((?:\w+/)*test_\w+\.py)`", text)
    assert [name for name in tests if not (ROOT / "tests" / name).exists()] == []
