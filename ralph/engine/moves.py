"""What happens after an attempt that was not accepted."""

from __future__ import annotations

from enum import StrEnum

from ralph.immutable import immutable


class MoveKind(StrEnum):
    """What to do after an attempt that was not accepted."""

    RETRY = "retry"
    WAIT = "wait"  # until `when`, then the same again
    HAND_OVER = "hand over"  # go on with fresh context from where it stands
    CHANGE = "change the agent"
    SPLIT = "split"
    SKIP = "skip"
    PARK = "park"
    STOP = "stop"


@immutable
class Move:
    """The answer to a failed attempt. `reason` is a sentence for people; `when` an epoch time to start again."""

    kind: MoveKind
    reason: str
    when: float | None = None
    counted: bool = True  # it used up a try
