"""The only module that calls git: its questions as methods, in a sealed environment.

There are two ways to call it. `repo` uses the user's own git folder: refs, HEAD, their index. `tree` uses ralph's
git folder (`state/git`): its own index and a frozen copy of the configuration over the same objects, so that hooks,
filters, excludes and settings planted by an agent have no effect on what ralph sees. Neither runs a hook.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ralph.errors import Exit, RalphError
from ralph.git import objects as loose
from ralph.git import ref_files as refs
from ralph.git.command import GitProcess
from ralph.git.config import config_text, parse_config, read_config, user_file
from ralph.git.model import Change
from ralph.git.parse import REFS, parse_raw, parse_refs, raw_diff
from ralph.git.repository import Repo, clean_environment

SAFE = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false",
    "core.pager=cat", "log.showSignature=false", "diff.external=", "submodule.recurse=false",
)  # fmt: skip
ROLES = ("AUTHOR", "COMMITTER")
DATES = {f"GIT_{role}_DATE" for role in ROLES}
FULL = re.compile(r"[0-9a-f]{40}")  # the full id of an object, also at the beginning of `<id>:<path>`
ANSWERS, MOST_KEPT = 50, 64_000  # number of cached answers, and maximum bytes of each
UNUSUAL = ("i18n.commitencoding", "core.sharedrepository")


class GitError(RalphError):
    """A git call failed. `stderr` is git's error output."""

    def __init__(self, args: Sequence[str], code: int, stderr: str) -> None:
        self.stderr = stderr.strip()
        words = " ".join(args[:3])
        first = self.stderr.splitlines()[0] if self.stderr else f"exit code {code}"
        cure = "Look at the repository with `git status`, then start again."
        if ".lock': File exists" in first:
            cure = "Wait for the git that holds it; if none runs, delete that file. Then start again."
        super().__init__(f"`git {words}` failed: {first}", cure, code=Exit.STOPPED)


