"""Trees are joined path by path: what fits is in, what does not fit is a clash, and nothing is guessed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ralph.git.client import Git
from ralph.git.index import tree_with
from ralph.git.merge import join, merge_texts
from ralph.git.repository import discover

LINK, PLAIN, PROGRAM = "120000", "100644", "100755"
Files = Mapping[str, "str | bytes | tuple[str, str | bytes]"]  # content, or mode and content


@dataclass(frozen=True)
class Case:
    """Three versions; what comes out of the last two, or the start of the sentence that tells why nothing does."""

    base: Files
    work: Files
    tip: Files
    out: Files | str
    shows: tuple[str, ...] = ()


TEN = "".join(f"line {n}\n" for n in range(1, 11))


def ten(**lines: str) -> str:
    """Ten lines, some of them others: `_3="new"`."""
    return "".join(lines.get(f"_{n}", f"line {n}") + "\n" for n in range(1, 11))


CASES = {
    "nothing changed": Case({"a": "1"}, {"a": "1"}, {"a": "1"}, {"a": "1"}),
    "only the attempt": Case({"a": "1", "b": ""}, {"a": "2", "c": ""}, {"a": "1", "b": ""}, {"a": "2", "c": ""}),
    "only meanwhile": Case({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "c": "3"}, {"a": "2", "c": "3"}),
    "other files": Case({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "1", "b": "2"}, {"a": "2", "b": "2"}),
    "new files side by side": Case({}, {"d/a": "1"}, {"d/b": "2"}, {"d/a": "1", "d/b": "2"}),
    "both did the same": Case({"a": "1"}, {"a": "2"}, {"a": "2"}, {"a": "2"}),
    "both added the same": Case({}, {"a": "1"}, {"a": "1"}, {"a": "1"}),
    "both deleted it": Case({"a": "1", "b": "1"}, {"b": "1"}, {"b": "1"}, {"b": "1"}),
    "one file, other places": Case({"a": TEN}, {"a": ten(_2="w")}, {"a": ten(_9="t")}, {"a": ten(_2="w", _9="t")}),
    "one file, the same place": Case(
        {"a": TEN}, {"a": ten(_5="mine")}, {"a": ten(_5="theirs")},
        "a was changed on both sides at the same place",
        ("<<<<<<< the attempt\nmine\n=======\ntheirs\n>>>>>>> what came in meanwhile\n", "line 4", "line 6"),
    ),
    "deleted, and changed meanwhile": Case(
        {"a": "1", "b": "1"}, {"b": "1"}, {"a": "2", "b": "1"}, "a was deleted by the attempt and changed meanwhile"
    ),
    "changed, and deleted meanwhile": Case(
        {"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"b": "1"}, "a was changed by the attempt and deleted meanwhile"
    ),
    "both added it, with other texts": Case(
        {}, {"a": "mine\n"}, {"a": "theirs\n"},
        "a was changed on both sides where there was no such file", ("mine", "theirs"),
    ),
    "one text is the start of the other": Case(
        {}, {"a": "1\n2\n"}, {"a": "1\n"}, "a was changed on both sides where there was no such file"
    ),
    "executable by the attempt": Case(
        {"a": TEN}, {"a": (PROGRAM, TEN)}, {"a": ten(_5="t")}, {"a": (PROGRAM, ten(_5="t"))}
    ),
    "executable meanwhile": Case(
        {"a": TEN}, {"a": ten(_5="w")}, {"a": (PROGRAM, TEN)}, {"a": (PROGRAM, ten(_5="w"))}
    ),
    "no longer executable": Case(
        {"a": (PROGRAM, TEN)}, {"a": TEN}, {"a": (PROGRAM, ten(_5="t"))}, {"a": ten(_5="t")}
    ),
    "executable, both": Case(
        {"a": TEN}, {"a": (PROGRAM, TEN)}, {"a": (PROGRAM, ten(_5="t"))}, {"a": (PROGRAM, ten(_5="t"))}
    ),
    "new, and executable on one side": Case(
        {}, {"a": (PROGRAM, "1")}, {"a": "1"}, "a is new on both sides, and executable on one of them"
    ),
    "binary, one side": Case({"a": b"\0\1"}, {"a": b"\0\2"}, {"a": b"\0\1", "b": ""}, {"a": b"\0\2", "b": ""}),
    "binary, both sides": Case(
        {"a": b"\0\1"}, {"a": b"\0\2"}, {"a": b"\0\3"}, "a was changed on both sides, and is no text"
    ),
    "binary, both added": Case({}, {"a": b"\0\2"}, {"a": b"\0\3"}, "a was changed on both sides, and is no text"),
    "no text by rule": Case(
        {".gitattributes": "*.lock -merge\n", "a.lock": TEN},
        {".gitattributes": "*.lock -merge\n", "a.lock": ten(_1="w")},
        {".gitattributes": "*.lock -merge\n", "a.lock": ten(_9="t")},
        "a.lock was changed on both sides, and is no text",
    ),
    "both lines by rule": Case(
        {".gitattributes": "NEWS merge=union\n", "NEWS": "old\n"},
        {".gitattributes": "NEWS merge=union\n", "NEWS": "mine\nold\n"},
        {".gitattributes": "NEWS merge=union\n", "NEWS": "theirs\nold\n"},
        {".gitattributes": "NEWS merge=union\n", "NEWS": "mine\ntheirs\nold\n"},
    ),
    "a link, one side": Case({"a": (LINK, "x")}, {"a": (LINK, "y")}, {"a": (LINK, "x"), "b": ""},
                             {"a": (LINK, "y"), "b": ""}),
    "a link, both sides": Case(
        {"a": (LINK, "x")}, {"a": (LINK, "y")}, {"a": (LINK, "z")}, "a is no plain file on both sides"
    ),
    "a file became a link, and changed meanwhile": Case(
        {"a": TEN}, {"a": (LINK, "x")}, {"a": ten(_5="t")}, "a is no plain file on both sides"
    ),
    "a link with the text of the file meanwhile": Case(
        {"a": "1"}, {"a": (LINK, "x")}, {"a": "x"}, "a is no plain file on both sides"
    ),
    "a link became a file on both sides": Case(
        {"a": (LINK, "x")}, {"a": "mine\n"}, {"a": "theirs\n"}, "a was changed on both sides where there was no"
    ),
    "a file became a folder": Case({"a": "1"}, {"a/b": "2"}, {"a": "1", "c": "3"}, {"a/b": "2", "c": "3"}),
    "a folder became a file": Case({"a/b": "1"}, {"a": "2"}, {"a/b": "1", "c": "3"}, {"a": "2", "c": "3"}),
    "a file became a folder, and changed meanwhile": Case(
        {"a": "1"}, {"a/b": "2"}, {"a": "3"}, "a was deleted by the attempt and changed meanwhile"
    ),
    "a folder became a file, and got a new file meanwhile": Case(
        {"a/b": "1"}, {"a": "2"}, {"a/b": "1", "a/c": "3"}, "a/c needs a folder where there is a file now"
    ),
    "a new file, and a new folder of that name": Case(
        {}, {"a": "1"}, {"a/b/c": "2"}, "a/b/c needs a folder where there is a file now"
    ),
    "a new folder, and a new file of that name": Case(
        {}, {"a/b/c": "1"}, {"a": "2"}, "a/b/c needs a folder where there is a file now"
    ),
    "a file became the same folder": Case(
        {"a": "1"}, {"a/b": "2"}, {"a/c": "3"}, {"a/b": "2", "a/c": "3"}
    ),
    "line ends changed, and a line meanwhile": Case(
        {"a": TEN}, {"a": TEN.replace("\n", "\r\n")}, {"a": ten(_5="t")}, "a was changed on both sides at the same"
    ),
    "line ends of Windows": Case(
        {"a": TEN.replace("\n", "\r\n")}, {"a": ten(_2="w").replace("\n", "\r\n")},
        {"a": ten(_9="t").replace("\n", "\r\n")}, {"a": ten(_2="w", _9="t").replace("\n", "\r\n")},
    ),
    "no new line at the end": Case(
        {"a": TEN[:-1]}, {"a": ten(_2="w")[:-1]}, {"a": ten(_9="t")[:-1]}, {"a": ten(_2="w", _9="t")[:-1]}
    ),
    "a new line at the end, by one": Case(
        {"a": TEN[:-1]}, {"a": TEN}, {"a": ten(_2="t")[:-1]}, {"a": ten(_2="t")}
    ),
    "both went on at the end": Case(
        {"a": TEN[:-1]}, {"a": TEN + "mine"}, {"a": TEN + "theirs"}, "a was changed on both sides at the same",
        ("mine", "theirs"),
    ),
    "an empty file that both filled": Case(
        {"a": ""}, {"a": "mine\n"}, {"a": "theirs\n"}, "a was changed on both sides at the same place"
    ),
    "emptied, and changed meanwhile": Case(
        {"a": TEN}, {"a": ""}, {"a": ten(_5="t")}, "a was changed on both sides at the same place"
    ),
    "empty files": Case({}, {"a": "", "d/b": ""}, {"c": ""}, {"a": "", "d/b": "", "c": ""}),
    "markers that were there before": Case(
        {"a": "<<<<<<< x\n" + TEN}, {"a": "<<<<<<< x\n" + ten(_2="w")}, {"a": "<<<<<<< x\n" + ten(_9="t")},
        {"a": "<<<<<<< x\n" + ten(_2="w", _9="t")},
    ),
    "odd names": Case(
        {" a b\tc": TEN, os.fsdecode(b"\xff/\xfe"): TEN, '"': TEN},
        {" a b\tc": ten(_2="w"), os.fsdecode(b"\xff/\xfe"): ten(_2="w"), "new\nline": "1"},
        {" a b\tc": ten(_9="t"), os.fsdecode(b"\xff/\xfe"): TEN, '"': TEN, "-x": "1"},
        {" a b\tc": ten(_2="w", _9="t"), os.fsdecode(b"\xff/\xfe"): ten(_2="w"), "new\nline": "1", "-x": "1"},
    ),
}  # fmt: skip


@cache
def door(algorithm: str = "sha1") -> Git:
    """One repository for all cases: trees are all they need. (Its folder goes with this process.)"""
    folder = TemporaryDirectory()
    path = Path(folder.name).resolve() / "repo"
    subprocess.run(["git", "init", "-q", f"--object-format={algorithm}", str(path)], check=True)
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        subprocess.run(["git", "config", name, value], cwd=path, check=True)
    git = Git(discover(path))
    git.freeze()
    git.folder = folder  # type: ignore[attr-defined]  # kept as long as the door is
    return git


def tree(git: Git, files: Files) -> str:
    """Store it all as a tree."""
    entries = {}
    for path, said in files.items():
        mode, content = said if isinstance(said, tuple) else (PLAIN, said)
        entries[path] = (mode, git.store(content if isinstance(content, bytes) else content.encode()))
    return tree_with(git, git.tree("mktree").decode().strip(), entries)


def shown(git: Git, made: str) -> dict[str, tuple[str, bytes]]:
    listed = git.tree("ls-tree", "-r", "-z", made).split(b"\0")[:-1]
    entries = (os.fsdecode(one).partition("\t") for one in listed)
    return {path: (meta.split()[0], git.blob(meta.split()[2])) for meta, _, path in entries}


def put(git: Git, files: Files) -> None:
    """What ralph's index holds, as after an attempt was frozen: the rules for merging are read from it."""
    git.tree("read-tree", "--reset", tree(git, files))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("algorithm", ["sha1", pytest.param("sha256", marks=pytest.mark.slow)])
