"""How much the windows of Claude's models hold."""

from __future__ import annotations

import re

# the binary's own table: 1,000,000 tokens, and 200,000
MILLION = re.compile(r"claude-(sonnet-5|opus-4-[78]|fable-5)(-\d{8})?$|.*\[1m\]$")
USUAL = re.compile(r"claude-(3|haiku-4|sonnet-4|opus-4)(-|$)")


def window(model: str) -> int:
    """How many tokens the model's window holds; 0: not known, as for an alias."""
    if MILLION.match(model):
        return 1_000_000
    return 200_000 if USUAL.match(model) else 0
