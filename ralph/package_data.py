"""The files that ralph brings along: prompts, the example, the demo. In a wheel or beside a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ralph.errors import Exit, RalphError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = {"templates": "templates", "PRD.example.md": "PRD.example.md", "demo": "fixtures/demo"}


def data(name: str) -> Path:
    """The path of `templates`, `PRD.example.md` or `demo`."""
    packed = PACKAGE / "data" / name
    path = packed if packed.exists() else PACKAGE.parent / CHECKOUT[name]
    if not path.exists():
        cure = "Install ralph again, in the folder with its source: `pip install --force-reinstall .`"
        raise RalphError("a part of ralph is missing", cure, where=str(path), code=Exit.BUG)
    return path


@cache
def templates() -> dict[str, str]:
    """Every template: file name without its ending -> text."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(data("templates").iterdir())
        if path.is_file()
    }


def template(name: str) -> str:
    """The text of one template."""
    return templates()[name]
