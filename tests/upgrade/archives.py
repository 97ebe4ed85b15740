"""Recorded repositories as archives that can be unpacked in any folder, on any machine.

A recording is a folder with a repository, the home of its user and the agents. Absolute paths in it, and names that
ralph derives from them, stand in the archive as placeholders; `unpack` puts those of the new place there. git's
objects are compressed without compression (`core.looseCompression`), so that xz finds what they have in common;
nothing is replaced in them, and `pack` refuses a recording in which one of them holds a path.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zlib
from pathlib import Path

ROOT, MARK = b"@ROOT@", b"@MARK@"


def pack(root: Path, archive: Path, foreign: tuple[str, ...] = ()) -> None:
    """Write the folder into an archive. AssertionError if anything in it holds its path or a `foreign` text."""
    pairs = [(new, old) for old, new in _places(root)]
    with tarfile.open(archive, "w:xz", preset=9, format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.addfile(*_member(path, root, pairs, [str(root), *foreign]))


def _member(
    path: Path, root: Path, pairs: list[tuple[bytes, bytes]], foreign: list[str]
) -> tuple[tarfile.TarInfo, io.BytesIO]:  # fmt: skip
    info = tarfile.TarInfo(_replaced(os.fsencode(path.relative_to(root)), pairs).decode())
    state, data = path.lstat(), b""
    info.mode, info.mtime = state.st_mode & 0o777, int(state.st_mtime)
    if path.is_symlink():
        info.type, info.linkname = tarfile.SYMTYPE, _replaced(os.fsencode(path.readlink()), pairs).decode()
    elif path.is_dir():
        info.type = tarfile.DIRTYPE
    else:
        data = path.read_bytes() if _is_object(path) else _replaced(path.read_bytes(), pairs)
        plain = zlib.decompress(data) if _is_object(path) else data
        for text in foreign:
            assert text.encode() not in plain + os.fsencode(info.name), f"{path} holds {text}"
    info.size = len(data)
    return info, io.BytesIO(data)


def unpack(archive: Path, root: Path, pid: int) -> None:
    """Write the recording into an empty folder, as if it had been made there.

    Every process that it knows gets the id `pid`, as if the system had used those ids again.
    """
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="tar")
    pairs = _places(root)
    for path in sorted(root.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_symlink():
            target = _replaced(os.fsencode(path.readlink()), pairs)
            path.unlink()
            path.symlink_to(os.fsdecode(target))
        elif path.is_file() and not _is_object(path):
            _relocate(path, pairs, pid)
        path.rename(path.with_name(_replaced(os.fsencode(path.name), pairs).decode()))


def _relocate(path: Path, pairs: list[tuple[bytes, bytes]], pid: int) -> None:
    """The text of a file for its new place; its time stays."""
    old, times = path.read_bytes(), path.stat()
    data = _replaced(old, pairs)
    if path.name in ("journal.jsonl", "lock"):
        data = re.sub(rb'"pid": ?[1-9]\d*', b'"pid":%d' % pid, data)
    if path.name == "journal.jsonl":
        data = b"".join(map(signed, data.splitlines(keepends=True)))
    if data != old:
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def signed(line: bytes) -> bytes:
    """A line of a journal with the checksum that it should have."""
    head, mark, _ = line.rpartition(b',"crc":')
    return b"%s%s%d}\n" % (head, mark, zlib.crc32(head + b"}")) if mark else line


def _places(root: Path) -> list[tuple[bytes, bytes]]:
    """Each placeholder and what it stands for in this folder: its path, and the mark of a pool of worktrees."""
    mark = hashlib.sha256(os.fsencode(root / "repo" / ".git")).hexdigest()[:8].encode()
    return [(ROOT, os.fsencode(root)), *((b"%s-%s" % (name, MARK), b"%s-%s" % (name, mark)) for name in
                                         (b"ralph", b"repo"))]  # fmt: skip


def _replaced(data: bytes, pairs: list[tuple[bytes, bytes]]) -> bytes:
    for old, new in pairs:
        data = data.replace(old, new)
    return data


def _is_object(path: Path) -> bool:
    return bool(re.search(r"/objects/[0-9a-f]{2}/[0-9a-f]{38}$", str(path)))
