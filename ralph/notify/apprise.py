"""Delivery of a message to one address of a service (Slack, mail, phone, desktop ...) by apprise.

It runs in its own process, which dies with its parent, because a service may hang and its client may leave threads.
Addresses hold passwords, so apprise's output is never passed on: an error becomes one of the sentences below.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from importlib.util import find_spec
from io import StringIO

from ralph.notify.message import Message
from ralph.process.supervisor import AbandonedError, Link

MISSING = (
    "apprise is not installed. In the folder with ralph's source: `pip install '.[notify]'`, or "
    "`uv tool install --force '.[notify]'`. With pipx: `pipx inject ralph apprise`."
)
STRANGE = "apprise can make nothing of this address: its documentation shows how each service is written."
FAULTS = (
    (r"error=(\d{3})", "its server answered with HTTP status {}."),
    (r"\((\d{3}), b", "its mail server answered {}."),
    (r"timed? ?out", "it did not answer in time."),
    (r"refused", "nothing listens there."),
    (r"getaddrinfo|resolve|not known|No address", "its host was not found."),
    (r"certificate|SSL", "its certificate is not accepted."),
    (r"onnection|Socket", "it could not be reached."),
)
ELSE = "it did not take the message."
SAYS = re.compile(r"^(?:WARNING|ERROR|CRITICAL) .*|.*Socket Exception.*", re.MULTILINE)


def installed() -> bool:
    return find_spec("apprise") is not None


def deliver(letter: Message, link: Link, *, address: str) -> str:
    """Send the message, in a runner process. Return "" or a sentence about the error, without the address."""
    if not installed():
        return MISSING
    threading.Thread(target=_die_with, args=(link,), daemon=True).start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _send(letter, address)
    except Exception as error:  # a service's client may raise anything
        return f"its client broke ({type(error).__name__})."


def _die_with(link: Link) -> None:
    """Exit on the parent's next message, which asks for the end: a hanging client does not read it."""
    try:
        link.receive()
    except AbandonedError:
        pass
    finally:
        os._exit(1)


def _send(letter: Message, address: str) -> str:
    import apprise

    moods = {"success": apprise.NotifyType.SUCCESS, "failure": apprise.NotifyType.FAILURE}
    log = _listen()
    service = apprise.Apprise()
    if not service.add(address):
        return STRANGE
    sent = service.notify(
        body=letter.body, title=letter.title, body_format=apprise.NotifyFormat.TEXT,
        notify_type=moods.get(letter.mood, apprise.NotifyType.WARNING), interpret_escapes=False,
    )  # fmt: skip
    return "" if sent else fault(log.getvalue())


def _listen() -> StringIO:
    """Return a buffer that receives apprise's log from now on."""
    buffer = StringIO()
    handler, log = logging.StreamHandler(buffer), logging.getLogger("apprise")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    return buffer


def fault(log: str) -> str:
    """Return the sentence for an error in apprise's log. Ignore the message's own text in it."""
    errors = "\n".join(SAYS.findall(log))
    for pattern, sentence in FAULTS:
        if match := re.search(pattern, errors, re.IGNORECASE):
            return sentence.format(*match.groups())
    return ELSE
