"""What a gate executes: its scripts, and theirs, and the data that they name. Pure: files come through a function.

The product under test is not part of it: a gate that runs `python app.py` does not guard app.py, unless the command
itself names it.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ralph.immutable import immutable

MOST = 60  # files and texts that are followed
LARGEST = 200_000  # bytes of a script that is followed
Read = Callable[[str], bytes | None]

WORD = re.compile(r"[\w@.+~/-]+")
SHELL = frozenset({"sh", "bash", "zsh", "mk"})
SCRIPTS = SHELL | {"py", "rb", "pl", "js", "mjs", "cjs", "ts", "mts", "php", "awk", "lua"}
CONFIGURATION = frozenset({"toml", "ini", "cfg", "conf", "properties", "env"})
#: Data that may be the product's: it belongs to the gate if it is called like a limit or an expectation.
DATA = frozenset({"json", "json5", "jsonc", "yaml", "yml", "xml", "txt", "list", "csv", "tsv"})
LIMIT = re.compile(
    r"limit|threshold|quality|expect|baseline|budget|config|setting|rule|allow|deny|ignore|golden|max|min\b|coverage"
    r"|score|level|reference|approved|snapshot|check|test|gate|lint",
    re.IGNORECASE,
)
#: Folders of the product: what a script names there is what it tests.
PRODUCT = frozenset({
    "src", "lib", "libs", "app", "apps", "pkg", "internal", "cmd", "source", "public", "static", "assets",
    "include", "server", "client", "web", "api", "packages", "crates", "modules", "components", "docs", "data",
})  # fmt: skip
#: Folders of scripts, where a program in any language belongs to the gate.
TOOLS = frozenset({
    "scripts", "script", "tools", "tool", "ci", ".ci", "bin", "hack", "build", "dev", ".github", "etc",
    "config", "make",
})  # fmt: skip
TASK = re.compile(
    r"(?:^|[\s/_.-])(checks?|test\w*|gates?|lint\w*|verify|validate|ci|run|runner|coverage)(?:$|[\s/_.-])",
    re.IGNORECASE,
)

FLAGS = r"(?:(?:--prefix|-C|--dir|--cwd|-w|--workspace|--filter|-F)\s+\S+\s+|-\S+\s+)*"
NPM = re.compile(rf"\b(?:npm|pnpm|yarn|bun)\s+{FLAGS}(?:run(?:-script)?\s+{FLAGS})?([\w:.-]+)")
NPM_ALIASES = {"t": "test", "tst": "test"}
MAKE = re.compile(r"\b(g?make|just)\b((?:\s+[\w=./:-]+)*)")
CHANGES_FOLDER = re.compile(r"(?:\bcd|-C|--prefix|--dir|--cwd)[\s=]+([\w./@-]+)")
RULE = re.compile(r"^([\w./%@ -]+?)\s*:(?![=:])\s*([^#\n]*)$")
INCLUDE = re.compile(r"^\s*-?s?include\s+(.+)$", re.MULTILINE)
#: Tools that read their commands from a file: a word in the command -> files.
TASK_FILES = (
    (re.compile(r"\btox\b"), ("tox.ini", "pyproject.toml", "setup.cfg")),
    (re.compile(r"\bnox\b"), ("noxfile.py",)),
    (re.compile(r"\bpre-commit\b|\bprek\b"), (".pre-commit-config.yaml",)),
    (re.compile(r"\b(hatch|pdm|poe|uv run|rye)\b"), ("pyproject.toml",)),
    (re.compile(r"\btask\b"), ("Taskfile.yml", "Taskfile.yaml")),
    (re.compile(r"\b(rake|rails)\b"), ("Rakefile",)),
    (re.compile(r"\bcomposer\b"), ("composer.json",)),
)
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")


@immutable
class GateCode:
    """`files`: tracked files that a gate runs or reads as its data. `texts`: the commands that it executes."""

    files: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()


@dataclass
class _Search:
    read: Read
    files: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    pending: deque[tuple[str, str, bool]] = field(default_factory=deque)  # text, folder, from a command's own words

    def add(self, text: str, folder: str, *, direct: bool = False) -> None:
        if (text, folder) not in self.seen and len(self.seen) < MOST:
            self.seen.add((text, folder))
            self.pending.append((text, folder, direct))


def gate_code(command: str, folder: str, read: Read) -> GateCode:
    """Return what a command executes in a folder of the repository ("" is its root).

    `read` returns the content of a tracked file, or None.
    """
    search = _Search(read)
    search.add(command, folder, direct=True)
    while search.pending:
        text, place, direct = search.pending.popleft()
        if not direct:
            search.texts.append(text)
        _follow(search, text, place, direct=direct)
    return GateCode(frozenset(search.files), tuple(search.texts))


def _follow(search: _Search, text: str, folder: str, *, direct: bool) -> None:
    places = [folder, *(_join(folder, match[1]) for match in CHANGES_FOLDER.finditer(text))]
    for place in dict.fromkeys(places):
        _follow_files(search, text, place, direct=direct)
        _follow_npm(search, text, place)
        _follow_make(search, text, place)
        for pattern, names in TASK_FILES:
            for name in names if pattern.search(text) else ():
                if content := search.read(_join(place, name)):
                    search.texts.append(content.decode(errors="replace"))


def _follow_files(search: _Search, text: str, folder: str, *, direct: bool) -> None:
    for word in dict.fromkeys(WORD.findall(text)):
        path = _join(folder, word)
        if ("/" not in word and "." not in word) or not path or path in search.files:
            continue
        content = search.read(path)
        if content is None or not (direct or _belongs_to_a_gate(path)):
            continue
        search.files.add(path)
        if _is_script(path, content):
            script = content.decode(errors="replace")
            search.add(script, folder)
            search.add(script, posixpath.dirname(path))


def _belongs_to_a_gate(path: str) -> bool:
    """Return whether a file that a script names is a script or data of the gate, and not of the product."""
    *folders, name = path.split("/")
    extension = name.rpartition(".")[2].lower()
    if not TOOLS.isdisjoint(folders):
        return True
    if not PRODUCT.isdisjoint(folders):
        return False
    if extension in SHELL or extension in CONFIGURATION or (extension in DATA and LIMIT.search(name)):
        return True
    return (extension in SCRIPTS or "." not in name) and TASK.search(name) is not None


def _is_script(path: str, content: bytes) -> bool:
    name = path.rpartition("/")[2]
    known = name.rpartition(".")[2].lower() in SCRIPTS or content.startswith(b"#!") or name in MAKEFILES + JUSTFILES
    return known and len(content) <= LARGEST and b"\0" not in content


def _follow_npm(search: _Search, text: str, folder: str) -> None:
    """Follow the scripts of package.json that the text runs, with those before and after them."""
    calls = [NPM_ALIASES.get(match[1], match[1]) for match in NPM.finditer(text)]
    if not calls or (content := search.read(_join(folder, "package.json"))) is None:
        return
    scripts = package_scripts(content)
    for call in calls:
        for name in (f"pre{call}", call, f"post{call}"):
            if name in scripts:
                search.add(scripts[name], folder)


def package_scripts(content: bytes) -> Mapping[str, str]:
    """Return the scripts of a package.json; none if it can't be read."""
    try:
        scripts = json.loads(content).get("scripts")
    except (ValueError, AttributeError, RecursionError):
        return {}
    items = scripts.items() if isinstance(scripts, dict) else ()
    return {name: script for name, script in items if isinstance(script, str)}


