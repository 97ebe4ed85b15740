"""Messages to real services on this machine, by apprise: what arrives, and what is said of those that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest

from ralph.notify import apprise as post
from ralph.notify import messages as notices
from ralph.notify.courier import Receiver, deliver_now
from ralph.notify.message import Message
from ralph.state.events import Parked
from tests.helpers.receivers import Mail, Web, dead, deaf, mail_url

HELLO = Message("ralph in shop: parked", "T3 rate limits: timed out", "", {"event": "parked"})
ATTACK = "</p><script>alert(1)</script><img src=x onerror=alert(1)> \x1b]0;owned\x07\x1b[31m\u202e @everyone"


def send(address: str, letter: Message = HELLO, patience: float = 60.0) -> str:
    """What is said of it; "": it arrived."""
    ((_, said, _),) = deliver_now(letter, [Receiver("x", partial(post.deliver, address=address))], patience)
    return said


def test_a_web_server_gets_it(server: Web) -> None:
    assert send(server.url()) == ""
    (got,) = server.got
    assert (got["title"], got["message"], got["type"]) == (HELLO.title, HELLO.body, "warning")


def test_a_mail_server_gets_it(letters: Mail) -> None:
    assert send(letters.url) == ""
    assert letters.letters[0]["Subject"] == HELLO.title
    assert letters.letters[0]["To"] == "ada@example.org"
    assert letters.text(0, "plain").strip() == HELLO.body


def test_what_attackers_write_arrives_as_harmless_text(server: Web, letters: Mail) -> None:
    notice = notices.of(Parked("T1", f"T1 {ATTACK}\r\nBcc: eve@example.org", ATTACK), 0.0)
    assert notice is not None
    evil = notices.letter([notice, notice], ATTACK)
    assert send(server.url(), evil) == ""
    assert send(f"{letters.url}&format=html", evil) == ""
    page, (letter,) = letters.text(0, "html"), letters.letters
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert letter["Bcc"] is None
    for text in (page, str(letter["Subject"]), server.got[0]["title"], server.got[0]["message"]):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert "@everyone" not in text


def test_each_that_does_not_work_is_a_sentence_without_its_address(server: Web) -> None:
    known = (
        server.url("500/s3cret-s3cret"), f"json://ada:s3cret-s3cret@127.0.0.1:{dead()}",
        mail_url(dead(), "ada:s3cret-s3cret@"),
        "slack://s3cret-s3cret", "nonsense://s3cret-s3cret",
    )  # fmt: skip
    posts = [Receiver(str(n), partial(post.deliver, address=one)) for n, one in enumerate(known)]
    said = [one for _, one, _ in deliver_now(HELLO, posts, 60)]
    assert said == ["its server answered with HTTP status 500.", "nothing listens there.", "nothing listens there.",
                    post.STRANGE, post.STRANGE]  # fmt: skip


def test_one_that_never_answers_is_ended(server: Web) -> None:
    with deaf() as port:
        known = (server.url("slow?rto=60"), mail_url(port))
        posts = [Receiver(str(n), partial(post.deliver, address=one)) for n, one in enumerate(known)]
        said = [one for _, one, _ in deliver_now(HELLO, posts, 1.0)]
    assert said == ["it took longer than 1 s and was ended."] * 2


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("WARNING Failed to send JSON: Not Found., error=404.", "its server answered with HTTP status 404."),
        ("DEBUG Socket Exception: (535, b'5.7.8 s3cret')", "its mail server answered 535."),
        ("DEBUG Socket Exception: HTTPConnectionPool(port=1): Read timed out.", "it did not answer in time."),
        ("DEBUG Socket Exception: [Errno -2] Name or service not known", "its host was not found."),
        ("DEBUG Socket Exception: SSLCertVerificationError ...", "its certificate is not accepted."),
        ("WARNING A Connection error occurred sending X to h.", "it could not be reached."),
        ("DEBUG JSON Payload: {'message': 'error=404 timed out'}\nINFO nothing", post.ELSE),
    ],
)  # fmt: skip
def test_sentences(log: str, sentence: str) -> None:
    assert post.fault(log) == sentence


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "installed", lambda: False)
    assert send("json://127.0.0.1") == post.MISSING
    assert "pip install '.[notify]'" in post.MISSING
    assert "pipx inject ralph apprise" in post.MISSING


def test_apprise_is_loaded_only_to_send() -> None:
    program = "import sys; import ralph.engine.loop, ralph.cli.commands.notify; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "False\n"
