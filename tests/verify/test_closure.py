"""What a gate executes, followed through scripts, package.json, Makefiles and included files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.verify.closure import GateCode, gate_code
from ralph.verify.outcomes.runners import runners_of

PACKAGE = """{"scripts": {
  "pretest": "node scripts/prepare.mjs", "test": "npm run unit", "unit": "jest", "lint": "eslint ."
}}"""
TREE = {
    "gate.sh": """#!/bin/bash\n
set -e
bash scripts/check.sh
. ./env.sh
grep -q ok src/lib.txt state.txt
test 2 -lt $(cat limit.txt)
python3 quality.py --limits quality.toml
""",
    "scripts/check.sh": "python3 tools/count.py src\n",
    "env.sh": "export LIMIT=3\n",
    "tools/count.py": "open('limits.json')\n",
    "tools/limits.json": "{}",
    "quality.toml": "max = 3\n",
    "quality.py": "",
    "src/lib.txt": "ok\n",
    "state.txt": "ok\n",
    "limit.txt": "3\n",
    "app.py": "",
    "package.json": PACKAGE,
    "scripts/prepare.mjs": "",
    "Makefile": """include mk/rules.mk
all: test
test: build
	bash gate.sh
build:
	go build ./...
other:
	bash env.sh
""",
    "mk/rules.mk": "CHECK = bash scripts/check.sh\n",
    "web/package.json": '{"scripts": {"test": "vitest run"}}',
    "tox.ini": "[testenv]\ncommands = pytest\n",
    "justfile": "test:\n    cargo test\n",
}


def code(command: str, folder: str = "") -> GateCode:
    return gate_code(command, folder, lambda path: TREE[path].encode() if path in TREE else None)


SCRIPTS = {
    "gate.sh",
    "scripts/check.sh",
    "env.sh",
    "tools/count.py",
    "tools/limits.json",
    "quality.toml",
    "limit.txt",
}


def test_scripts_are_followed_with_their_data_but_not_the_product() -> None:
    assert code("bash gate.sh").files == SCRIPTS
    assert code("./gate.sh && echo done").files == SCRIPTS


def test_the_commands_own_words_always_count() -> None:
    assert code("python3 app.py --self-test").files == {"app.py"}
    assert code("grep -q ok src/lib.txt").files == {"src/lib.txt"}


def test_the_recipes_of_a_makefile_are_followed_with_what_it_includes() -> None:
    for command in ("make test", "make", "make -s test V=1"):
        assert code(command).files == SCRIPTS | {"mk/rules.mk"}
    assert "scripts/check.sh" in code("make build").files  # by the included file
    assert "env.sh" not in code("make build").files


RUNNERS = {
    "npm test": ("jest",),
    "npm t": ("jest",),
    "npm run unit": ("jest",),
    "yarn unit": ("jest",),
    "npm run lint": (),
    "cd web && npm test": ("jest", "vitest"),
    "npm --prefix web test": ("jest", "vitest"),
    "tox -e py": ("pytest",),
    "just test": ("cargo",),
}


@pytest.mark.parametrize("command", RUNNERS)
def test_the_runner_is_found_behind_a_script(command: str) -> None:
    assert runners_of(command, code(command).texts) == RUNNERS[command]


def test_the_scripts_before_and_after_belong_to_it() -> None:
    assert code("npm test").files == {"scripts/prepare.mjs"}


def test_folders_are_those_of_the_place() -> None:
    assert runners_of("npm test", code("npm test", "web").texts) == ("vitest",)
    assert code("bash ../gate.sh", "web").files >= {"gate.sh"}


def test_a_circle_of_scripts_ends() -> None:
    tree = {"a.sh": "bash b.sh", "b.sh": "bash a.sh"}
    assert gate_code("bash a.sh", "", lambda path: tree[path].encode() if path in tree else None).files == {
        "a.sh",
        "b.sh",
    }


@given(st.text(max_size=200), st.binary(max_size=200))
def test_any_text_can_be_followed(command: str, content: bytes) -> None:
    gate_code(command, "", lambda _: content)
    gate_code("make x && npm test", "", lambda _: content)
