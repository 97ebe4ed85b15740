"""Build commits without touching a ref, then move the branch once.

A result is a finished commit before any ref that people see changes. A crash leaves the old state or the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ralph.errors import Exit, RalphError
from ralph.files import edit_file, read_file
from ralph.git.client import Git, GitError
from ralph.git.fast_forward import fast_forward_checkout
from ralph.git.index import fill, lend_index, stage, tree_with
from ralph.git.model import Commit
from ralph.immutable import immutable
from ralph.state.events import Publishing

Content = bytes | None
TRAILER = re.compile(r"^(?=[A-Za-z][A-Za-z-]*:)")
CO_AUTHOR = re.compile(r"^co-authored-by:\s*(\S.*<[^<>\n]+>)\s*$", re.IGNORECASE)
LONGEST_BODY = 8_000


@immutable
class CommitMessage:
    """The message of a task's commit. `trailers` are (key, value) in order; each value is one line."""

    subject: str
    trailers: Sequence[tuple[str, str]]
    commits: Sequence[Commit] = ()

    def text(self) -> str:
        """Return the subject, the bodies of the agent's own commits, and exactly one last block of trailers.

        Indent the agent's lines that look like trailers, so that a proof can't be forged.
        """
        bodies = [commit.body for commit in reversed(self.commits)]
        block = [*_co_authors(bodies), *(f"{key}: {value}" for key, value in self.trailers)]
        quoted = _quoted("\n\n".join(bodies))[:LONGEST_BODY].rstrip()
        return "\n\n".join(part for part in (self.subject, quoted, "\n".join(block)) if part) + "\n"


def _quoted(body: str) -> str:
    lines = (line for line in body.splitlines() if not CO_AUTHOR.match(line))
    return "\n".join(TRAILER.sub("  ", line) for line in lines)


def _co_authors(bodies: Sequence[str]) -> list[str]:
    matches = (match[1] for body in bodies for line in body.splitlines() if (match := CO_AUTHOR.match(line)))
    return [f"Co-authored-by: {author}" for author in dict.fromkeys(matches)]


class FileEditor:
    """The files that ralph writes in the checkout. It changes them by exchange."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._spare = git.where.state / "tmp"

    def read(self, path: str) -> Content:
        return read_file(self._git.where.root / path)

    def edit(self, path: str, change: Callable[[Content], Content]) -> Content:
        return edit_file(self._git.where.root / path, change, self._spare)

    def put(self, path: str, content: Content) -> None:
        """Give the file this content, whatever it holds."""
        self.edit(path, lambda _: content)

    def swap(self, path: str, old: Content, new: Content) -> Content:
        """Change `old` into `new` and keep any other content. Return what the file holds."""
        return self.edit(path, lambda content: new if content == old else content)


def stage_papers(git: Git, papers: FileEditor, placed: Mapping[str, bytes]) -> None:
    """Stage the placed content, not what a person saved over it meanwhile."""
    stage(git, placed)
    for path, content in placed.items():
        if papers.read(path) != content:
            git.tree("update-index", "--add", "--cacheinfo", f"100644,{git.put(path, content)},{path}")


def build_task(
    git: Git, tree: str, tip: str, placed: Mapping[str, bytes], message: Callable[[str], CommitMessage]
) -> str:
    """Return the commit of an accepted task on `tip`: the tree that the gates saw, with PRD and memory file."""
    whole = tree_with(git, tree, {path: ("100644", git.put(path, content)) for path, content in placed.items()})
    return git.commit(whole, [tip], message(whole).text(), sign=True)


def build_paper(git: Git, *, tip: str, path: str, content: bytes, message: str) -> str:
    """Return a commit on `tip` that changes one file only."""
    tree = tree_with(git, tip, {path: ("100644", git.put(path, content))})
    return git.commit(tree, [tip], message, sign=True)


def publish(git: Git, tell: Callable[[Publishing], object], *, branch: str, event: Publishing,
            drop: Sequence[str] = ()) -> None:  # fmt: skip
    """Journal the event, then move the branch by compare-and-swap and delete the `drop` refs in one transaction.

    Raise RalphError if the branch was moved meanwhile.
    """
    tell(event)
    lines = [f"update {branch} {event.commit} {event.parent}", *(f"delete {ref}" for ref in drop)]
    try:
        git.update_refs(*lines)
    except GitError as error:
        raise RalphError(
            f"{branch.removeprefix('refs/heads/')} was moved by somebody else while a commit was being published",
            f"Look at it with `git log {branch.removeprefix('refs/heads/')}`, then run the same command again "
            f"({error.stderr.splitlines()[0] if error.stderr else error.what}).",
            code=Exit.STOPPED,
        ) from error


def settle_index(git: Git, tip: str, papers: Sequence[str] = ()) -> None:
    """Make both indexes equal to the tip. The work tree already is.

    In a checkout with the user's own changes, update only the files that differ, but not `papers`.
    """
    if git.beside:
        fast_forward_checkout(git, git.beside, tip, papers)
        git.beside = tip
        return
    fill(git, tip)
    lend_index(git)
