"""The house rules that a machine can check: which package imports which, and that the map is up to date."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ralph.state.attempt import table_as_text

PACKAGE = Path(__file__).parents[1] / "ralph"
ROOMS = ("core", "agents", "system", "show", "cli")
LEAVES = {"model", "events", "errors", "text", "told", "immutable"}


def imports(path: Path) -> set[str]:
    """The parts of ralph that a file imports: `core`, `model` ..."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"ralph.{alias.name}" for alias in node.names] if node.module == "ralph" else [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("ralph.")}
    return found


@pytest.mark.parametrize("room", ["core", "agents", "system", "show"])
def test_rooms_do_not_import_one_another(room: str) -> None:
    for path in (PACKAGE / room).glob("*.py"):
        assert imports(path) <= {room, *LEAVES}, path


def test_leaves_import_only_leaves() -> None:
    for leaf in LEAVES:
        assert imports(PACKAGE / f"{leaf}.py") <= LEAVES


def test_nothing_imports_the_command_line() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "cli" and path.name != "__main__.py":
            assert "cli" not in imports(path), path


def test_one_door_to_git() -> None:
    """Only git.py starts git, and repository.py, which finds out where; the demo makes its own as a user would."""
    for path in PACKAGE.rglob("*.py"):
        if path.name not in {"git.py", "repository.py", "demo.py"}:
            assert '["git"' not in path.read_text(), path


def test_the_map_names_every_file() -> None:
    text = (PACKAGE / "README.md").read_text()
    for path in (*PACKAGE.glob("*.py"), *(PACKAGE / "system").glob("*.py"), *(PACKAGE / "core").glob("*.py")):
        if not path.name.startswith("__"):
            assert path.name in text or path.stem in text, path


def test_the_life_table_of_the_map_is_the_code() -> None:
    assert (PACKAGE / "README.md").read_text().endswith(table_as_text())