def test_what_comes_out(name: str, algorithm: str) -> None:
    case, git = CASES[name], door(algorithm)
    base, work, tip = (tree(git, files) for files in (case.base, case.work, case.tip))
    put(git, case.work)
    joined = join(git, base, work, tip)
    if isinstance(case.out, str):
        assert joined.tree == ""
        assert [one.why[: len(case.out)] for one in joined.clashes] == [case.out]
        assert all(word in joined.clashes[0].text for word in case.shows)
    else:
        assert joined.clashes == ()
        assert shown(git, joined.tree) == shown(git, tree(git, case.out))
        git.tree("fsck", "--strict", joined.tree)


def test_commits_are_as_good_as_trees() -> None:
    git = door()
    base, work, tip = (tree(git, files) for files in ({"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}))
    commits = [git.commit(one, [], "a commit") for one in (base, work, tip)]
    assert join(git, *commits) == join(git, base, work, tip)


def test_every_clash_is_told() -> None:
    git = door()
    base, work, tip = (tree(git, {"a": word, "b": word, "c": "1"}) for word in ("1\n", "2\n", "3\n"))
    assert {one.path for one in join(git, base, work, tip).clashes} == {"a", "b"}


def test_paths_that_are_left_out_are_the_tips() -> None:
    git = door()
    base, work, tip = (tree(git, {"PRD.md": word, word: ""}) for word in ("1", "2", "3"))
    assert shown(git, join(git, base, work, tip, ["PRD.md", "CLAUDE.md"]).tree)["PRD.md"][1] == b"3"
    gone = tree(git, {"1": "", "CLAUDE.md": "mine"})
    assert set(shown(git, join(git, base, gone, base, ["PRD.md", "CLAUDE.md"]).tree)) == {"PRD.md", "1"}


@pytest.mark.parametrize("work", [{"docs": "a file"}, {"docs/PRD.md/x": "1"}])
def test_a_path_that_is_left_out_is_not_pushed_out_either(work: Files) -> None:
    git = door()
    base = tree(git, {"docs/PRD.md": "1"})
    assert join(git, base, tree(git, work), base, ["docs/PRD.md"]).clashes != ()


def test_ralphs_index_stays_as_it_is() -> None:
    git = door()
    base, work, tip = (tree(git, files) for files in ({"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}))
    put(git, {"something": "else"})
    before = git.index.read_bytes()
    join(git, base, work, tip)
    assert git.index.read_bytes() == before


def test_both_sides_stay_where_union_is_asked_for() -> None:
    assert merge_texts(door(), b"m\nx\n", b"x\n", b"t\nx\n", union=True) == (b"m\nt\nx\n", 0)
    assert merge_texts(door(), b"\0m", b"\0", b"\0t", union=True)[1] is None


# ---------------------------------------------------------------- laws

WORDS = ("ash", "birch", "cedar", "\r", "<<<<<<<", "")
TEXT = st.lists(st.sampled_from(WORDS), max_size=8).map("\n".join)
PATHS = ("a", "b", "d", "d/a", "d/b", "a/x")


def _possible(files: dict[str, tuple[str, str]]) -> bool:
    return not any(one.startswith(f"{other}/") for one in files for other in files)


MODES = st.sampled_from([PLAIN, PLAIN, PLAIN, PROGRAM, LINK])
TREES = st.dictionaries(st.sampled_from(PATHS), st.tuples(MODES, TEXT), max_size=4).filter(_possible)


@given(base=TREES, other=TREES)
@settings(max_examples=10)
def test_with_one_side_only_it_is_that_side(base: Files, other: Files) -> None:
    git = door()
    start, end = tree(git, base), tree(git, other)
    assert join(git, start, start, end).tree == end
    assert join(git, start, end, start).tree == end
    assert join(git, start, end, end).tree == end


@given(base=TREES, work=TREES, tip=TREES)
@settings(max_examples=10)
def test_it_does_not_matter_much_who_was_first(base: Files, work: Files, tip: Files) -> None:
    """The tree is the same from both ends, or it is a clash from both."""
    git = door()
    trees = [tree(git, files) for files in (base, work, tip)]
    one, other = join(git, *trees), join(git, trees[0], trees[2], trees[1])
    assert one.tree == other.tree
    assert {clash.path for clash in one.clashes} == {clash.path for clash in other.clashes}
    assert bool(one.tree) != bool(one.clashes)


LINES = st.lists(st.text("abc", max_size=3), max_size=6)


@given(texts=st.lists(st.tuples(LINES, LINES), min_size=1, max_size=5), mine=st.sets(st.integers(0, 4)))
@settings(max_examples=10)
def test_edits_of_other_files_are_both_in(texts: list[tuple[list[str], list[str]]], mine: set[int]) -> None:
    def version(changed: set[int]) -> dict[str, str]:
        return {f"f{n}": "\n".join(after if n in changed else before) for n, (before, after) in enumerate(texts)}

    git = door()
    every = set(range(len(texts)))
    base, work, tip = (tree(git, version(changed)) for changed in (set[int](), mine & every, every - mine))
    assert join(git, base, work, tip).tree == tree(git, version(every))


@given(base=TREES, work=TREES, tip=TREES)
@settings(max_examples=20)
def test_gits_own_merge_never_says_something_else(base: Files, work: Files, tip: Files) -> None:
    """Where git merges without a conflict, ours is the same tree, or asks."""
    git = door()
    trees = [tree(git, files) for files in (base, work, tip)]
    joined, theirs = join(git, *trees), merged_by_git(git, *trees)
    assert joined.clashes or theirs is None or joined.tree == theirs
    if joined.tree:
        put_markers = b"<<<<<<< the attempt"
        assert not any(put_markers in content for _, content in shown(git, joined.tree).values())


@given(lines=st.lists(st.sampled_from("abcde"), max_size=12), data=st.data())
@settings(max_examples=25)
def test_one_text_is_merged_as_git_does(lines: list[str], data: st.DataObject) -> None:
    """Edits line by line, so that many of them fit. Always the same ones: git's merge compares texts by another
    algorithm (histogram), and where lines repeat themselves the two might one day see an edit at another place."""
    git = door()
    versions = [lines, *(data.draw(edits(lines)) for _ in range(2))]
    trees = [tree(git, {"a": "".join(f"{line}\n" for line in version)}) for version in versions]
    joined, theirs = join(git, *trees), merged_by_git(git, *trees)
    assert joined.clashes or theirs is None or joined.tree == theirs


@st.composite
def edits(draw: st.DrawFn, lines: list[str]) -> list[str]:
    new = list(lines)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(new)))
        new[at : at + draw(st.integers(0, 2))] = draw(st.lists(st.sampled_from("vwxyz"), max_size=2))
    return new


def merged_by_git(git: Git, base: str, work: str, tip: str) -> str | None:
    """The tree that `git merge` would make without looking for renames; None: it finds a conflict."""
    start = git.commit(base, [], "base")
    sides = [git.commit(one, [start], "side") for one in (work, tip)]
    words = (
        "-c",
        "merge.renames=false",
        "-c",
        "merge.directoryRenames=false",
        "merge-tree",
        "--write-tree",
        *sides,
    )
    said, code = git.outcome(*words)
    assert code in (0, 1), said
    return said.decode(errors="replace").split("\n")[0] if code == 0 else None
