"""`--dry-run`: the order, the waves, and why tasks wait. Nothing is changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.errors import Exit
from tests.conftest import Repository

PRD = """# Shop

- [x] T1 Set up
- [ ] T2 Prices
  - Files: `shop/price/**`
- [ ] T3 Round prices
  - Files: `shop/price/round.py`
  - Check: `true`
- [ ] T4 Basket
  - Files: `shop/basket.py`
- [ ] T5 Check out
  - Depends: T3, T4
- [ ] T6 Tell what it is
  - Files: `README.md`
- [ ] T7 Pay
  - Parked: which provider?
- [ ] T8 Send bills
  - Depends: T7
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def shop(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.commit({"docs/PRD.md": PRD}, "the project")
    monkeypatch.chdir(repo.path)
    return repo


def rehearsed(repo: Repository, capsys: Capture, *flags: str) -> str:
    """What it prints, up to the prompt. The repository stays as it was."""
    before = repo.git("for-each-ref"), repo.git("status", "--porcelain")
    argv = ["--dry-run", "--prd", "docs/PRD.md", "--agent-command", "true", "--gate", "true", *flags]
    assert main(argv) == Exit.DONE
    assert (repo.git("for-each-ref"), repo.git("status", "--porcelain")) == before
    assert not (repo.path / ".git/ralph").exists()
    return capsys.readouterr().out.partition("\n--- the prompt")[0]


def test_one_after_the_other(shop: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert rehearsed(shop, capsys) == snapshot


def test_several_at_once(shop: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert rehearsed(shop, capsys, "--parallel", "--max-parallel", "2") == snapshot


def test_nothing_can_be_started(shop: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    shop.commit({"docs/PRD.md": "- [ ] T1 Pay\n  - Parked: which provider?\n"})
    assert rehearsed(shop, capsys, "--parallel") == snapshot


def test_tests_that_can_not_run_refuse_it(
    shop: Repository, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("git", "true"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    shop.write({"package.json": '{"scripts": {"test": "node t.js"}}'})
    assert main(["--dry-run", "--prd", "docs/PRD.md", "--agent-command", "true"]) == Exit.REFUSED
    assert "package.json has a test script, but `npm` is not on PATH" in capsys.readouterr().err
