"""`ralph init`: a first PRD.md, a memory file and a ralph.toml. Overwrites nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from ralph.agents.selection import find_agent
from ralph.cli.output import say
from ralph.config import Settings, load
from ralph.engine.startup import find_memory
from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.repository import discover
from ralph.immutable import immutable
from ralph.package_data import data, template
from ralph.text import clean
from ralph.verify import gates

PROJECT = "pyproject.toml"


@immutable
class StarterFile:
    """One initial file: its path in the repository, its text and its purpose."""

    path: str
    text: str
    what: str


def init(agent: str = "") -> int:
    """Write the missing files at the root of the repository. Print the next steps."""
    repo = discover(Path.cwd())
    settings = load(repo.root, {"agent": agent or None})
    files = list(_files(repo.root, settings))
    wrote = [file for file in files if _write(repo.root / file.path, file.text)]
    width = max(len(file.path) for file in files)
    for file in files:
        said = (
            f"wrote  {file.path:<{width}}  {file.what}"
            if file in wrote
            else f"left   {file.path:<{width}}  as it is"
        )
        say(said.rstrip())
    for line in _next(repo.root, [file.path for file in wrote], committed=bool(Git(repo).head()[1])):
        say(line)
    return Exit.DONE


def _files(root: Path, settings: Settings) -> Iterator[StarterFile]:
    prd = _inside(root / settings.prd, root)
    yield StarterFile(prd, _starter("PRD.md"), "two small examples: put your tasks in their place")
    if memory := find_memory(settings, root):
        yield StarterFile(
            memory, template("memory"), "what every agent is told; ralph keeps its queue and log in it"
        )
    yield StarterFile(PROJECT, "", "") if _configured(root) else _configuration(root, settings)


def _configured(root: Path) -> bool:
    """Return no ralph.toml if pyproject.toml has settings, which it would hide."""
    project = root / PROJECT
    return not (root / "ralph.toml").exists() and project.is_file() and b"[tool.ralph" in project.read_bytes()


def _configuration(root: Path, settings: Settings) -> StarterFile:
    name = _agent(settings)
    commands = [gate.command for gate in gates.detect_gates(root)]
    text = Template(_starter("ralph.toml")).substitute(agent=_agent_line(name), gate=_gate_lines(commands))
    proof = f"gates: {', '.join(commands)}" if commands else "no gates found: add what runs your tests"
    proof += "".join(f"; {clean(missing.what)}" for missing in gates.missing(root))
    return StarterFile("ralph.toml", text, f"{f'agent {name}' if name else 'no agent found on PATH'}; {proof}")


def _agent(settings: Settings) -> str:
    """Return the requested agent, or an installed one, or ""."""
    if settings.agent_command:
        return ""
    try:
        return find_agent(settings)[0].NAME
    except RalphError:
        if settings.agent:
            raise
        return ""


def _agent_line(name: str) -> str:
    return (
        f"agent = {json.dumps(name)}"
        if name
        else '# agent = "claude"  # none was found on PATH: `ralph --help` lists them'
    )


def _gate_lines(commands: Sequence[str]) -> str:
    """Return the gate setting, one gate per line."""
    if not commands:
        return '# gate = ["make test"]  # tests and linters that must succeed; without any only git is looked at'
    lines = "".join(f"  {json.dumps(command, ensure_ascii=False)},\n" for command in commands)
    return f"gate = [  # must succeed before a box is ticked\n{lines}]"


def _starter(name: str) -> str:
    return (data("templates") / "starter" / name).read_text(encoding="utf-8")


def _inside(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        cure = "Name a path inside the repository as `prd` in ralph.toml."
        raise RalphError(f"the PRD {path} lies outside the repository {root}", cure) from None


def _write(path: Path, text: str) -> bool:
    """Write the file unless the path exists. Return whether it was written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise RalphError(
            f"it can't be written: {error.strerror}", "Look at the folder's permissions.", where=str(path)
        ) from error
    return True


def _next(root: Path, wrote: Sequence[str], *, committed: bool) -> Iterator[str]:
    """Yield the next commands."""
    yield ""
    yield "Next:"
    if root.resolve() != Path.cwd().resolve():
        yield f"  cd {shlex.quote(str(root))}"
    yield "  write your tasks into the PRD; `ralph lint` looks at them"
    if not committed:
        yield "  git add -A && git commit -m start    (there is no commit yet: ralph needs one to begin with)"
    elif wrote:
        yield f"  git add {shlex.join(wrote)} && git commit -m 'chore: start with ralph'"
    yield "  ralph --dry-run    shows order, prompts and gates; `ralph` alone begins"
