"""Before a second checkout judges anything: does a gate there test it, or the checkout to which links lead?

A link alone proves nothing: a linter loads no product, and a test may find its own sources first. So each gate runs
with the links retargeted to a copy whose sources are broken. If it fails there, and not with the whole copy, it
loads the other checkout, and its result proves nothing about the place where it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.context import RunContext
from ralph.engine.parallel import worktree_setup as fitting
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


def refuse(place: RunContext, commands: Sequence[Gate]) -> None:
    """Raise RalphError if one of the gates, which are green in this place, loads the sources of another checkout.

    Runs nothing where no link leads there.
    """
    for other in _others(place):
        where = links.Place(place.here, place.root, other, place.settings.brought, place.environment())
        found = links.find_links(place.git, where, [gate.command for gate in commands])
        case = (str(other), *sorted(f"{link.name} {link.target}" for link in found))
        asked = [gate for gate in commands if (*case, gate.command) not in place.own_sources]
        if found and asked:
            _refuse_loading(place, where, found, asked)
            place.own_sources.update((*case, gate.command) for gate in asked)


def _others(place: RunContext) -> Iterator[Path]:
    """The checkouts of this repository besides the place, without ralph's own worktrees."""
    ours = fitting.pool(place).folder.resolve()
    listed = place.git.repo("worktree", "list", "--porcelain").decode(errors="surrogateescape").splitlines()
    paths = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    main = [place.checkout.where.root] if place.checkout else []
    for path in {path.resolve(): path for path in (*paths, *main)}.values():
        real = path.resolve()
        if real != place.root.resolve() and not real.is_relative_to(ours) and (path / ".git").exists():
            yield path


def _refuse_loading(
    place: RunContext, where: links.Place, found: Sequence[links.SourceLink], commands: Sequence[Gate]
) -> None:
    names = ", ".join(dict.fromkeys(link.name for link in found))
    place.tell(Noted(f"Links lead to the sources in {where.other} ({names}): ralph looks which gates load them."))
    folder = fitting.pool(place).folder / "copy"
    try:
        copy = Copy(place.git, where, found, folder)
        for gate in commands:
            if _loads(place, copy, gate):
                raise _refusal(where, names, gate)
    except OSError as error:
        what = f"no copy of {where.other} can be made in {folder}: {error.strerror}"
        raise RalphError(what, "Look at the space on the disk.") from error
    finally:
        away(folder)


def _loads(place: RunContext, copy: Copy, gate: Gate) -> bool:
    """Whether the gate loads what the links lead to: it fails if that is broken, each time, and not if it is whole.

    If it fails with a whole copy, too, the copy itself is what it notices, unless it fails without one.
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
    what = f"in a second checkout, `{command}` loads the sources in {where.other}, not its own: {clean(names)}"
    return RalphError(what, CURE.format(node=NODE if "node_modules" in names else ""))
