"""The recipes that a command names: targets of a Makefile, scripts of package.json, hooks ..."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ralph.immutable import immutable

Reader = Callable[[str], bytes | None]

MOST_TARGETS = 100
MOST_PACKAGES = 50
MOST_BYTES = 256 * 1024
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")
MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
WORKSPACE_RUNNERS = frozenset({"turbo", "nx", "lerna", "wireit"})
ALL_MEMBERS = re.compile(r"^(?:--workspaces?|-ws?|-r|--recursive|--filter.*|-F|workspaces?|foreach)$")
LIFECYCLE = ("preinstall", "install", "postinstall", "prepare", "prepublish")
PYTHON_RUNNERS = frozenset({"poe", "hatch", "pdm", "task", "rye", "pixi", "invoke", "inv"})
RULE = re.compile(r"^([^\s#:=][^#:=]*?)\s*::?(?!=)([^=\n#]*)(?:#.*)?$")


@immutable
class Recipe:
    """Commands that a file holds, and the folder in which they run. `is_member`: the file itself is executed."""

    path: str
    folder: str
    commands: tuple[str, ...] = ()
    literals: str = ""
    is_member: bool = True


def recipes_of(words: list[str], folder: str, read: Reader, tracked: Collection[str]) -> Iterator[Recipe]:
    """Yield the recipes that this command runs, from the files of its folder."""
    names = [word.rpartition("/")[2] for word in words]
    for at, name in enumerate(names):
        rest = words[at + 1 :]
        if name in {"make", "gmake"}:
            yield from _make(rest, folder, read, tracked)
        elif name == "just":
            yield from _just(rest, folder, read)
        elif name in MANAGERS or name in WORKSPACE_RUNNERS:
            yield from _package_scripts(name, rest, folder, read, tracked)
            return
        elif name in {"go-task", "task"} and at == 0:
            yield from _yaml_commands(("Taskfile.yml", "Taskfile.yaml"), folder, read)
        elif name == "pre-commit":
            yield from _yaml_commands((".pre-commit-config.yaml",), folder, read)
        elif name == "lefthook":
            yield from _yaml_commands(("lefthook.yml", "lefthook.yaml"), folder, read)
        elif name in {"tox", "composer", "nox", "doit", "rake", *PYTHON_RUNNERS}:
            yield from _settings(folder, read)


def _text(read: Reader, path: str) -> str:
    data = read(path) or b""
    return "" if len(data) > MOST_BYTES else data.decode("utf-8", "replace")


# ---------------------------------------------------------------- make and just


def _make(rest: list[str], folder: str, read: Reader, tracked: Collection[str]) -> Iterator[Recipe]:
    names, targets = list(MAKEFILES), []
    words = iter(rest)
    for word in words:
        if word in {"-C", "--directory"} or word.startswith("-C"):
            folder = posixpath.normpath(
                posixpath.join(folder, word[2:] if word[2:] and word[1] != "-" else next(words, ""))
            )
        elif word in {"-f", "--file", "--makefile"}:
            names = [next(words, "")]
        elif word.startswith(("--file=", "--makefile=")):
            names = [word.partition("=")[2]]
        elif not word.startswith("-") and "=" not in word:
            targets.append(word)
    path = next(
        (there for name in names if (there := posixpath.normpath(posixpath.join(folder, name))) in tracked), ""
    )
    if path:
        yield from _makefile(path, folder, targets, read, tracked)


def _makefile(
    path: str, folder: str, targets: list[str], read: Reader, tracked: Collection[str]
) -> Iterator[Recipe]:
    texts = {path: _text(read, path)}
    for included in _includes(texts[path], folder, tracked):
        texts[included] = _text(read, included)
        yield Recipe(included, folder)
    whole = "\n".join(texts.values())
    rules, variables = _rules(whole), _variables(whole)
    wanted, done = list(targets or list(rules)[:1]), set[str]()
    while wanted and len(done) < MOST_TARGETS:
        target = wanted.pop(0)
        if target in done:
            continue
        done.add(target)
        needs, lines = rules.get(target, ("", ()))
        wanted += _expand(needs, variables).split()
        commands = tuple(_expand(line.lstrip("@-+ "), variables) for line in lines)
        if commands:
            yield Recipe(path, folder, commands)
    yield Recipe(path, folder, tuple(re.findall(r"\$\(shell\s+([^()]*)\)", whole)))


def _includes(text: str, folder: str, tracked: Collection[str]) -> Iterator[str]:
    for line in re.findall(r"^[ \t]*-?s?include[ \t]+(.+)$", text, re.MULTILINE):
        for word in _expand(line, _variables(text)).split():
            pattern = posixpath.normpath(posixpath.join(folder, word))
            expression = re.escape(pattern).replace(r"\*", "[^/]*")
            yield from sorted(path for path in tracked if re.fullmatch(expression, path))


def _rules(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the rules of a Makefile or justfile: target -> what it needs, and its lines."""
    rules: dict[str, tuple[str, tuple[str, ...]]] = {}
    current: list[str] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line[:1] in {"\t", " "} and current:
            for target in current:
                needs, lines = rules[target]
                rules[target] = (needs, (*lines, line.strip()))
        elif match := RULE.match(line):
            needs, _, inline = match[2].partition(";")
            current = match[1].split()
            for target in current:
                before = rules.get(target, ("", ()))
                rules[target] = (f"{before[0]} {needs}", (*before[1], inline) if inline else before[1])
        elif line.strip():
            current = []
    return {target: rule for target, rule in rules.items() if target != ".PHONY"}


