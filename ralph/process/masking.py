"""Mask secrets in a stream of bytes before it reaches a disk, wherever the stream was split.

A known secret, or a token with a known shape (`ralph.text.TOKENS`), may span two pieces. Bytes that could still
become one are held back, mostly a word, and returned with the next piece or at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ralph.text import MASK, TOKENS

HOLD = 16_384  # maximum bytes held back; a longer run that looks like one token is masked to its end
HALF = 3  # bytes of a secret's beginning that reveal nothing
SIGHT = 32  # bytes of context before a token that its shape needs
HEADER = 500  # bytes from the first line of a private key to its first line of letters
FOOTER = 200  # bytes from its last line of letters to the end of its last line

Span = tuple[int, int]

_MASK = MASK.encode()
_TOKENS = re.compile(TOKENS.pattern.replace(r"\w", r"\w\x80-\xff").encode())
_BEGIN = b"-----BEGIN "
# Every shape has a rare piece of text with a rare byte, and begins at a fixed offset before that piece.
# Searching for those first is six times as fast as trying all shapes everywhere.
_HINTS = tuple(
    (byte, re.compile(piece), offset)
    for byte, piece, offset in (
        (b"-", _BEGIN, 0), (b"_", rb"gh[pousr]_", 0), (b"_", rb"github_pat_", 0), (b"-", rb"glpat-", 0),
        (b"A", rb"A(?:KIA|SIA|Iza)", 0), (b"_", rb"npm_", 0), (b"-", rb"x(?:ox[a-z]|app)-", 0),
        (b"_", rb"k_(?:live|test)_", -1), (b"_", rb"hf_", 0), (b"-", rb"pypi-", 0), (b"G", rb"SG\.", 0),
        (b"-", rb"sk-", 0), (b"J", rb"eyJ", 0), (b" ", rb"earer ", 6),
        (b"/", rb"hooks\.slack\.com/services/", 25), (b"/", rb"://", 3),
    )
)  # fmt: skip
_HINT = 12  # bytes of the longest piece
_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+~=-"  # the characters of tokens
_KEY = _WORD + b" \t\r\n>|\"',\\"  # the characters of private keys
_URL = re.compile(rb"://[^\s/:@]{0,100}+(?::[^\s/@]{0,200}+(?:@[\w\x80-\xff-]{0,60}+)?)?\Z")
_URL_LENGTH = 370


class Masker:
    """Finds secrets in bytes: the known ones, also in their JSON form, and all tokens of known shapes."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = tuple(sorted({form for secret in secrets if secret for form in _forms(secret)}))
        self.reach = max([HOLD, *map(len, self._secrets)])  # maximum length of a secret in bytes

    def text(self, text: str, goes_on: bool = False) -> str:
        """Return the text without secrets; if it `goes_on`, also without the first half of a secret at its end."""
        if not text:
            return text
        data = text.encode("utf-8", "surrogatepass")
        spans = self.spans(data, self.starts(data))
        half = self.begun(data, 0) if goes_on else len(data)
        if len(data) - half > HALF:
            spans = _joined(sorted([*spans, (half, len(data))]))
        return replaced(data, 0, len(data), spans).decode("utf-8", "surrogatepass") if spans else text

    def end(self, data: bytes, size: int) -> bytes:
        """Return the last `size` bytes without secrets, starting before a secret that spans the cut."""
        at = max(0, len(data) - size)
        spans = self.spans(data, self.starts(data))
        return replaced(data, whole(at, spans), len(data), spans)

    def starts(self, data: bytes, at: int = 0) -> list[int]:
        """Return the offsets from `at` on where tokens may begin."""
        look = max(0, at - SIGHT)
        offsets = [
            hit.start() + offset
            for byte, piece, offset in _HINTS if byte in data
            for hit in piece.finditer(data, look)
        ]  # fmt: skip
        return sorted(start for start in offsets if start >= at) if offsets else offsets

    def spans(self, data: bytes, starts: Sequence[int], at: int = 0) -> list[Span]:
        """Return the ranges of secrets from `at` on, in order, overlapping ones joined."""
        ranges = [*self._known(data, at), *_shaped(data, starts)]
        return _joined(sorted(ranges)) if len(ranges) > 1 else ranges

    def begun(self, data: bytes, at: int) -> int:
        """Return the offset from `at` on of an incomplete known secret at the end; otherwise the length of the
        data."""
        return min([len(data), *(start for secret in self._secrets if (start := _begun(data, at, secret)) >= 0)])

    def _known(self, data: bytes, at: int) -> Iterator[Span]:
        for secret in self._secrets:
            start = data.find(secret, at)
            while start >= 0:
                yield start, start + len(secret)
                start = data.find(secret, start + 1)


