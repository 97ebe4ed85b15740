"""Which criteria the gates of an attempt confirm."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.prd.fields import code_spans
from ralph.prd.model import Criterion
from ralph.verify.model import GateResult


def proven(criteria: Sequence[Criterion], results: Sequence[GateResult]) -> tuple[Criterion, ...]:
    """Those that name a command of these, as code and nothing beside it, where all that they name were green."""
    ran = {one.gate.command.strip() for one in results}
    green = ran - {one.gate.command.strip() for one in results if not one.ok}
    named = [(one, ran.intersection(code_spans(one.text))) for one in criteria]
    return tuple(one for one, commands in named if commands and commands <= green)
