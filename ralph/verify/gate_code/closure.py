"""What a gate executes: from its command to scripts, recipes, package scripts and the data that they name.

All of it is read from the base. Files of the product are no members, even where a gate runs them: they are what the
gate judges. Tests are members only if a command names them; the run with the base's tests judges the others.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import field
from itertools import pairwise

from ralph import conventions, paths
from ralph.immutable import immutable
from ralph.verify.gate_code import gate_config
from ralph.verify.gate_code.recipes import Recipe, recipes_of
from ralph.verify.gate_code.shell_words import commands_in

Reader = Callable[[str], bytes | None]

MOST_FILES = 200  # read for one closure
MOST_BYTES = 256 * 1024  # of one file
MOST_DEPTH = 8
MOST_IMPORTERS = 20  # files that are asked whether they import a script
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "source", "."})
OPTIONS_WITH_VALUE = frozenset(
    {"-W", "-X", "-r", "--require", "--import", "--loader", "-I", "--config", "--env-file", "-o"}
)
LITERAL = re.compile(r"""["'`]([^"'`\n]{1,200})["'`]""")
# a variable or `$(dirname "$0")` before a name: the file is looked for in each folder that may be meant
BEFORE_NAME = re.compile(r"^(?:\$\{?\w+\}?|\$\([^()]*\))/")
TEST_LIKE = re.compile("test|spec", re.IGNORECASE)  # asked first: quick
SELF_TEST = re.compile(r"--?self-?_?(?:test|check)")
BACKEND = re.compile(r"^build-backend\s*=\s*[\"']([\w.]+)", re.MULTILINE)
BACKEND_PATH = re.compile(r"^backend-path\s*=\s*\[([^\]]*)", re.MULTILINE)
SHELL_NAME = re.compile(r".*\.(?:sh|bash|zsh|ksh)|[^.]+")
PYTHON_IMPORT = re.compile(r"^\s*(?:from\s+\.?([\w.]+)\s+import|import\s+([\w.]+))", re.MULTILINE)
SCRIPT_IMPORT = re.compile(
    r"""(?:from\s+|import\s*\(?\s*|require(?:_relative)?\s*\(?\s*)["'](\.{1,2}/[^"'\n]+|[\w/-]+)["']"""
)


@immutable
class Closure:
    """The files that gates execute, and the data that these name; paths in the repository."""

    scripts: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()  # the shell texts that they execute, without the commands themselves


@immutable
class Step:
    """A text to follow: where its commands run, where relative names may also start, how deep it is."""

    text: str
    folder: str
    path: str = ""  # the file that holds it; "" is a gate's command
    kind: str = "shell"  # or "literals": a program whose quoted words are looked at
    depth: int = 0


@immutable
class _Search:
    tracked: Collection[str]
    read: Reader
    steps: deque[Step] = field(default_factory=deque)
    scripts: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)  # files in which a gate searches: what it judges
    seen: set[tuple[str, str]] = field(default_factory=set)


def closure_of(commands: Collection[str], here: str, read: Reader, tracked: Collection[str]) -> Closure:
    """Return what these commands execute when they run in the folder `here` ("" is the repository's root)."""
    search = _Search(tracked, read)
    search.steps.extend(Step(command, here) for command in commands)
    _set_up(search, here)
    while search.steps:
        step = search.steps.popleft()
        if step.depth <= MOST_DEPTH and len(search.seen) <= MOST_FILES:
            _follow(search, step)
    data = search.data - search.scripts - search.subjects
    return Closure(frozenset(search.scripts), frozenset(data), tuple(search.texts))


def _follow(search: _Search, step: Step) -> None:
    if step.depth:
        search.texts.append(step.text)
    if step.kind == "literals":
        _follow_literals(search, step)
        return
    folder = step.folder
    for words, is_value in commands_in(step.text):
        if words[0] == "cd" and len(words) > 1:
            folder = posixpath.normpath(posixpath.join(folder, words[1]))
        _follow_command(search, _in_folder(step, folder), words, is_value)


def _in_folder(step: Step, folder: str) -> Step:
    return Step(step.text, "" if folder == "." else folder, step.path, step.kind, step.depth)


def _follow_command(search: _Search, step: Step, words: list[str], is_value: bool) -> None:
    program = words[0].rpartition("/")[2]
    if words[0] in conventions.names("commands", "linters") and not {"run", "exec"} & set(words[1:2]):
        _substitute(search, step, words)
        if program != "npx":
            return
    scripts = set(_scripts(search, step, words))
    for path, arguments in sorted(scripts):
        _add_script(search, step, path, arguments)
    for recipe in recipes_of(words, step.folder, search.read, search.tracked):
        _add_recipe(search, step, recipe)
    executed = {path for path, _ in scripts}
    named = {path for word in words if (path := _data(search, step, word))} - executed
    if "grep" in program and not is_value:
        search.subjects.update(path for path in named if _is_subject(words, path, is_value, len(named)))
    search.data.update(path for path in named if not _is_subject(words, path, is_value, len(named)))


def _is_subject(words: list[str], path: str, is_value: bool, count: int) -> bool:
    """Return whether a command judges this file, and does not judge by it: `grep -q ok state.txt`, and what is
    compared with an expected output."""
    program = words[0].rpartition("/")[2]
    if conventions.patterns("product", "gate_data").match(path.rpartition("/")[2]):
        return False
    if program in conventions.names("commands", "comparers"):
        return count > 1
    is_list = "grep" in program and any(
        re.fullmatch(r"-\w*f", word) and path.endswith(after) for word, after in pairwise(words)
    )
    reads = conventions.names("commands", "readers")
    return program in conventions.names("commands", "searchers") and not (
        is_list or (is_value and program in reads)
    )


def _substitute(search: _Search, step: Step, words: list[str]) -> None:
    """Follow what a linter's command line runs by itself (`git diff --exit-code` runs nothing)."""
    for word in words[1:]:
        if word in {"bash", "sh"} and "-c" in words:
            search.steps.append(Step(words[-1], step.folder, step.path, "shell", step.depth + 1))


def _scripts(search: _Search, step: Step, words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the scripts that a command runs, with their arguments: after an interpreter, or the program itself."""
    interpreters = conventions.names("commands", "interpreters")
    for at, word in enumerate(words):
        rest = words[at + 1 :]
        if re.sub(r"[\d.]+$", "", word.rpartition("/")[2]) in interpreters or word in interpreters:
            yield from _interpreted(search, step, word, rest)
        elif (at == 0 or word.startswith("./") or words[at - 1] in {"run", "exec"}) and (
            path := _resolve(search, step, word)
        ):
            yield path, " ".join(rest)


def _interpreted(search: _Search, step: Step, program: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    skip = False
    for at, word in enumerate(rest):
        if skip:
            skip = False
        elif word == "-m" and at + 1 < len(rest):
            yield from _module(search, step, rest[at + 1], " ".join(rest[at + 2 :]))
            return
        elif re.fullmatch(r"-\w*[ce]", word) and at + 1 < len(rest):
            kind = "shell" if program.rpartition("/")[2] in SHELLS else "literals"
            search.steps.append(Step(rest[at + 1], step.folder, step.path, kind, step.depth + 1))
            return
        elif word == "-n" and program.rpartition("/")[2] in SHELLS:
            return  # a syntax check runs nothing
        elif word in OPTIONS_WITH_VALUE:
            skip = True
            if path := _resolve(search, step, rest[at + 1] if at + 1 < len(rest) else ""):
                yield path, ""
        elif not word.startswith("-") and word not in {"run", "test"}:
            if path := _resolve(search, step, word):
                yield path, " ".join(rest[at + 1 :])
            return


def _module(search: _Search, step: Step, module: str, arguments: str) -> Iterator[tuple[str, str]]:
    stem = module.replace(".", "/")
    for name in (f"{stem}.py", f"{stem}/__main__.py"):
        if path := _resolve(search, step, name):
            yield path, arguments


# ---------------------------------------------------------------- members


def _add_script(search: _Search, step: Step, path: str, arguments: str) -> None:
    if paths.is_test(path) and step.path:
        return
    if is_product(path, arguments, search.read, search.tracked):
        return
    search.scripts.add(path)
    _open(search, step, path)


def _add_recipe(search: _Search, step: Step, recipe: Recipe) -> None:
    if recipe.path and recipe.is_member and not gate_config.is_gate_config(recipe.path):
        search.scripts.add(recipe.path)
    for text in recipe.commands:
        _enqueue(search, Step(text, recipe.folder, recipe.path, "shell", step.depth + 1))
    if recipe.literals:
        _enqueue(search, Step(recipe.literals, recipe.folder, recipe.path, "literals", step.depth + 1))


def _open(search: _Search, step: Step, path: str) -> None:
    data = search.read(path) or b""
    if len(data) > MOST_BYTES or b"\0" in data[:1024]:
        return
    text = data.decode("utf-8", "replace")
    head = text.partition("\n")[0]
    name = path.rpartition("/")[2]
    is_shell = SHELL_NAME.fullmatch(name) is not None and not re.match(r"#!.*(?:python|node|ruby|perl|php)", head)
    _enqueue(search, Step(text, step.folder, path, "shell" if is_shell else "literals", step.depth + 1))


def _enqueue(search: _Search, step: Step) -> None:
    if (key := (step.path, step.text)) not in search.seen:
        search.seen.add(key)
        search.steps.append(step)


def _follow_literals(search: _Search, step: Step) -> None:
    """Look at the quoted words of a program: data that it names, scripts that it starts, helpers beside it."""
    for helper in _helpers(search, step):
        _add_script(search, step, helper, "")
    for match in LITERAL.finditer(step.text):
        word = match[1]
        if " " in word.strip():
            search.steps.append(Step(word, step.folder, step.path or "-", "shell", step.depth + 1))
        elif (path := _data(search, step, word)) and conventions.patterns("product", "gate_data").match(path):
            search.data.add(path)
        elif (path := _resolve(search, step, word)) and _is_support(path):
            _add_script(search, step, path, "")


def _helpers(search: _Search, step: Step) -> Iterator[str]:
    """Yield the modules beside a script, or below its folder, that it imports. At the root they are the product."""
    folder = posixpath.dirname(step.path)
    if not folder or step.path.endswith((".sh", ".bash")):
        return
    if step.path.endswith(".py"):
        names = [(match[1] or match[2]).replace(".", "/") for match in PYTHON_IMPORT.finditer(step.text)]
        ends = [".py", "/__init__.py"]
    else:
        names = [match[1] for match in SCRIPT_IMPORT.finditer(step.text)]
        ends = ["", ".js", ".mjs", ".cjs", ".ts", ".rb", "/index.js", "/index.ts"]
    for name in names:
        for end in ends:
            path = posixpath.normpath(posixpath.join(folder, name + end))
            if path in search.tracked and path.startswith(f"{folder}/"):
                yield path


def _set_up(search: _Search, here: str) -> None:
    """Add what the set-up executes: build.rs, and a build backend of the repository."""
    for path in (posixpath.join(here, "build.rs"), "build.rs"):
        if path in search.tracked:
            search.scripts.add(path)
    text = (search.read(posixpath.join(here, "pyproject.toml")) or b"").decode("utf-8", "replace")
    backend, places = BACKEND.search(text), BACKEND_PATH.search(text)
    for folder in LITERAL.findall(places[1]) if backend and places else ():
        path = (
            posixpath.normpath(posixpath.join(here, folder, backend[1].replace(".", "/") + ".py"))
            if backend
            else ""
        )
        if path in search.tracked:
            search.scripts.add(path)


# ---------------------------------------------------------------- names


def _resolve(search: _Search, step: Step, word: str) -> str:
    """Return the tracked file that a word names, seen from the working folder; "" if it names none."""
    word = BEFORE_NAME.sub("", word)
    if not word or len(word) > 300 or "\n" in word:
        return ""
    for folder in dict.fromkeys((step.folder, posixpath.dirname(step.path), "")):
        path = posixpath.normpath(posixpath.join(folder, word))
        if path in search.tracked:
            return path
    return ""


def _data(search: _Search, step: Step, word: str) -> str:
    """Return the data of the gate that a word names; "" if it is no file, code, the product's, or a test's."""
    for part in (word, word.partition("=")[2], word.lstrip("<@")):
        path = _resolve(search, step, part)
        if path and is_gate_data(path):
            return path
    return ""


def is_gate_data(path: str) -> bool:
    """Return whether a file that a gate's script names is data of the gate: a limit, an expected output, a list."""
    *folders, name = path.split("/")
    ending = name.rpartition(".")[2].lower()
    if ending in conventions.names("product", "code") or conventions.in_product(folders):
        return False
    if conventions.patterns("product", "subjects").match(name) or paths.is_artefact(path):
        return False
    return not (paths.is_test(path) or gate_config.is_gate_config(path))


def is_product(path: str, arguments: str, read: Reader, tracked: Collection[str]) -> bool:
    """Return whether a script that a gate runs is the product itself, not a part of the gate."""
    *folders, name = path.split("/")
    stem = name.partition(".")[0]
    if paths.is_test(path) or _is_support(path):
        return False
    if SELF_TEST.search(arguments):
        return True
    is_check = conventions.any_of(conventions.names("product", "checks")).search(stem) is not None
    if conventions.in_product(folders):
        return folders[0] == "src" or not is_check
    if is_check:
        return False
    is_package = f"{'/'.join(folders)}/__init__.py" in tracked
    return stem in conventions.names("product", "entries") or is_package or _is_imported(path, stem, read, tracked)


def _is_support(path: str) -> bool:
    """Return whether a file lies in a folder for tools, before any folder of the product."""
    folders = path.split("/")[:-1]
    if not folders:
        return False
    if folders[0] in conventions.names("product", "workspaces") and len(folders) > conventions.WORKSPACE_DEPTH:
        folders = folders[conventions.WORKSPACE_DEPTH :]
    return folders[0] in conventions.names("product", "support")


def _is_imported(path: str, stem: str, read: Reader, tracked: Collection[str]) -> bool:
    """Return whether tests, or files beside it, import a script."""
    ending = path.rpartition(".")[2]
    if ending not in {"py", "js", "mjs", "cjs", "ts", "rb"}:
        return False
    beside = posixpath.dirname(path)
    same = (other for other in tracked if other != path and other.endswith(ending[-2:]))
    near = sorted(other for other in same if TEST_LIKE.search(other) or posixpath.dirname(other) == beside)
    others = [other for other in near if posixpath.dirname(other) == beside or paths.is_test(other)]
    imports = re.compile(
        rf"""^\s*(?:from|import)\s+[\w.]*\b{re.escape(stem)}\b|["'][./\w-]*\b{re.escape(stem)}(?:\.\w+)?["']""",
        re.MULTILINE,
    )
    texts = ((read(other) or b"")[:MOST_BYTES].decode("utf-8", "replace") for other in others[:MOST_IMPORTERS])
    return any(imports.search(text) for text in texts)
