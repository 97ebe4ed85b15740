"""Commit objects, written in git's format: two processes less for each task (3 ms each of the 50 it costs)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path


def commit_text(tree: str, parents: Sequence[str], author: str, committer: str, message: str) -> bytes:
    """Return the content of a commit object. `author` and `committer` are `Name <mail>`; the time is now."""
    now = time.time()
    zone = time.strftime("%z", time.localtime(now))
    heads = [f"tree {tree}", *(f"parent {fromkey}" for fromkey in dict.fromkeys(parents))]
    heads += [f"author {author} {int(now)} {zone}", f"committer {committer} {int(now)} {zone}"]
    return ("\n".join(heads) + f"\n\n{message.rstrip()}\n").encode(errors="surrogateescape")


def write_object(objects: Path, kind: str, content: bytes, algorithm: str = "sha1") -> str:
    """Store an object in git's folder `objects`; return its id. The write is atomic."""
    data = f"{kind} {len(content)}".encode() + b"\0" + content
    name = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    path = objects / name[:2] / name[2:]
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(f"tmp_obj_ralph{os.getpid()}")
        with new.open("wb") as file:
            file.write(zlib.compress(data, 1))
            file.flush()
            os.fsync(file.fileno())
        new.chmod(0o444)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return name
