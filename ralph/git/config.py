"""The user's effective git configuration, pinned: which settings ralph's own git folder keeps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def parse_config(out: bytes) -> dict[str, list[str]]:
    """Parse `git config --list -z`: key -> values, the last one counts."""
    config: dict[str, list[str]] = {}
    for entry in out.decode(errors="surrogateescape").split("\0"):
        if entry:
            key, _, value = entry.partition("\n")
            config.setdefault(key, []).append(value)
    return config


PINNED = ("core.", "user.", "author.", "committer.", "gpg.", "commit.gpgsign", "filter.", "extensions.", "lfs.",
          "i18n.", "init.defaultbranch", "remote.origin.promisor")  # fmt: skip
OFF = (
    "core.hookspath", "core.fsmonitor", "core.worktree", "core.bare", "core.pager", "core.editor",
    "core.sshcommand", "core.askpass", "core.gitproxy", "core.alternaterefscommand", "core.untrackedcache",
    "core.splitindex", "core.sparsecheckout", "extensions.worktreeconfig", "extensions.refstorage",
    "core.ignorestat", "core.trustctime", "core.checkstat", "core.logallrefupdates",
)  # fmt: skip


def config_text(config: Mapping[str, Sequence[str]]) -> str:
    """Return the git config file for ralph's own git folder."""
    lines = ["[core]", "\tbare = false"]
    for key, values in config.items():
        if key.startswith(PINNED) and key not in OFF:
            section, name = key.split(".", 1)[0], key.rsplit(".", 1)[1]
            middle = key[len(section) + 1 : -len(name) - 1]
            lines.append(f'[{section} "{_quoted(middle)}"]' if middle else f"[{section}]")
            lines += [f'\t{name} = "{_quoted(value)}"' for value in values]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def user_file(config: Mapping[str, Sequence[str]], key: str, default: str) -> Path:
    if named := config.get(key):
        return Path(named[-1]).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(home) / "git" / default


def read_config(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
