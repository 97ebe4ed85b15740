"""Moves: what to do after an attempt that was not accepted."""

from __future__ import annotations

from enum import StrEnum

from ralph.immutable import immutable


class MoveKind(StrEnum):
    """What to do after an attempt that was not accepted."""

    RETRY = "retry"
    WAIT = "wait"  # until `when`, then try again
    HAND_OVER = "hand over"  # continue the work with fresh context
    CHANGE = "change the agent"
    SPLIT = "split"
    SKIP = "skip"
    PARK = "park"
    STOP = "stop"


@immutable
class Move:
    """The move after a failed attempt. `reason` is a sentence for people; `when` is the epoch time of the retry."""

    kind: MoveKind
    reason: str
    when: float | None = None
    counted: bool = True  # the attempt counts as a try