class MaskedWriter:
    """A stream that takes pieces and returns them without secrets. The result does not depend on the split."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._seen, self._held = b"", b""  # the last decided bytes, the undecided ones
        self._swallow = b""  # the characters that continue an endless token

    @property
    def held(self) -> int:
        """The number of bytes taken and not returned yet."""
        return len(self._held)

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; return the bytes that are now decided."""
        if self._swallow and not (piece := self._rest(piece)):
            return b""
        data, at = self._seen + self._held + piece, len(self._seen)
        starts = self._masker.starts(data, at)
        spans = self._masker.spans(data, starts, at)
        cut = whole(min(self._masker.begun(data, at), _open(data, at, starts, spans)), spans)
        endless = next((span for span in spans if span[0] == cut and span[1] - cut > HOLD), None)
        if endless:
            cut = endless[1]
            self._swallow = _KEY if data.startswith(_BEGIN, endless[0]) else _WORD
        self._seen, self._held = data[max(0, cut - SIGHT) : cut], data[cut:]
        if endless:
            self._held = self._rest(self._held)
        return replaced(data, at, cut, spans)

    def flush(self) -> bytes:
        """Return the bytes held back, at the end of the stream."""
        data, at = self._seen + self._held, len(self._seen)
        self._seen, self._held = data[-SIGHT:], b""
        return replaced(data, at, len(data), self._masker.spans(data, self._masker.starts(data, at), at))

    def _rest(self, piece: bytes) -> bytes:
        """Return the bytes after an endless token."""
        rest = piece.lstrip(self._swallow)
        if rest:
            self._swallow = b""
        return rest


def replaced(data: bytes, at: int, end: int, spans: Sequence[Span]) -> bytes:
    """Return the bytes from `at` to `end`, with each span masked."""
    if not spans:
        return data[at:end]
    parts = []
    for first, last in spans:
        if at <= first < end:
            parts += [data[at:first], _MASK]
            at = last
    return b"".join([*parts, data[at:end]])


def whole(cut: int, spans: Sequence[Span]) -> int:
    """Return a position to cut outside of all spans: `cut`, or the beginning of the span around it."""
    return next((first for first, last in spans if first < cut < last), cut)


def _open(data: bytes, at: int, starts: Sequence[int], spans: Sequence[Span]) -> int:
    """Return the offset of a token that more bytes may complete, extend or undo; if none, the data length."""
    end = len(data)
    word = max(at, end - HOLD)
    word += len(data[word:].rstrip(_WORD))
    first = [max(word, end - _HINT), *(start for start in starts if start >= word)]
    first += [start for start in starts if data.startswith(_BEGIN, start) and _open_key(data, start, spans)]
    if data.find(b"://", max(0, end - _URL_LENGTH)) >= 0 and (url := _URL.search(data, max(0, end - _URL_LENGTH))):
        first.append(max(at, url.start()))
    return min(first)


def _open_key(data: bytes, start: int, spans: Sequence[Span]) -> bool:
    """Return whether a private key, or what may become one, is incomplete."""
    end = next((last for first, last in spans if first <= start < last), None)
    if end is None:
        return start > len(data) - HEADER
    return end > len(data) - FOOTER and not data.endswith(b"-----", 0, end)


def _shaped(data: bytes, starts: Sequence[int]) -> Iterator[Span]:
    end = 0
    for start in starts:
        if start >= end and (token := _TOKENS.match(data, start)):
            end = token.end()
            yield token.span()


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined = list(spans[:1])
    for first, last in spans[1:]:
        if first < joined[-1][1]:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def _begun(data: bytes, at: int, secret: bytes) -> int:
    start = data.find(secret[:1], max(at, len(data) - len(secret) + 1))
    while start >= 0 and not secret.startswith(data[start:]):
        start = data.find(secret[:1], start + 1)
    return start


def _forms(secret: str) -> Iterator[bytes]:
    """Yield the forms of a secret in a file, on a terminal and in JSON."""
    for form in (secret, secret.replace("\n", "\r\n"), json.dumps(secret)[1:-1], _json(secret)):
        yield form.encode("utf-8", "surrogateescape")


def _json(secret: str) -> str:
    return json.dumps(secret, ensure_ascii=False)[1:-1]
