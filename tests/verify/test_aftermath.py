"""What became of a commit, and what the text of a squash proves."""

from __future__ import annotations

import pytest

from ralph.verify.aftermath import Aftereffects, ChangedFile, FileState, LaterCommit, undone
from ralph.verify.proof import quoted

A, B, C, D = (letter * 40 for letter in "abcd")
REVERT = "This reverts commit {}."


def line(*steps: tuple[str, str, str]) -> Aftereffects:
    """Commits in a row, from old to new: (id, subject, body)."""
    parents = [(), *((one[0],) for one in steps)]
    later = [
        LaterCommit(sha, tuple(up), subject, body, ("a",))
        for (sha, subject, body), up in zip(steps, parents, strict=False)
    ]
    return Aftereffects(tuple(reversed(later)))


FIRST = (A, "feat: T1", "")
CASES = {
    "named by its id": ([FIRST, (B, "back", REVERT.format(A))], B),
    "named by a short id": ([FIRST, (B, "back", REVERT.format(A[:8]))], B),
    "named by its subject": ([FIRST, (B, 'Revert "feat: T1"', "")], B),
    "by its subject, as the id is of no commit here": ([FIRST, (B, 'Revert "feat: T1"', REVERT.format(D))], B),
    "another one of that name": ([FIRST, (B, "feat: T1", ""), (C, 'Revert "feat: T1"', REVERT.format(B))], ""),
    "taken back": ([FIRST, (B, "back", REVERT.format(A)), (C, "on", REVERT.format(B))], ""),
    "and back again": (
        [FIRST, (B, "back", REVERT.format(A)), (C, "on", REVERT.format(B)), (D, "back", REVERT.format(C))], B
    ),
    "before it": ([(B, 'Revert "feat: T1"', ""), FIRST], ""),
    "in the middle of a line": ([FIRST, (B, "docs", f"Who says: {REVERT.format(A)}")], ""),
    "nothing of the kind": ([FIRST, (B, "more", "")], ""),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "by"), CASES.values(), ids=CASES.keys())
def test_reverts(steps: list[tuple[str, str, str]], by: str) -> None:
    found = line(*steps).reverted(A, "feat: T1")
    assert (found.commit if found else "") == by


def test_only_what_is_built_on_it_or_came_beside_it_changed_it() -> None:
    since = line((D, "before", ""), FIRST, (B, "after", ""), (C, "after that", ""))
    files = (FileState("a", "0", "1", "2"), FileState("b", "0", "1", "1"), FileState("c", "", "1", ""))
    assert since.changed(A, files) == (
        ChangedFile("a", gone=False, by=(C, B), commits=2), ChangedFile("c", gone=True, by=()),
    )  # fmt: skip


def test_what_came_in_beside_it_is_no_part_of_it() -> None:
    """D merges B, which was made beside A; both stand on C, which is of before."""
    beside = (
        LaterCommit(B, (C,), "beside", "", ("a",)),
        LaterCommit(A, (C,), "feat: T1", "", ("a",)),
        LaterCommit(C, (), "before", "", ("a",)),
    )
    for order in (beside, (beside[1], beside[0], beside[2])):
        since = Aftereffects((LaterCommit(D, (A, B), "merge"), *order))
        assert since.changed(A, [FileState("a", "0", "1", "2")]) == (
            ChangedFile("a", gone=False, by=(B,), commits=1),
        )


def test_undone_is_all_of_it() -> None:
    back, kept = FileState("a", "0", "1", "0"), FileState("b", "", "1", "1")
    assert [undone(files) for files in ((back,), (back, kept), ())] == [True, False, False]


BLOCK = "Ralph-Task: T1\nRalph-Tree: t"
KNOWN = {"Ralph-Task": ("T1",), "Ralph-Tree": ("t",)}


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        (f"* feat: T1\n\n{BLOCK}\n\n* feat: T2\n\nRalph-Task: T2\n", [KNOWN, {"Ralph-Task": ("T2",)}]),
        (f"Ralph-Task: T0\n{BLOCK}", [{**KNOWN, "Ralph-Task": ("T0", "T1")}]),
        ("Squashed commit of the following:\n\n    " + BLOCK.replace("\n", "\n    "), [KNOWN]),
        ("Squashed commit of the following:\n\n      " + BLOCK.replace("\n", "\n      "), []),
        (f"Squashed commit of the following:\n\n{BLOCK}", []),
        ("    " + BLOCK.replace("\n", "\n    "), []),
        ("  " + BLOCK.replace("\n", "\n  "), []),
        ("", []),
    ],
)
def test_what_a_squash_quotes(body: str, blocks: list[dict[str, tuple[str, ...]]]) -> None:
    assert list(quoted(body)) == blocks
