"""Errors of Claude Code: in error events, and in plain lines before the first event."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ralph.agents.json_stream import strip_controls, words
from ralph.agents.model import Signal, SignalKind
from ralph.agents.reset_times import epoch

ERRORS = {
    "authentication_failed": SignalKind.AUTH,
    "oauth_org_not_allowed": SignalKind.AUTH,
    "billing_error": SignalKind.CREDIT,
    "rate_limit": SignalKind.RATE_LIMIT,
    "overloaded": SignalKind.OVERLOADED,
    "model_not_found": SignalKind.MODEL,
}
STATUS = {
    401: SignalKind.AUTH,
    403: SignalKind.AUTH,
    404: SignalKind.MODEL,
    429: SignalKind.RATE_LIMIT,
    529: SignalKind.OVERLOADED,
}

# beginnings of error texts, for errors whose code is not specific
TEXTS = (
    (SignalKind.NETWORK, re.compile(r"API Error: (Unable to connect|Failed to parse JSON|API returned an empty"
                              r"|The response could not be read)")),
    (SignalKind.CREDIT, re.compile(r"API Error: 400 You have reached your specified API usage limits"
                             r"|Credit balance is too low|You.re out of usage credits")),
    (SignalKind.RATE_LIMIT, re.compile(r"Claude AI usage limit reached|You.ve (hit|reached) your .*limit"
                                 r"|[\w-]+ limit reached")),
)  # fmt: skip
LINES = (
    (SignalKind.AUTH, re.compile(r"Not logged in|Invalid API key|Please run /login")),
    (SignalKind.RATE_LIMIT, re.compile(r"Claude AI usage limit reached\|")),
    (SignalKind.ERROR, re.compile(r"[Ee]rror: |--dangerously-skip-permissions cannot be used")),
)


# `server_error` is either an answer (its text begins with a status, or says that the API is busy) or none:
# 2.1.332 has a dozen sentences for a lost connection, 2.1.197 has `Unable to connect`
NO_ANSWER = re.compile(
    r"API Error: (?!(?:Repeated |API error \(status )?[45]\d\d\b|The API is |.*temporarily unavailable)"
    r"|Request timed out"
)


def kind_of(error: str, text: str) -> SignalKind:
    """Return the kind of an error by its code, otherwise by its text."""
    if error in ERRORS:
        return ERRORS[error]
    by_text = next((kind for kind, pattern in TEXTS if pattern.match(text)), None)
    if by_text or error != "server_error":
        return by_text or SignalKind.ERROR
    return SignalKind.NETWORK if NO_ANSWER.match(text) else SignalKind.OVERLOADED


def failed(kind: SignalKind, text: str) -> Signal:
    """Return the signal of an error, with the reset time if the text has it as a number."""
    return Signal(kind, words(text), resets_at=epoch(text) if kind is SignalKind.RATE_LIMIT else None)


def read_plain_line(line: str) -> Iterator[Signal]:
    """Yield the signals of a plain line before the first event. Tools and prose are always inside events."""
    text = strip_controls(line[:4_000]).strip()
    for kind, pattern in LINES:
        if pattern.match(text):
            yield failed(kind, text)
            return
