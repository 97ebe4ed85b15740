"""Context windows and prices of Claude's models."""

from __future__ import annotations

import re
from collections.abc import Mapping

# A whole family has its window from one model on: the catalog of Claude Code 2.1.332, read on 2026-11-30.
FAMILY = re.compile(
    r"claude-(?P<family>opus|sonnet|haiku|fable|mythos)-(?P<major>\d{1,2})(?:-(?P<minor>\d{1,2}))?(?!\d)"
)
MILLION_FROM = {"opus": (4, 7), "sonnet": (5, 0), "haiku": (5, 0), "fable": (5, 0), "mythos": (5, 0)}
OLDER = re.compile(r"claude-3(-\d)?-")
LONG = "[1m]"

# USD per million tokens: input, cached input, output. Writing to the cache costs a quarter more than input.
# Source: platform.claude.com/docs/en/about-claude/pricing and the same catalog. Haiku 5.5 as for long prompts.
PRICED = "2026-11-30"
PRICES: Mapping[str, tuple[float, float, float]] = {
    "claude-3-5-haiku": (0.8, 0.08, 4.0),
    "claude-haiku-4-5": (1.0, 0.1, 5.0),
    "claude-haiku-5-5": (0.5, 0.05, 2.5),
    "claude-3-5-sonnet": (3.0, 0.3, 15.0),
    "claude-3-7-sonnet": (3.0, 0.3, 15.0),
    "claude-sonnet-4": (3.0, 0.3, 15.0),
    "claude-sonnet-4-0": (3.0, 0.3, 15.0),
    "claude-sonnet-4-5": (3.0, 0.3, 15.0),
    "claude-sonnet-4-6": (3.0, 0.3, 15.0),
    "claude-sonnet-5": (2.0, 0.2, 10.0),
    "claude-sonnet-5-5": (2.0, 0.1, 10.0),
    "claude-opus-4": (15.0, 1.5, 75.0),
    "claude-opus-4-0": (15.0, 1.5, 75.0),
    "claude-opus-4-1": (15.0, 1.5, 75.0),
    "claude-opus-4-5": (5.0, 0.5, 25.0),
    "claude-opus-4-6": (5.0, 0.5, 25.0),
    "claude-opus-4-7": (5.0, 0.5, 25.0),
    "claude-opus-4-8": (5.0, 0.5, 25.0),
    "claude-opus-5": (5.0, 0.5, 25.0),
    "claude-opus-5-5": (4.0, 0.2, 20.0),
    "claude-fable-5": (10.0, 1.0, 50.0),
    "claude-fable-5-1": (10.0, 0.25, 50.0),
    "claude-fable-5-2": (8.0, 0.2, 40.0),
    "claude-mythos-5": (10.0, 1.0, 50.0),
    "claude-mythos-5-1": (10.0, 0.25, 50.0),
    "claude-mythos-5-2": (8.0, 0.2, 40.0),
}


def window(model: str) -> int:
    """Return the model's context window in tokens, by its family; 0: unknown, as for an alias."""
    if model.endswith(LONG):
        return 1_000_000
    if found := FAMILY.search(model):
        version = int(found["major"]), int(found["minor"] or 0)
        return 1_000_000 if version >= MILLION_FROM[found["family"]] else 200_000
    return 200_000 if OLDER.search(model) else 0
