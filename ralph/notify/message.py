"""The message of a notification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ralph.immutable import immutable


@immutable
class Message:
    """One message to a human, for all receivers."""

    title: str
    body: str  # plain text
    line: str  # both in one line
    data: Mapping[str, Any]  # the newest event, for programs; older ones in "earlier"
    mood: str = "warning"  # success, warning, failure