def _follow_make(search: _Search, text: str, folder: str) -> None:
    """Follow the recipes of the targets that the text names, their prerequisites, and included files."""
    for match in MAKE.finditer(text):
        names = JUSTFILES if match[1] == "just" else MAKEFILES
        paths = [path for name in names if search.read(path := _join(folder, name)) is not None]
        if not paths:
            continue
        content = (search.read(paths[0]) or b"").decode(errors="replace")
        for include in INCLUDE.finditer(content):
            for word in include[1].split():
                _include(search, _join(folder, word), folder)
        targets = [word for word in match[2].split() if "=" not in word and not word.startswith("-")]
        for recipe in _recipes(content, targets):
            search.add(recipe, folder)


def _include(search: _Search, path: str, folder: str) -> None:
    """Follow an included file. Its commands run in the folder of the Makefile."""
    if (content := search.read(path)) is not None:
        search.files.add(path)
        search.add(content.decode(errors="replace"), folder)


def _recipes(makefile: str, targets: Sequence[str]) -> Iterator[str]:
    """Yield the recipes of the targets and of what they depend on. Without targets, of the first rule."""
    rules = _rules(makefile)
    pending = list(targets) or [name for name in rules if not name.startswith(".")][:1]
    done: set[str] = set()
    while pending and len(done) < MOST:
        target = pending.pop()
        if target not in done and target in rules:
            done.add(target)
            prerequisites, recipe = rules[target]
            pending += prerequisites
            yield recipe


def _rules(makefile: str) -> Mapping[str, tuple[list[str], str]]:
    """Return target -> its prerequisites and recipe."""
    rules: dict[str, tuple[list[str], str]] = {}
    names: list[str] = []
    for line in makefile.splitlines():
        if line[:1] in ("\t", " ") and names:
            for name in names:
                rules[name] = (rules[name][0], rules[name][1] + line.strip() + "\n")
        elif match := RULE.match(line):
            names = match[1].split()
            for name in names:
                before = rules.get(name, ([], ""))
                rules[name] = (before[0] + match[2].split(), before[1])
        elif line.strip():
            names = []
    return rules


def _join(folder: str, name: str) -> str:
    """Return a path of the repository, or "" for one that leaves it."""
    if name.startswith(("/", "~", "-")):
        return ""
    path = posixpath.normpath(posixpath.join(folder, name))
    return "" if path == "." or path.startswith("..") else path
