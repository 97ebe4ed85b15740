"""Which paths are tests, leftovers, configuration of gates; what patterns cover and name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph import paths as sensitive
from ralph.verify.gate_code import gate_config as guarded

TESTS = """
tests/a.py  test/fixtures/x.json  spec/models/user_spec.rb  a/specs/b.md  src/__tests__/app.js  pkg/testdata/in.txt
src/__snapshots__/a.snap  test_a.py  src/test_a.py  pkg/a_test.go  src/a.test.tsx  src/a.spec.ts  conftest.py
src/conftest.py  app/tests.py  Tests/AppTests/AppTests.swift  src/FooTest.java  Foo.cs/BarTests.cs  lib/a_spec.rb
"""
NO_TESTS = """
src/a.py  contest.py  latest.js  src/testing.py  attest.go  specification.md  testimonials/a.tsx  src/inspect.ts
README.md  Latest.java  src/tests_config  protest/a.py
"""
ARTEFACTS = """
node_modules/a/b.js  node_modules/  .venv/bin/python  a/__pycache__/x.pyc  target/debug/app  dist/a.js  build/
.coverage  .pytest_cache/v/x  a.egg-info/PKG-INFO  .DS_Store  sub/.DS_Store  .next/x  debug.log  .coverage.host.1
"""
NO_ARTEFACTS = "src/a.py  distance.py  builder/a.py  .env  secret.py  targets/x  src/data.db"
CONFIG = """
package.json  pyproject.toml  packages/a/package.json  setup.cfg  tox.ini  noxfile.py  pytest.ini  mypy.ini
ruff.toml  .eslintrc.json  eslint.config.mjs  jest.config.ts  vitest.config.ts  Makefile  make/rules.mk  justfile
ralph.toml  Cargo.toml  tsconfig.json  conftest.py  tests/conftest.py  .coveragerc  .pre-commit-config.yaml
.husky/pre-commit
"""
NO_CONFIG = (
    "src/a.py  README.md  .github/workflows/ci.yml  tests/fixtures/app/package.json  requirements.txt  uv.lock"
)


@pytest.mark.parametrize("path", TESTS.split())
def test_tests(path: str) -> None:
    assert sensitive.is_test(path)


@pytest.mark.parametrize("path", NO_TESTS.split())
def test_no_tests(path: str) -> None:
    assert not sensitive.is_test(path)


@pytest.mark.parametrize("path", ARTEFACTS.split())
def test_artefacts(path: str) -> None:
    assert sensitive.is_artefact(path)


@pytest.mark.parametrize("path", NO_ARTEFACTS.split())
def test_no_artefacts(path: str) -> None:
    assert not sensitive.is_artefact(path)


@pytest.mark.parametrize("path", CONFIG.split())
def test_gate_configuration(path: str) -> None:
    assert guarded.is_gate_config(path)


@pytest.mark.parametrize("path", NO_CONFIG.split())
def test_no_gate_configuration(path: str) -> None:
    assert not guarded.is_gate_config(path)


# ---------------------------------------------------------------- patterns


@pytest.mark.parametrize(
    ("patterns", "path", "covered"),
    [
        (["src/"], "src/a/b.py", True),
        (["src"], "src/a/b.py", True),
        (["./src"], "src/a.py", True),
        (["./README.md"], "README.md", True),
        (["./README.md"], "docs/README.md", False),
        (["README.md"], "docs/README.md", True),
        (["[z-a]", "a"], "a", True),
        (["."], "a/b", True),
        (["src/auth.ts"], "src/auth.ts", True),
        (["src/auth.ts"], "src/auth.tsx", False),
        (["*.py"], "deep/down/a.py", True),
        (["/*.py"], "deep/a.py", False),
        (["src/**", "!src/gen/**"], "src/gen/a.py", False),
        (["a/[id]/p.tsx"], "a/[id]/p.tsx", True),
        (["a/[id]/"], "a/[id]/p.tsx", True),
        (["#notes"], "#notes", True),
        (["mit leerzeichen/ü.txt"], "mit leerzeichen/ü.txt", True),
        ([], "a", False),
    ],
)
def test_patterns_cover_as_in_gitignore(patterns: list[str], path: str, covered: bool) -> None:
    assert sensitive.matches(patterns, path) is covered


@pytest.mark.parametrize(
    ("folder", "pattern", "there"),
    [
        ("", "src/**", "src/**"),
        ("", "!src/gen/**", "!src/gen/**"),
        ("docs", "src/**", "/docs/src/**"),
        ("docs", "/src", "/docs/src"),
        ("docs", "README.md", "/docs/README.md"),
        ("docs", "./README.md", "/docs/README.md"),
        ("docs", "!gen/**", "!/docs/gen/**"),
        ("docs", "!/gen", "!/docs/gen"),
        ("docs", "!../src/gen/", "!/src/gen/"),
        ("docs/plans", "../../src/*.py", "/src/*.py"),
        ("docs", ".", "/docs/"),
        ("docs", "./", "/docs/"),
        ("docs", "/", "/docs/"),
        ("docs", "a/[id]/p.tsx", "/docs/a/[id]/p.tsx"),
    ],
)
def test_patterns_of_a_prd_in_a_folder(folder: str, pattern: str, there: str) -> None:
    assert sensitive.placed(folder, pattern) == there


def test_a_prd_in_a_folder_can_take_paths_out() -> None:
    scope = [sensitive.placed("docs", one) for one in ("src/**", "!src/gen/**")]
    assert sensitive.matches(scope, "docs/src/a.py")
    assert not sensitive.matches(scope, "docs/src/gen/a.py")


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("ci/gate.sh", "ci/gate.sh", True),
        ("/Makefile", "Makefile", True),
        ("Makefile", "sub/Makefile", True),
        ("jest.config.*", "jest.config.ts", True),
        ("other/gate.sh", "ci/gate.sh", False),
        ("ci/", "ci/gate.sh", False),
        ("ci", "ci/gate.sh", False),
        ("**", "Makefile", False),
        ("ci/*", "ci/gate.sh", False),
        ("*.toml", "ralph.toml", False),
        (".", "Makefile", False),
    ],
)
def test_only_a_pattern_that_spells_a_name_names_a_file(pattern: str, path: str, named: bool) -> None:
    assert sensitive.names_path(pattern, path) is named


@pytest.mark.parametrize("pattern", ["tests", "tests/", "tests/**", "**/*.test.ts", "src/calc_test.go"])
def test_patterns_that_speak_of_tests(pattern: str) -> None:
    assert sensitive.names_tests(pattern)


@pytest.mark.parametrize("pattern", ["src/**", "**", "*", "src", ".", "*.py"])
def test_patterns_that_do_not_speak_of_tests(pattern: str) -> None:
    assert not sensitive.names_tests(pattern)


@given(st.lists(st.text("zab-[]*! #.\\é", min_size=1, max_size=6), min_size=1, max_size=4))
def test_patterns_never_raise_and_a_plain_path_covers_itself(parts: list[str]) -> None:
    path = "x/" + "/".join(part.replace("/", "") for part in parts)
    sensitive.matches([path], "x/other")
    assert sensitive.matches(["x"], path)


# ---------------------------------------------------------------- configuration, key by key


@pytest.mark.parametrize(
    ("path", "base", "work", "keys"),
    [
        ("package.json", '{"jest": {"bail": 1}}', '{"jest": {"bail": 2}}', ["jest.bail"]),
        ("package.json", '{"jest": {"bail": 1}}', "{}", ["jest.bail"]),
        ("package.json", "{}", '{"dependencies": {"jest": "1"}, "version": "2"}', []),
        ("package.json", "", '{"scripts": {"test": "jest"}}', []),
        ("package.json", '{"scripts": {"test": "jest"}}', "", ["scripts.test"]),
        ("package.json", "{}", "[]", [guarded.WHOLE]),
        ("package.json", "{}", '{"scripts": {"posttest": "true"}}', ["scripts.posttest"]),
        ("a/package.json", '{"scripts": {"t": "1"}}', '{"scripts": {"t": "2"}}', ["scripts.t"]),
        ("pyproject.toml", "[tool.mypy]\nstrict = true", "[project]\nname = 'a'", ["tool.mypy.strict"]),
        ("pyproject.toml", "[tool.uv]\na = 1", "[tool.uv]\na = 2\n[project]\ndependencies = ['x']", []),
        ("pyproject.toml", "[tool.ralph]\ngate = 'x'", "[tool.ralph]\ngate = 'y'", ["tool.ralph.gate"]),
        ("pyproject.toml", "", "[tool.pytest", [guarded.WHOLE]),
        ("setup.cfg", "[options]\nx = 1\n[flake8]\na = 1", "[options]\nx = 2\n[flake8]\na = 2", ["flake8.a"]),
        ("tox.ini", "[testenv]\ndeps = a\ncommands = x", "[testenv]\ndeps = b\ncommands = y", ["testenv.commands"]),
        ("Cargo.toml", "[dependencies]\na = '1'", "[dependencies]\na = '2'", []),
        ("Cargo.toml", "[lints.rust]\nunused = 'deny'", "[package]\nautotests = false",
         ["lints.rust.unused", "package.autotests"]),
        ("tsconfig.json", '{"compilerOptions": {"strict": true /* yes */, "paths": {}}}',
         '{"compilerOptions": {"strict": false, "paths": {"a": ["b"]},}} // no', ["compilerOptions.strict"]),
        ("tsconfig.json", "", '{"exclude": ["tests"], "files": []}', ["exclude"]),
        ("composer.json", '{"scripts": {"test": "phpunit"}}', '{"scripts": {"test": "true"}, "require": {}}',
         ["scripts.test"]),
        ("composer.json", "", '{"require": {}}', []),
        ("deno.json", '{"tasks": {"test": "deno test"}}', '{"tasks": {"test": ""}, "imports": {}}', ["tasks.test"]),
        ("deno.jsonc", "", '{"imports": {}}', []),
        ("vite.config.ts", "plugins: []", "plugins: [a()]", []),
        ("vite.config.ts", "test: {}", "test: {exclude: ['a']}", ["test"]),
        ("conftest.py", "def pytest_collection_modifyitems(items):\n    pass\n",
         "def pytest_collection_modifyitems(items):\n\n    items.clear()\n", ["pytest_collection_modifyitems"]),
        ("conftest.py", "def pytest_configure():\n    a()\n", "def pytest_configure():\n    b()\n", []),
        ("Makefile", "test:", "test: all", [guarded.WHOLE]),
        ("Makefile", "", "test:", []),
        ("GNUmakefile", "", "test:", [guarded.WHOLE]),
        ("ralph.toml", "a = 1", "", [guarded.WHOLE]),
        ("src/a.py", "a", "b", []),
    ],
)  # fmt: skip
def test_the_keys_that_differ(path: str, base: str, work: str, keys: list[str]) -> None:
    assert list(guarded.changed_gate_config(path, base.encode(), work.encode())) == keys


NAMES = [
    "package.json",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "Cargo.toml",
    "tsconfig.json",
    "conftest.py",
    "Makefile",
]


@given(st.sampled_from(NAMES), st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_can_be_compared(name: str, base: bytes, work: bytes) -> None:
    assert guarded.changed_gate_config(name, base, base) == ()
    guarded.changed_gate_config(name, base, work)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["dependencies", "devDependencies", "name", "engines"]), VALUES))
def test_no_dependency_is_ever_a_change_of_a_gate(added: dict[str, object]) -> None:
    base: dict[str, object] = {"scripts": {"test": "jest"}}
    texts = [json.dumps(one).encode() for one in (base, {**base, **added})]
    assert guarded.changed_gate_config("package.json", texts[0], texts[1]) == ()


def test_deep_nesting_counts_as_unreadable() -> None:
    deep = b'{"scripts":' * 100_000
    assert guarded.changed_gate_config("package.json", b"{}", deep) == (guarded.WHOLE,)
