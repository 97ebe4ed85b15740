"""The names of `names/*.toml`: well formed, and each convention next to the product file that looks like it."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import re

import pytest

from ralph import conventions, paths
from ralph.verify.gate_code import gate_config
from ralph.verify.gate_code.config_formats import READERS

LISTS = {"files", "folders", "top_folders", "top_files", "paths"}

TESTS = """
src/tests.rs  src/snapshots/a.snap  e2e/login.cy.js  cypress/support/x.ts  features/a.feature  features/steps/a.py
src/it/FooIT.java  FooIT.java  FooITCase.java  FooTestCase.java  src/androidTest/A.kt  App.Tests/UnitTest1.cs  UnitTest1.cs
foo_unittest.cc  foo_gtest.cpp  golden/out.txt  fixtures/a.json  packages/a/fixtures/x.json  __mocks__/fs.js
src/__mocks__/fs.js  cassettes/a.yml  rails_helper.rb  spec_helper.rb  test.bats  t/a.t  a.phpt  UserCest.php
Pest.php  widget_test.dart  integration_test/app.dart  test/goldens/a.png  a_SUITE.erl  x.approved.txt  X.verified.txt
app.e2e-spec.ts  index.test-d.ts  proptest-regressions/a.txt  tests_a.py  AppUITests/A.swift  out.golden  user_tests.rs
src/jvmTest/A.kt  calc-test.js  FooSuite.scala  test_utils/a.py  spec/factories/a.rb  a.robot
"""
NO_TESTS = """
src/fixtures/login.ts  src/golden/rule.py  app/fixtures/seed.json  packages/a/src/golden/a.ts  src/testing.py
src/spec.ts  lib/spec.js  latest.js  src/contest.py  openapi-spec.yaml  lib/use_case.ex  src/features/cart.ts
src/expected/value.rs  src/mocks/server.ts  Latest.cs  src/Manifest.java  test-page.css  src/snapshots/list.ts
src/attest.rs  docs/specification.md  src/pytest_like.py  Audit.java  Commit.kt
"""
CONFIG = """
.npmrc  .yarnrc.yml  .pnpmfile.cjs  .cargo/config.toml  sub/.cargo/config.toml  build.gradle  build.gradle.kts  pom.xml
.mvn/maven.config  mix.exs  Directory.Build.props  CMakeLists.txt  .bazelrc  go.work  bunfig.toml  babel.config.js
src/setupTests.ts  nx.json  turbo.json  lerna.json  unittest/__init__.py  pluggy.py  a.csproj  Package.swift  dart_test.yaml
.rspec  .editorconfig  .golangci.yml  .swiftlint.yml  a.xctestplan  app.runsettings  config/test.exs  .env.test  .shellcheckrc
behave.ini  angular.json  project.json  gradle.properties  settings.gradle  global.json  CMakePresets.json  meson.build
rebar.config  .clang-tidy  analysis_options.yaml  detekt.yml  rustfmt.toml  testng.xml  phpcs.xml  psalm.xml  setup.py
"""
NO_CONFIG = """
src/a.rs  README.md  requirements.txt  go.mod  Gemfile  src/config.toml  config.toml  config/app.exs  docs/nx.md  app.json
src/babel.ts  vite.svg  yarn.lock  Cargo.lock  src/unittest_like.py  Dockerfile  tests/fixtures/app/pom.xml
"""


@pytest.mark.parametrize("path", TESTS.split())
def test_conventions_of_tests(path: str) -> None:
    assert paths.is_test(path)


@pytest.mark.parametrize("path", NO_TESTS.split())
def test_products_that_look_like_them(path: str) -> None:
    assert not paths.is_test(path)


@pytest.mark.parametrize("path", CONFIG.split())
def test_configuration_of_gates(path: str) -> None:
    assert gate_config.is_gate_config(path)


@pytest.mark.parametrize("path", NO_CONFIG.split())
def test_no_configuration_of_gates(path: str) -> None:
    assert not gate_config.is_gate_config(path)


def test_every_list_holds_words_and_every_expression_compiles() -> None:
    assert len(conventions.tables()) >= 12
    for table in conventions.tables():
        assert set(table.get("tests", {})) <= LISTS
        for name, keys in table.get("config", {}).get("keys", {}).items():
            assert keys["format"] in READERS, name
            for expression in (*keys.get("steers", ()), *keys.get("grows", ()), *keys.get("ignores", ())):
                re.compile(expression)
        for name in ("tests", "product"):
            assert all(word and isinstance(word, str) for words in table.get(name, {}).values() for word in words)
    assert conventions.marks().keys() >= {
        "py",
        "ts",
        "go",
        "rs",
        "java",
        "kt",
        "cs",
        "cpp",
        "rb",
        "php",
        "exs",
        "swift",
        "dart",
        "sh",
    }


CHANGES = [
    # file, base, work, changed?, added?
    ("package.json", '{"workspaces": ["a"]}', '{"workspaces": ["a", "b"]}', False, True),
    ("package.json", '{"workspaces": ["a"]}', '{"workspaces": []}', True, False),
    ("package.json", '{"scripts": {"test": "a"}}', '{"scripts": {"test": "a", "prepare": "b"}}', True, False),
    ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers=['a']", "[tool.pytest.ini_options]\nmarkers=['a','b']", False, True),
    ("pyproject.toml", "[build-system]\nrequires=['a']", "[build-system]\nrequires=['b']", False, False),
    ("pyproject.toml", "[build-system]\nrequires=['a']", "[build-system]\nrequires=['a']\nbackend-path=['.']", True, False),
    ("pytest.ini", "[pytest]\nmarkers =\n    a: x\n", "[pytest]\nmarkers =\n    a: x\n    b: y\n", False, True),
    ("tox.ini", "[testenv]\ncommands = x", "[testenv]\ncommands = x\n[testenv:lint]\ncommands = y", False, True),
    ("Cargo.toml", "[workspace]\nmembers=['a']", "[workspace]\nmembers=['a','b']", False, True),
    ("Cargo.toml", "[[test]]\nname='a'", "[[test]]\nname='a'\nharness=false", True, False),
    (".cargo/config.toml", "", "[target.x86_64-unknown-linux-gnu]\nrunner = 'true'", True, False),
    (".cargo/config.toml", "", "[net]\nretry = 3", False, False),
    ("CMakeLists.txt", "add_library(a a.c)\nadd_test(NAME t COMMAND t)", "add_library(a a.c b.c)\nadd_test(NAME t COMMAND t)", False, False),
    ("CMakeLists.txt", "add_test(NAME t COMMAND t)", "add_test(NAME t COMMAND t)\nadd_test(NAME u COMMAND u)", False, True),
    ("CMakeLists.txt", "add_test(NAME t COMMAND t)", "add_test(NAME t COMMAND true)", True, True),
    ("CMakeLists.txt", "add_test(NAME t COMMAND t)", "add_test(NAME t COMMAND t)\nset_tests_properties(t PROPERTIES WILL_FAIL 1)", True, False),
    ("build.gradle", "dependencies { a 'x:1' }\ntest { useJUnitPlatform() }", "dependencies { a 'x:2' }\ntest { useJUnitPlatform() }", False, False),
    ("build.gradle", "test { useJUnitPlatform() }", "test { useJUnitPlatform()\n enabled = false }", True, False),
    ("pom.xml", "<version>1</version>", "<version>2</version>", False, False),
    ("pom.xml", "<properties></properties>", "<properties><skipTests>true</skipTests></properties>", True, False),
    ("mix.exs", "deps: [{:a, 1}]", "deps: [{:a, 2}]", False, False),
    ("mix.exs", 'test: ["ecto.create", "test"]', 'test: ["cmd true"]', True, False),
    ("Package.swift", '.target(name: "A")', '.target(name: "A"), .target(name: "B")', False, False),
    ("a.csproj", '<PackageReference Include="A" Version="1" />', '<PackageReference Include="A" Version="2" />', False, False),
    ("go.work", "use ./a\n", "use ./a\nuse ./b\n", False, True),
    ("Makefile", "test:\n\tpytest\n", "test:\n\tpytest\nfmt:\n\truff format\n", False, True),
    ("Makefile", "test:\n\tpytest\n", "SHELL = true\ntest:\n\tpytest\n", True, False),
    ("Makefile", "test: dep\n\tpytest\n", "test: dep\n\tpytest\ndep:\n\trm -r tests\n", True, False),
    ("Makefile", "test:\n\tpytest\n", "all:\n\ttrue\ntest:\n\tpytest\n", True, True),
    ("setup.py", "a", "b", False, True),
]  # fmt: skip


@pytest.mark.parametrize(("path", "base", "work", "changed", "added"), CHANGES)
def test_what_steers_gates_rejects_and_what_was_added_is_reported(
    path: str, base: str, work: str, changed: bool, added: bool
) -> None:
    difference = gate_config.config_difference(path, base.encode(), work.encode())
    assert (bool(difference.changed), bool(difference.added)) == (changed, added), difference
