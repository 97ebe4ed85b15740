"""A message to one address of a service (Slack, mail, a telephone, the desktop ...), by apprise.

Everything here happens in a process of its own, which dies with its parent: nothing is promised about how long a
service takes, or what its client leaves behind. Addresses hold passwords. So nothing that apprise says is passed
on: what went wrong becomes one of the sentences below.
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
    """In a runner: send it. Returns "" or a sentence of what went wrong, which holds nothing of the address."""
    if not installed():
        return MISSING
    threading.Thread(target=_die_with, args=(link,), daemon=True).start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _send(letter, address)
    except Exception as error:  # a client of some service: anything may come out of it
        return f"its client broke ({type(error).__name__})."


def _die_with(link: Link) -> None:
    """The parent's next word is that this is enough; a client that hangs hears nobody."""
    try:
        link.receive()
    except AbandonedError:
        pass
    finally:
        os._exit(1)


def _send(letter: Message, address: str) -> str:
    import apprise

    moods = {"success": apprise.NotifyType.SUCCESS, "failure": apprise.NotifyType.FAILURE}
    said = _listen()
    service = apprise.Apprise()
    if not service.add(address):
        return STRANGE
    sent = service.notify(
        body=letter.body, title=letter.title, body_format=apprise.NotifyFormat.TEXT,
        notify_type=moods.get(letter.mood, apprise.NotifyType.WARNING), interpret_escapes=False,
    )  # fmt: skip
    return "" if sent else fault(said.getvalue())


def _listen() -> StringIO:
    """All that apprise's own log says from now on."""
    said = StringIO()
    handler, log = logging.StreamHandler(said), logging.getLogger("apprise")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    return said


def fault(said: str) -> str:
    """The sentence for what apprise's log says; the message itself stands in that log, too."""
    told = "\n".join(SAYS.findall(said))
    for pattern, sentence in FAULTS:
        if found := re.search(pattern, told, re.IGNORECASE):
            return sentence.format(*found.groups())
    return ELSE
