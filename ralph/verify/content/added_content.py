"""What the work adds that no repository should hold: secrets, core dumps, large files, links that leave. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ralph import paths
from ralph.git.model import Change
from ralph.immutable import immutable
from ralph.text import TOKENS
from ralph.verify.content.thin_work import Contents, is_document

SURE = 16  # characters: a shorter secret value may be an ordinary word
LINK = "120000"
DUMP = re.compile(r"core(\.\d+)?|.*\.(core|stackdump|hprof|dmp|mdmp)|hs_err_pid\d+\.log|heapdump\..*")
#: Values that documentation uses as examples.
DUMMY = re.compile(
    r"example|dummy|fake|sample|placeholder|changeme|your[-_]|xxxx|0{8}|1234567|abcdef", re.IGNORECASE
)
WORDS = re.compile(r"[a-z]+([-_ .][a-z]+)*", re.IGNORECASE)  # prose, or a name


@immutable
class Added:
    """Something that the work adds. `sure`: it must not be committed; otherwise it is only reported."""

    path: str
    what: str  # the end of a sentence: "holds the value of a secret variable"
    sure: bool = True


def secrets(path: str, contents: Contents, known: Sequence[str], in_base: Iterable[str] = ()) -> Iterator[Added]:
    """Yield the secrets in the lines that a file gains. `known` are secret values, `in_base` those of the base."""
    text = _gained(contents)
    values = [value for value in known if value in text and value not in frozenset(in_base)]
    if values:
        sure = any(len(value) >= SURE and not WORDS.fullmatch(value) for value in values)
        yield Added(path, "holds the value of a secret variable of ralph's environment", sure)
    tokens = [match[0] for match in TOKENS.finditer(text) if not DUMMY.search(match[0])]
    if tokens and not any(value in token for value in values for token in tokens):
        yield Added(path, "holds something of the shape of a token or a private key", not _is_sample(path))


def files(changes: Iterable[Change], sizes: Mapping[str, int], most: int) -> Iterator[Added]:
    """Yield the core dumps and the files that are larger than `most` bytes. `sizes` are those of the work."""
    for change in changes:
        if change.status == "D" or change.old_blob == change.new_blob:
            continue
        size = sizes.get(change.path, 0)
        if change.status == "A" and DUMP.fullmatch(change.path.rpartition("/")[2]) and not _is_sample(change.path):
            yield Added(change.path, "is a core dump", sure=size > 100_000)
        elif size > most:
            yield Added(change.path, f"has {size / 1e6:.1f} MB, more than --max-file-size")


def links(changes: Iterable[Change], targets: Mapping[str, bytes]) -> Iterator[Added]:
    """Yield the new or changed links that leave the repository. `targets` are the contents of the work's links."""
    for change in changes:
        if change.new_mode == LINK and change.status != "D" and _leaves(change.path, targets.get(change.path, b"")):
            yield Added(change.path, "is a link that leaves the repository: nothing is there on another machine")


def _leaves(path: str, target: bytes) -> bool:
    name = target.decode(errors="replace")
    if name.startswith("/"):
        return True
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name)).split("/")[0] == ".."


def _gained(contents: Contents) -> str:
    """Return the lines of the new content that the old one does not have."""
    old = frozenset(contents[0].splitlines())
    return "\n".join(line.decode(errors="replace") for line in contents[1].splitlines() if line not in old)


def _is_sample(path: str) -> bool:
    return paths.is_test(path) or is_document(path) or "example" in path.lower() or "fixture" in path.lower()
