"""One line of Markdown that mdformat and Prettier leave as it is, whatever the text.

Code spans, links, `**strong**` and `_emphasis_` stay. A word that a formatter would escape becomes a code span: the
two formatters do not agree on which characters need a backslash.
"""

from __future__ import annotations

import re

# Unicode noncharacters replace markup, and characters that a backslash made plain text
_STRONG_MARK, _EMPHASIS_MARK, _OPEN, _CLOSE = map(chr, range(0xFDD0, 0xFDD4))
_MARKS = {_STRONG_MARK: "**", _EMPHASIS_MARK: "_", _OPEN: "[", _CLOSE: "]"}
_LITERALS = {char: chr(0xFDE0 + n) for n, char in enumerate("`*_[]<>&~\\")}
_FIRST_ATOM = 0xF0000  # private use: each replaces a code span or a link
_OWN = re.compile("[\ufdd0-\ufdef\U000f0000-\U000ffffd]")

_ATOMS = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?<![\]!])\[[^][`*_<>&~\\]+\]\([\w./#?=%:@+-]+\)(?![\[(:])"
    r"|<https?://[\w./#?=%:@+-]+>"
    r"|(?<= )[*<](?= )"  # an arithmetic sign
)
_BEFORE, _AFTER = r"(?<![^\s(])", r"(?![^\s.,:;!?)…])"
_STRONG = re.compile(rf"{_BEFORE}\*\*(?=[^\s*])([^*]*[^\s*])\*\*{_AFTER}")
_EMPHASIS = re.compile(rf"{_BEFORE}([_*])(?=[^\s_*])([^_*]*[^\s_*])\1{_AFTER}")
_BRACKETS = re.compile(r"(?<![\]!])\[([^][]+)\](?![\[(:])")
_UNSAFE = re.compile(
    r"[*<\[\]\\]|~~|\$\$|&(?:#|\w+;)"  # markup, or possible markup
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore between two letters is plain text
)
_EDGES = re.compile(r"([(\"'“]*)(.*?)([)\"'”.,:;!?…]*)", re.DOTALL)
_BOX = re.compile(r"(?:=+|\[[ xX]?\])(?=\s|$)")
_BLOCK = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))|(?=[-+](?:\s|$)|#{1,6}(?:\s|$)|>|(?:-\s*){2,}$)")


def formatted(text: str, *, first: bool = True) -> str:
    """Return one line of Markdown in the form that formatters keep. `first`: the line begins a block and must not
    become a heading, a list or a box."""
    atoms: list[str] = []
    line = _ATOMS.sub(lambda found: _atom(found, atoms), _OWN.sub("", " ".join(text.split())))
    line = _STRONG.sub(rf"{_STRONG_MARK}\1{_STRONG_MARK}", line)
    line = _EMPHASIS.sub(rf"{_EMPHASIS_MARK}\2{_EMPHASIS_MARK}", line)
    for char, stand_in in _LITERALS.items():
        line = line.replace(stand_in, char)
    line = _BRACKETS.sub(rf"{_OPEN}\1{_CLOSE}", line)
    line = _filled(" ".join(_word(word, atoms) for word in line.split(" ")), atoms)
    return _opened(line) if first else line


def _opened(line: str) -> str:
    """Return the line so that it begins with text."""
    if box := _BOX.match(line):
        return f"`{box[0]}`{line[box.end() :]}"
    return _BLOCK.sub(r"\g<1>\\", line, count=1) if _BLOCK.match(line) else line


def _atom(found: re.Match[str], atoms: list[str]) -> str:
    """Return the placeholder of a part that stays unchanged, or of a character that is not markup."""
    if escaped := found["escaped"]:
        return _LITERALS.get(escaped, escaped)
    code = (found["code"] or "").replace("`", "'").strip() or "'"
    atoms.append(found[0] if found["code"] is None else f"`{code}`")
    return chr(_FIRST_ATOM + len(atoms) - 1)


def _word(word: str, atoms: list[str]) -> str:
    pieces = re.split(f"([{''.join(_MARKS)}])", word)
    return "".join(_MARKS.get(piece) or _piece(piece, atoms) for piece in pieces)


def _piece(piece: str, atoms: list[str]) -> str:
    if not _UNSAFE.search(piece):
        return piece.replace("`", "\\`")
    edges = _EDGES.fullmatch(piece)
    before, inner, after = edges.groups() if edges else ("", piece, "")
    code = _filled(inner, atoms).replace("`", "")
    return f"{before}`{code}`{after}"


def _filled(text: str, atoms: list[str]) -> str:
    return _OWN.sub(lambda found: atoms[ord(found[0]) - _FIRST_ATOM], text)
