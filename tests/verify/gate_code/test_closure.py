"""What gates execute, told by their commands and the files of the base: each kind beside what is no part of it."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.verify.gate_code.closure import closure_of

# name, command, files of the base, scripts, data
CASES: list[tuple[str, str, dict[str, str], set[str], set[str]]] = [
    ("a script that a script calls", "bash gate.sh", {"gate.sh": "bash scripts/check.sh\n", "scripts/check.sh": "true"},
     {"gate.sh", "scripts/check.sh"}, set()),
    ("a sourced file beside the script", "ci/run", {"ci/run": '. "$(dirname "$0")/env.sh"\n', "ci/env.sh": ""},
     {"ci/run", "ci/env.sh"}, set()),
    ("a limit", "bash gate.sh", {"gate.sh": "[ $(grep -c good src/lib.txt) -ge $(cat limit.txt) ]", "limit.txt": "1",
                                 "src/lib.txt": ""}, {"gate.sh"}, {"limit.txt"}),
    ("a limit that a program reads", "python tools/check.py", {"tools/check.py": "open('quality.toml')\nimport helper\n",
     "quality.toml": "", "tools/helper.py": "", "helper.py": ""}, {"tools/check.py", "tools/helper.py"}, {"quality.toml"}),
    ("the product and its golden file", "bash gate.sh", {"gate.sh": "bash src/prog.sh | cmp - golden/out.txt",
     "src/prog.sh": "", "golden/out.txt": ""}, {"gate.sh"}, set()),
    ("a script of package.json", "npm test", {"package.json": '{"scripts": {"pretest": "bash ci/a.sh", "test": "node scripts/runner.mjs"}}',
     "scripts/runner.mjs": "import './h.mjs'", "scripts/h.mjs": "", "ci/a.sh": ""},
     {"scripts/runner.mjs", "scripts/h.mjs", "ci/a.sh"}, set()),
    ("a script of package.json that is not run", "npm test", {"package.json": '{"scripts": {"test": "jest", "dev": "node scripts/dev.js"}}',
     "scripts/dev.js": ""}, set(), set()),
    ("a script that runs a script", "npm run ci", {"package.json": '{"scripts": {"ci": "npm run x", "x": "tsx scripts/x.ts"}}',
     "scripts/x.ts": ""}, {"scripts/x.ts"}, set()),
    ("lifecycle scripts", "npm test", {"package.json": '{"scripts": {"test": "jest", "postinstall": "node scripts/post.js"}}',
     "scripts/post.js": ""}, {"scripts/post.js"}, set()),
    ("members of a workspace", "npx turbo run test", {"package.json": "{}", "packages/a/package.json": '{"scripts": {"test": "./ci/t.sh"}}',
     "packages/a/ci/t.sh": ""}, {"packages/a/ci/t.sh"}, set()),
    ("recipes and includes", "make -C sub test", {"sub/Makefile": "include x.inc\nT = ./run.sh\ntest: dep\n\t$(T)\ndep:\n\t@bash ci/d.sh\nother:\n\tbash ci/o.sh\n",
     "sub/x.inc": "", "sub/run.sh": "", "sub/ci/d.sh": "", "sub/ci/o.sh": ""}, {"sub/x.inc", "sub/run.sh", "sub/ci/d.sh"}, set()),
    ("justfile", "just test", {"justfile": "test: lint\n    bash ci/t.sh\nlint:\n    bash ci/l.sh\nrun:\n    bash ci/r.sh\n",
     "ci/t.sh": "", "ci/l.sh": "", "ci/r.sh": ""}, {"ci/t.sh", "ci/l.sh"}, set()),
    ("hooks of the repository", "pre-commit run --all-files", {".pre-commit-config.yaml": "repos:\n- repo: local\n  hooks:\n  - id: a\n    entry: ci/a.sh\n",
     "ci/a.sh": ""}, {"ci/a.sh"}, set()),
    ("tox", "tox -e py", {"tox.ini": "[testenv]\ncommands =\n    bash ci/t.sh\n", "ci/t.sh": ""}, {"ci/t.sh"}, set()),
    ("nox", "nox", {"noxfile.py": "s.run('bash', 'ci/t.sh')", "ci/t.sh": ""}, {"ci/t.sh"}, set()),
    ("a module", "python -m tools.check", {"tools/check.py": "", "tools/__init__.py": ""}, {"tools/check.py"}, set()),
    ("the build script", "cargo test", {"build.rs": "", "Cargo.toml": ""}, {"build.rs"}, set()),
    ("a build backend", "pytest", {"pyproject.toml": "[build-system]\nbuild-backend = 'back'\nbackend-path = ['tools']\n", "tools/back.py": ""},
     {"tools/back.py"}, set()),
    ("wrappers", "timeout 60 env A=b uv run tools/check.py", {"tools/check.py": ""}, {"tools/check.py"}, set()),
    ("an interpreter behind a wrapper", "timeout 60 env A=b bash ci/x.sh", {"ci/x.sh": ""}, {"ci/x.sh"}, set()),
    ("a test in shell that the command names", "bash tests/check.sh", {"tests/check.sh": ""}, {"tests/check.sh"}, set()),
    ("a test in shell behind a script", "bash gate.sh", {"gate.sh": "bash tests/check.sh", "tests/check.sh": ""}, {"gate.sh"}, set()),
    ("a list that grep takes", "bash g.sh", {"g.sh": "grep -vxFf names.txt out", "names.txt": ""}, {"g.sh"}, {"names.txt"}),
    ("an expected output", "bash g.sh", {"g.sh": "./run | cmp - right.txt", "right.txt": ""}, {"g.sh"}, {"right.txt"}),
    ("the expected one of two", "bash g.sh", {"g.sh": "diff state.txt expected.txt", "state.txt": "", "expected.txt": ""}, {"g.sh"}, {"expected.txt"}),
    # no part of the gate
    ("what a search judges", "bash g.sh", {"g.sh": "grep -q ok state.txt && cat notes.txt | grep x && [ -f a.txt ]", "state.txt": "", "notes.txt": "", "a.txt": ""}, {"g.sh"}, set()),
    ("a value of what a search judges", "bash g.sh", {"g.sh": "echo the state is $(cat state.txt); grep -q ok state.txt", "state.txt": ""}, {"g.sh"}, set()),
    ("what a program judges", "python tools/check.py", {"tools/check.py": "assert 'ok' in open('state.txt').read()", "state.txt": ""}, {"tools/check.py"}, set()),
    ("the product tests itself", "python app.py --self-test", {"app.py": ""}, set(), set()),
    ("a module that tests import", "python calc.py", {"calc.py": "", "tests/test_calc.py": "from calc import add\n"}, set(), set()),
    ("a package", "python -m pkg", {"pkg/__init__.py": "", "pkg/__main__.py": ""}, set(), set()),
    ("an own program at the root", "python smoke.py", {"smoke.py": "", "calc.py": ""}, {"smoke.py"}, set()),
    ("what a linter looks at", "shellcheck install.sh && markdownlint README.md", {"install.sh": "", "README.md": ""}, set(), set()),
    ("a syntax check", "bash -n install.sh", {"install.sh": ""}, set(), set()),
    ("requirements", "bash gate.sh", {"gate.sh": "pip install -r requirements.txt\npytest", "requirements.txt": ""}, {"gate.sh"}, set()),
    ("the product's data", "python tools/check.py", {"tools/check.py": "open('data/countries.json')", "data/countries.json": ""},
     {"tools/check.py"}, set()),
    ("endless calls", "bash a.sh", {"a.sh": "bash b.sh", "b.sh": "bash a.sh"}, {"a.sh", "b.sh"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "files", "scripts", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_closure_of_a_gate(command: str, files: dict[str, str], scripts: set[str], data: set[str]) -> None:
    closure = closure_of(
        [command], "", lambda path: files[path].encode() if path in files else None, frozenset(files)
    )
    assert (set(closure.scripts), set(closure.data)) == (scripts, data)


def test_commands_run_in_the_folder_of_the_run() -> None:
    files = {"sub/gate.sh": "bash ci/x.sh", "sub/ci/x.sh": "", "ci/x.sh": ""}
    closure = closure_of(
        ["bash gate.sh"], "sub", lambda path: files[path].encode() if path in files else None, frozenset(files)
    )
    assert closure.scripts == {"sub/gate.sh", "sub/ci/x.sh"}


@given(st.text("ab.sh$(){}|&;\"'`#\n\t/ -cm=", max_size=80), st.binary(max_size=80))
def test_any_text_can_be_followed(command: str, content: bytes) -> None:
    names = ("a", "a.sh", "Makefile", "package.json", "tox.ini")
    closure_of([command, "make", "npm test", "tox", "bash a.sh"], "", lambda _: content, frozenset(names))