class Git:
    """A repository and ralph's sealed view of it."""

    def __init__(self, repo: Repo) -> None:
        self.where = repo
        self.own = repo.state / "git"
        self.index = repo.state / "git" / "index"
        self.spare = repo.state / "tmp"
        self._env = clean_environment(os.environ)
        self._program = shutil.which("git") or "git"
        self._files: dict[str, bytes] = {}  # name in ralph's git folder -> content, rewritten by seal()
        self.config: dict[str, list[str]] = {}
        self.signs = False
        self._trees: dict[str, str] = {}
        self._answers: dict[tuple[str, ...], bytes] = {}  # constant answers, the newest last
        self._lasting = True  # HEAD must survive a power cut; a worktree of the pool is recreated
        self.beside = ""  # the commit of the user's index, while it holds their own changes
        self.hides: Callable[[str], bool] | None = None  # refs that other runs move: ignored
        self.other_branches: Callable[[], frozenset[str]] = frozenset  # moved by their runs
        self.unseen: frozenset[str] = frozenset()  # paths that never count as changed

    # ------------------------------------------------------------ calls

    def repo(self, *args: str, data: bytes = b"", ok: Iterable[int] = (0,)) -> bytes:
        """Run git in the user's git folder. Return its output; raise GitError on an exit code outside of `ok`."""
        return self._finish(args, self._start(args, own=False, data=data), ok)

    def tree(self, *args: str, data: bytes = b"", ok: Iterable[int] = (0,)) -> bytes:
        """Run git in ralph's own git folder: its index, the work tree, objects."""
        return self._finish(args, self._start(args, own=True, data=data), ok)

    def together(self, *calls: tuple[str, Sequence[str]]) -> list[bytes]:
        """Run independent calls at the same time, each `("repo" | "tree", args)`; return their outputs."""
        running = [(args, self._start(args, own=way == "tree")) for way, args in calls]
        return [self._finish(args, started, (0,)) for args, started in running]

    def _always(self, *args: str, objects: Sequence[str], ok: Iterable[int] = (0,)) -> bytes:
        """Cache answers about objects named by their full ids: they never change."""
        if args in self._answers:
            return self._answers[args]
        answer = self.tree(*args, ok=ok)
        if answer and len(answer) < MOST_KEPT and all(FULL.match(name) for name in objects):
            self._answers[args] = answer
            while len(self._answers) > ANSWERS:
                del self._answers[next(iter(self._answers))]
        return answer

    def outcome(self, *args: str, data: bytes = b"") -> tuple[bytes, int]:
        """Return git's output and its exit code, for calls that answer with the code."""
        out, _, code = self._start(args, own=True, data=data).finish()
        return out, code

    def begin(self, *args: str) -> GitProcess:
        """Start git in ralph's own git folder without waiting for its answer."""
        return self._start(args, own=True)

    def _start(self, args: Sequence[str], *, own: bool, data: bytes = b"") -> GitProcess:
        env = {**self._env, "GIT_WORK_TREE": str(self.where.root)}
        if own:
            env |= {"GIT_DIR": str(self.own), "GIT_INDEX_FILE": str(self.index), "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_OBJECT_DIRECTORY": str(self.where.common / "objects"),
                    "GIT_OPTIONAL_LOCKS": "1"}  # fmt: skip
        else:
            env["GIT_DIR"] = str(self.where.git_dir)
        settings = [word for setting in SAFE for word in ("-c", setting)]
        if "check-ignore" not in args:  # which rejects it
            settings.append("--literal-pathspecs")
        return GitProcess([self._program, *settings, *args], self.where.root, env, data)

    def _finish(self, args: Sequence[str], started: GitProcess, ok: Iterable[int]) -> bytes:
        out, err, code = started.finish()
        if code not in ok:
            raise GitError(args, code, err.decode(errors="replace"))
        return out

    # ------------------------------------------------------------ the seal

    def freeze(self, *, again: bool = True, caches: Sequence[str] = ()) -> None:
        """Pin the user's effective configuration and ignore rules. `again=False` keeps the pinned ones of a killed
        run: its agent may have changed the real ones since."""
        frozen = self.own / "config"
        if again or not frozen.exists():
            self._freeze_now(caches)
        self._files = {str(path.relative_to(self.own)): path.read_bytes() for path in self._sealed()}
        self.config = self.config or parse_config(self.tree("config", "--list", "-z"))
        self.signs = self.config.get("commit.gpgsign", ["false"])[-1] in ("true", "yes", "on", "1", "")
        self._identify()

    def seal(self) -> None:
        """Rewrite ralph's git folder as it was frozen: an agent may have changed it."""
        for name, content in self._files.items():
            path = self.own / name
            if not path.is_file() or path.is_symlink() or path.read_bytes() != content:
                path.unlink(missing_ok=True)
                path.write_bytes(content)

    def like(self, repo: Repo, exclude: bytes = b"") -> Git:
        """Return the same seal on another work tree of this repository, with more ignore rules. Reads nothing
        there."""
        other = Git(repo)
        for folder in ("info", "refs/heads", "objects"):
            (other.own / folder).mkdir(parents=True, exist_ok=True)
        other._files = {**self._files, "info/exclude": self._files.get("info/exclude", b"") + exclude}
        other.config, other.signs = self.config, self.signs
        other._lasting = False
        other._env = self._env
        other.seal()
        return other

    def _sealed(self) -> list[Path]:
        names = ("HEAD", "config", "info/exclude", "info/attributes", "excludes", "attributes", "shallow")
        return [path for name in names if (path := self.own / name).exists()]

    def _freeze_now(self, caches: Sequence[str]) -> None:
        config = parse_config(self.repo("config", "--list", "--includes", "-z"))
        for folder in ("info", "refs/heads", "objects"):
            (self.own / folder).mkdir(parents=True, exist_ok=True)
        (self.own / "HEAD").write_text("ref: refs/heads/none\n")
        rules = read_config(self.where.common / "info/exclude") + b"\n" + "\n".join(caches).encode() + b"\n"
        (self.own / "info/exclude").write_bytes(rules)
        (self.own / "info/attributes").write_bytes(read_config(self.where.common / "info/attributes"))
        for name, key in (("excludes", "core.excludesfile"), ("attributes", "core.attributesfile")):
            (self.own / name).write_bytes(
                read_config(user_file(config, key, "ignore" if name == "excludes" else name))
            )
            config[key] = [str(self.own / name)]
        if (self.where.common / "shallow").exists():
            (self.own / "shallow").write_bytes(read_config(self.where.common / "shallow"))
        (self.own / "config").write_text(config_text(config), encoding="utf-8", errors="surrogateescape")
        self.config = config

    def _identify(self) -> None:
        try:
            idents = self.together(*(("tree", ("var", f"GIT_{role}_IDENT")) for role in ROLES))
            for role, ident in zip(ROLES, idents, strict=True):
                name, _, rest = ident.decode(errors="replace").rpartition(" <")
                self._env |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": rest.partition(">")[0]}
        except GitError as error:
            raise RalphError(
                "git does not know who you are, so it can't commit",
                "Run `git config --global user.name 'Your Name'` "
                "and `git config --global user.email you@example.org`.",
            ) from error

    def ignored(self, paths: Iterable[str]) -> frozenset[str]:
        """Return those of the untracked paths that the user's rules ignore."""
        data = b"".join(os.fsencode(f"./{path}") + b"\0" for path in paths)
        answer = self.repo("check-ignore", "-z", "--stdin", data=data, ok=(0, 1)).split(b"\0")
        return frozenset(os.fsdecode(path).removeprefix("./") for path in answer if path)

    # ------------------------------------------------------------ refs

    def head(self) -> tuple[str, str]:
        """Return (full name of HEAD's branch, "" if detached; commit, "" if there is none yet)."""
        branch = "" if self._reftable else refs.named_in(self.where.git_dir / "HEAD")
        if self._reftable:
            branch = self.repo("symbolic-ref", "-q", "HEAD", ok=(0, 1)).decode().strip()
        return branch, self.sha("HEAD")

    def default_of_origin(self) -> str:
        """Return the short name of the remote's default branch; "" if unknown."""
        head = "refs/remotes/origin/HEAD"
        if self._reftable:
            name = self.repo("symbolic-ref", "-q", head, ok=(0, 1, 128)).decode().strip()
        else:
            name = refs.named_in(self.where.common / head) if (self.where.common / head).is_file() else ""
        return name.removeprefix("refs/remotes/origin/")

    @property
    def _reftable(self) -> bool:
        """Whether refs are stored in a reftable, not as files."""
        return (self.where.common / "reftable").is_dir()

    def sha(self, name: str) -> str:
        """Return the commit of a name; "" if there is none."""
        return self.repo("rev-parse", "-q", "--verify", f"{name}^{{commit}}", ok=(0, 1, 128)).decode().strip()

    def refs(self) -> dict[str, str]:
        """Return every branch, tag and ref of ralph's: full name -> object."""
        return self.shown(self.repo(*REFS))

    def shown(self, listed: bytes) -> dict[str, str]:
        """Parse the answer to REFS, without the refs that other runs move."""
        listed_refs, hides = parse_refs(listed), self.hides
        return listed_refs if hides is None else {name: sha for name, sha in listed_refs.items() if not hides(name)}

    def update_refs(self, *lines: str) -> None:
        """Update refs in one transaction, all or nothing. Lines as in `git update-ref --stdin`: `update REF NEW
        OLD`."""
        self.repo("update-ref", "--stdin", data="".join(f"{line}\n" for line in lines).encode())

    def make_ref(self, name: str, sha: str) -> None:
        """Set a ref of ralph's own."""
        if self._reftable or not refs.make(self.where.common, name, sha):
            self.update_refs(f"update {name} {sha}")

    def drop_ref(self, name: str) -> None:
        """Delete a ref of ralph's own."""
        if self._reftable or not refs.drop(self.where.common, name):
            self.update_refs(f"delete {name}")

    def point_head(self, branch: str) -> None:
        """Point HEAD at this branch without touching the work tree. A commit instead of a branch detaches HEAD.

        The file is written by git's own protocol (a lock, then a rename): one process less, twice for each task.
        """
        if self._reftable:
            call = ("symbolic-ref", "HEAD") if branch.startswith("refs/") else ("update-ref", "--no-deref", "HEAD")
            self.repo(*call, branch)
            return
        head = self.where.git_dir / "HEAD"
        lock = head.with_name("HEAD.lock")
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"ref: {branch}\n".encode() if branch.startswith("refs/") else f"{branch}\n".encode())
            if self._lasting:
                file.flush()
                os.fsync(descriptor)
        lock.replace(head)

    def is_ancestor(self, old: str, new: str) -> bool:
        try:
            self.repo("merge-base", "--is-ancestor", old, new)
        except GitError:
            return False
        return True

    # ------------------------------------------------------------ objects

    def blob(self, name: str) -> bytes:
        """Return the content of a blob (`<sha>` or `<commit>:<path>`); b"" if there is none."""
        return self._always("cat-file", "blob", name, objects=[name], ok=(0, 128)) if name else b""

    def blob_sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the size in bytes of each blob, by id."""
        wanted = "\n".join(name for name in dict.fromkeys(names) if name)
        answer = (
            self.tree("cat-file", "--batch-check=%(objectname) %(objectsize)", data=wanted.encode())
            if wanted
            else b""
        )
        rows = [line.split() for line in answer.decode(errors="replace").splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def small_blobs(self, names: Iterable[str], most: int) -> dict[str, bytes]:
        """Return the contents of the blobs of at most `most` bytes, by id. "" is an empty file."""
        small = [name for name, size in self.blob_sizes(names).items() if size <= most]
        data = self.tree("cat-file", "--batch", data="\n".join(small).encode()) if small else b""
        return {"": b"", **dict(_batch(data))}

    def holds(self, commit: str, text: str) -> bool:
        """Return whether a file of a commit contains this text. The text is no argument: `ps` shows those."""
        return self.outcome("grep", "-qF", "-f", "-", commit, data=text.encode())[1] == 0

    def checked_out(self, commit: str, path: str) -> bytes:
        """Return the content of a commit's file as in a work tree (end-of-line rules, filters)."""
        return self._always("cat-file", "--filters", f"{commit}:{path}", objects=[commit])

    def blob_at(self, commit: str, path: str) -> str:
        """Return the blob's id at a path of a commit; "" if there is none."""
        line = self._always("ls-tree", "-z", commit, "--", path, objects=[commit]).decode(errors="surrogateescape")
        return line.split()[2] if line else ""

    def tree_of(self, commit: str) -> str:
        if commit not in self._trees:
            self._trees = {commit: self.tree("rev-parse", f"{commit}^{{tree}}").decode().strip()}
        return self._trees[commit]

    def tracked(self, commit: str, paths: Sequence[str]) -> frozenset[str]:
        """Return those of these paths that are files of a commit."""
        if not (wanted := [path for path in paths if path and path != "."]):
            return frozenset()
        listed = self.tree("ls-tree", "-z", "--name-only", commit, "--", *wanted).split(b"\0")
        return frozenset(os.fsdecode(path) for path in listed if path)

    def files_of(self, commit: str) -> frozenset[str]:
        """Return the paths of all files of a commit."""
        listed = self.tree("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).split(b"\0")
        return frozenset(os.fsdecode(path) for path in listed if path)

    @property
    def zero(self) -> str:
        """The null id."""
        return "0" * (64 if self._algorithm == "sha256" else 40)

    @property
    def _algorithm(self) -> str:
        return self.config.get("extensions.objectformat", ["sha1"])[-1]

    def store(self, content: bytes) -> str:
        """Store a blob unchanged; return its id."""
        return self.tree("hash-object", "-w", "--no-filters", "--stdin", data=content).decode().strip()

    def put(self, path: str, content: bytes) -> str:
        """Store a file's content as git would for this path (end-of-line rules, filters); return its blob id."""
        return self.tree("hash-object", "-w", "--stdin", "--path", path, data=content).decode().strip()

    def commit(self, tree: str, parents: Sequence[str], message: str, *, sign: bool = False) -> str:
        """Create a commit object without moving a ref. git itself makes it if a signature, a date or an encoding is
        set."""
        if (sign and self.signs) or any(key in self.config for key in UNUSUAL) or DATES & self._env.keys():
            options = [word for parent in parents for word in ("-p", parent)]
            signed = ["-S"] if sign and self.signs else []
            made = (
                self.tree("commit-tree", tree, *options, *signed, "-F", "-", data=message.encode()).decode().strip()
            )
        else:
            author, committer = (self._who(role) for role in ROLES)
            content = loose.commit_text(tree, parents, author, committer, message)
            made = loose.write_object(self.where.common / "objects", "commit", content, self._algorithm)
        self._trees[made] = tree
        return made

    def _who(self, role: str) -> str:
        return f"{self._env[f'GIT_{role}_NAME']} <{self._env[f'GIT_{role}_EMAIL']}>"

    def changes(self, old: str, new: str) -> tuple[Change, ...]:
        """Return the differences between two trees or commits."""
        return parse_raw(self._always(*raw_diff(old, new), objects=[old, new]))

    def trailers(self, commit: str, key: str) -> tuple[str, ...]:
        """Return the values of a trailer of one commit."""
        form = f"--format=%(trailers:key={key},valueonly=true,unfold=true)"
        return tuple(self.repo("log", "-1", form, commit).decode(errors="replace").splitlines()[:-1])


def _batch(answer: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the id and the content of each object that `cat-file --batch` printed."""
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        name, _, size = answer[at:end].decode().split()
        yield name, answer[end + 1 : end + 1 + int(size)]
        at = end + int(size) + 2
