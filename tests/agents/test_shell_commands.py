"""What counts as reading only: everything else may have written the PRD."""

from __future__ import annotations

import pytest

from ralph.agents.shell_commands import only_reads


@pytest.mark.parametrize("command", [
    "cat PRD.md", "cd /repo && cat PRD.md", "head -20 PRD.md | grep -n T1", "sed -n '1,40p' PRD.md",
    "sed -n 3p PRD.md", "git diff PRD.md", "git show HEAD:PRD.md; ls", "rg T1 PRD.md || true",
    "cat PRD.md\nls -la", "",
])  # fmt: skip
def test_these_only_read(command: str) -> None:
    assert only_reads(command)


@pytest.mark.parametrize("command", [
    "sed -i s/a/b/ PRD.md", "echo x >> PRD.md", "cat a > PRD.md", "cat a | tee PRD.md", "git commit -am x PRD.md",
    "git checkout PRD.md", "python edit.py PRD.md", "sed -n 'w PRD.md' a", "cat $(sed -i s/a/b/ PRD.md)",
    "mv PRD.md x", "cat `rm PRD.md`", "ls; rm PRD.md", "grep x PRD.md && perl -pi -e s/a/b/ PRD.md",
    "git diff --output=PRD.md",
    "catapult PRD.md", "git", "cat x & rm PRD.md",
])  # fmt: skip
def test_these_may_write(command: str) -> None:
    assert not only_reads(command)
