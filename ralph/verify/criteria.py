"""The criteria that the gates of an attempt confirm."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.prd.fields import code_spans
from ralph.prd.model import Criterion
from ralph.verify.model import GateResult


def proven(criteria: Sequence[Criterion], results: Sequence[GateResult]) -> tuple[Criterion, ...]:
    """Return the criteria that consist of commands as code and nothing else, where all these commands passed."""
    ran = {result.gate.command.strip() for result in results}
    green = ran - {result.gate.command.strip() for result in results if not result.ok}
    named = [(criterion, ran.intersection(code_spans(criterion.text))) for criterion in criteria]
    return tuple(criterion for criterion, commands in named if commands and commands <= green)