def _variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[:+?]?:?=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))


def _expand(text: str, variables: Mapping[str, str]) -> str:
    for _ in range(3):
        text = re.sub(r"\$[({](\w+)[)}]", lambda match: variables.get(match[1], ""), text)[:MOST_BYTES]
    return text.replace("$$", "$").replace("$(MAKE)", "make")


def _just(rest: list[str], folder: str, read: Reader) -> Iterator[Recipe]:
    path = next((there for name in JUSTFILES if read(there := posixpath.join(folder, name)) is not None), "")
    rules = _rules(_text(read, path)) if path else {}
    named = {target.lstrip("@"): rule for target, rule in rules.items()}
    wanted = [word for word in rest if not word.startswith("-")] or list(named)[:1]
    done = set[str]()
    while wanted and len(done) < MOST_TARGETS:
        target = wanted.pop(0)
        if target in named and target not in done:
            wanted += named[target][0].split()
            yield Recipe(path, folder, tuple(line.lstrip("@-") for line in named[target][1]))
        done.add(target)


# ---------------------------------------------------------------- package.json


def _package_scripts(
    program: str, rest: list[str], folder: str, read: Reader, tracked: Collection[str]
) -> Iterator[Recipe]:
    folder, names = _script_names(program, rest, folder)
    manifests = [posixpath.join(folder, "package.json")]
    if program in WORKSPACE_RUNNERS or any(ALL_MEMBERS.match(word) for word in rest):
        members = sorted(path for path in tracked if path.endswith("/package.json") and "node_modules/" not in path)
        manifests += members[:MOST_PACKAGES]
    for path in manifests:
        yield from _scripts_of(path, names, read)


def _script_names(program: str, rest: list[str], folder: str) -> tuple[str, list[str]]:
    names: list[str] = []
    skip = False
    for at, word in enumerate(rest):
        if skip:
            skip = False
        elif word in {"--prefix", "--cwd", "-C", "--dir"}:
            folder, skip = posixpath.normpath(posixpath.join(folder, (rest[at + 1 :] or [""])[0])), True
        elif word == "--":
            break
        elif not word.startswith("-"):
            names += word.partition(":")[::2] if program == "nx" else [word]
    return folder, ["test" if name in {"t", "tst"} else name for name in names if name]


def _scripts_of(path: str, names: list[str], read: Reader) -> Iterator[Recipe]:
    try:
        scripts = json.loads(_text(read, path) or "{}").get("scripts", {})
    except (ValueError, AttributeError, RecursionError):
        return
    if not isinstance(scripts, dict):
        return
    wanted = [*LIFECYCLE, *(f"{before}{name}" for name in names for before in ("pre", "", "post"))]
    commands = tuple(scripts[name] for name in dict.fromkeys(wanted) if isinstance(scripts.get(name), str))
    if commands:
        yield Recipe(path, posixpath.dirname(path), commands, is_member=False)


# ---------------------------------------------------------------- files of settings


def _yaml_commands(names: tuple[str, ...], folder: str, read: Reader) -> Iterator[Recipe]:
    """Yield the values that are commands in such files: `entry: ci/x.sh`, `- bash ci/x.sh`, `run: ...`."""
    for path in (posixpath.join(folder, name) for name in names):
        values = re.findall(
            r"^[ \t]*(?:-[ \t]*)?(?:(?:entry|cmd|run|sh|task)[ \t]*:[ \t]*)?(\S.*)$",
            _text(read, path),
            re.MULTILINE,
        )
        if values:
            yield Recipe(path, folder, tuple(value.strip("'\"| ") for value in values))


def _settings(folder: str, read: Reader) -> Iterator[Recipe]:
    """Yield the commands in the settings of Python's and PHP's runners."""
    tox = _text(read, posixpath.join(folder, "tox.ini"))
    lines = tuple(
        line.strip()
        for line in re.sub(r"\\\n", " ", tox).splitlines()
        if line[:1] in {" ", "\t"} or line.startswith("commands")
    )
    yield Recipe(
        posixpath.join(folder, "tox.ini"),
        folder,
        tuple(line.partition("=")[2] if line.startswith("commands") else line for line in lines),
        is_member=False,
    )
    for name in ("noxfile.py", "tasks.py", "dodo.py", "Rakefile"):
        yield Recipe(
            posixpath.join(folder, name),
            folder,
            literals=_text(read, posixpath.join(folder, name)),
            is_member=False,
        )
    for name, tables in (
        ("pyproject.toml", ("tool",)),
        ("composer.json", ("scripts",)),
        ("hatch.toml", ("envs",)),
        ("pixi.toml", ("tasks",)),
    ):
        path = posixpath.join(folder, name)
        yield Recipe(path, folder, tuple(_strings(_table(path, read), tables)), is_member=False)


def _table(path: str, read: Reader) -> Mapping[str, Any]:
    text = _text(read, path)
    try:
        data = json.loads(text or "{}") if path.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _strings(data: Mapping[str, Any], tables: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts that hold a blank, in any depth: commands."""
    left: list[Any] = [data.get(name) for name in tables]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield from (value,) if " " in value else ()
        elif isinstance(value, list | dict):
            left += list(value.values() if isinstance(value, dict) else value)
