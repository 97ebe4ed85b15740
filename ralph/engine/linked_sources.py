"""Check whether a gate in a second checkout loads the sources of another one through links.

A link alone is no evidence: a linter loads no product, and a test may find its own sources first. So each gate runs
with the links retargeted to a copy with broken sources. If it fails there, but passes with an intact copy, it loads
the other checkout, and its result proves nothing about its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.context import RunContext
from ralph.engine.parallel import worktree_setup
from ralph.errors import Exit, RalphError
from ralph.git.checkout import away
from ralph.state.events import GateStarted, Noted
from ralph.text import clean, one_line
from ralph.verify import gates
from ralph.verify.model import Gate, GateResult
from ralph.verify.places import links
from ralph.verify.places.retarget import Copy

CURE = (
    "Let --setup install inside the checkout and let the gates use that, e.g. --setup 'python -m venv .venv && "
    ".venv/bin/pip install -e .' --gate '.venv/bin/python -m pytest -q'{node}."
)
NODE = "; for Node --setup 'npm ci', without node_modules under [worktree]"


def refuse(place: RunContext, commands: Sequence[Gate]) -> bool:
    """Raise RalphError if one of these green gates loads the sources of another checkout.

    Return whether gates ran to find out: none does if no link leads to another checkout.
    """
    has_run = False
    for other in _others(place):
        where = links.Place(place.here, place.root, other, place.settings.brought, place.environment())
        source_links = links.find_links(place.git, where, [gate.command for gate in commands])
        case = (str(other), *sorted(f"{link.name} {link.target}" for link in source_links))
        untested = [gate for gate in commands if (*case, gate.command) not in place.state.own_sources]
        if source_links and untested:
            _refuse_loading(place, where, source_links, untested)
            place.state.own_sources.update((*case, gate.command) for gate in untested)
            has_run = True
    return has_run


def _others(place: RunContext) -> Iterator[Path]:
    """Yield the other checkouts of this repository, without ralph's own worktrees."""
    ours = worktree_setup.pool(place).folder.resolve()
    listed = place.git.repo("worktree", "list", "--porcelain").decode(errors="surrogateescape").splitlines()
    paths = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    main = [place.checkout.where.root] if place.checkout else []
    for path in {path.resolve(): path for path in (*paths, *main)}.values():
        real = path.resolve()
        if real != place.root.resolve() and not real.is_relative_to(ours) and (path / ".git").exists():
            yield path


def _refuse_loading(
    place: RunContext, where: links.Place, source_links: Sequence[links.SourceLink], commands: Sequence[Gate]
) -> None:
    names = ", ".join(dict.fromkeys(link.name for link in source_links))
    place.tell(Noted(f"Links lead to the sources in {where.other} ({names}): ralph looks which gates load them."))
    folder = worktree_setup.pool(place).folder / "copy"
    try:
        copy = Copy(place.git, where, source_links, folder)
        for gate in commands:
            if _loads(place, copy, gate):
                raise _refusal(where, names, gate)
    except OSError as error:
        problem = f"no copy of {where.other} can be made in {folder}: {error.strerror}"
        raise RalphError(problem, "Look at the space on the disk.") from error
    finally:
        away(folder)


def _loads(place: RunContext, copy: Copy, gate: Gate) -> bool:
    """Whether the gate loads the linked sources: it fails each time with a broken copy, but not with an intact one.

    A gate that also fails with an intact copy reacts to the copy itself, unless it fails without one, too.
    """
    copy.broken()
    if _run(place, copy, gate, "broken").ok:
        return False
    copy.whole()
    if not _run(place, copy, gate, "whole").ok:
        return _run(place, None, gate, "as it is").ok
    copy.broken()
    return not _run(place, copy, gate, "broken").ok


def _run(place: RunContext, copy: Copy | None, gate: Gate, name: str) -> GateResult:
    log = place.folder / f"0.links, {name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    place.tell(GateStarted(0, one_line(clean(gate.command), 200)))
    command, env = (copy.moved(gate.command), copy.environment()) if copy else (gate.command, place.environment())
    with copy.linked() if copy else nullcontext():
        result = gates.run_gate(
            Gate(command, gate.source),
            cwd=place.here,
            env=env,
            timeout=place.settings.gate_timeout,
            log=log,
            stop=lambda: place.hurried,
            secrets=place.secrets,
        )
    if place.hurried:
        raise GatesInterruptedError("interrupted while the gates ran", code=Exit.INTERRUPTED)
    return result


def _refusal(where: links.Place, names: str, gate: Gate) -> RalphError:
    command = one_line(clean(gate.command), 100)
    problem = f"in a second checkout, `{command}` loads the sources in {where.other}, not its own: {clean(names)}"
    return RalphError(problem, CURE.format(node=NODE if "node_modules" in names else ""))
