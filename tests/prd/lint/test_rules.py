"""The PRDs under fixtures/lint, and the laws of lint: it says something of any document, and a cure with it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.errors import RalphError
from ralph.prd import document as prd
from ralph.prd.lint import rules as lint
from ralph.prd.lint.checks import first_word
from ralph.prd.lint.rules import ERROR, LintFacts, LintRemark
from ralph.prd.model import Prd
from ralph.verify.gate_code.gate_config import is_gate_config

FIXTURES = Path(__file__).parents[3] / "fixtures" / "lint"
Case = dict[str, str]


def read_cases(text: str) -> list[tuple[str, Case]]:
    """Each case with its parts; the empty line after its last part separates it from the next."""
    found: list[tuple[str, Case]] = []
    pieces = re.split(r"^@@ (.*)\n", text, flags=re.MULTILINE)[1:]
    for name, content in zip(pieces[::2], pieces[1::2], strict=True):
        if name in ("facts", "says"):
            found[-1][1][name] = content
        else:
            found.append((name, {"document": content, "facts": ""}))
    return found


ALL = [
    (f"{path.stem}: {name}", case)
    for path in sorted(FIXTURES.glob("*.txt"))
    for name, case in read_cases(path.read_text(encoding="utf-8"))
]


def facts(text: str) -> LintFacts:
    said = dict(line.partition(":")[::2] for line in text.split("\n") if line.strip())
    words = {name: tuple(value.split()) for name, value in said.items()}
    return LintFacts(
        name="".join(words.get("prd", ("PRD.md",))),
        paths=words.get("paths"),
        gates=(said["gates"].strip(),) if said.get("gates") else () if "gates" in said else None,
        protected=words.get("protected", ()),
        strict="strict" in said,
        parallel="parallel" in said,
        missing=frozenset(words.get("missing", ())),
        agents={name: (f"{name} is not there", "Install it.") for name in words.get("agent", ())},
        unknown=frozenset(words.get("unknown", ())),
        is_gate_config=is_gate_config,
    )


def linted(document: str, known: str = "") -> tuple[LintRemark, ...]:
    return lint.lint(prd.parse(document.encode()), facts(known))


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in ALL])
def test_says(case: Case) -> None:
    found = linted(case["document"], case["facts"])
    said = [f"{one.line} {'!' if one.severity == ERROR else ''}{one.rule} {one.what}" for one in found]
    assert said == [line for line in case["says"].split("\n") if line]


def test_each_rule_has_a_case() -> None:
    said = {line.split()[1].lstrip("!") for _, case in ALL for line in case["says"].splitlines() if line}
    code = "".join(path.read_text(encoding="utf-8") for path in Path(lint.__file__).parent.glob("*.py"))
    call = r"(?:about|Remark|_remark)\(\s*[\w.\[\]]+(?: \+ \w+)?,(?:\s*task,)?\s*\"([a-z-]+)\","
    rules = set(re.findall(call, code))
    assert len(rules) > 15
    assert rules == said


# ---------------------------------------------------------------- cures


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        ("src/auht/**", "../src/auth/**"),
        ("../src/auht/*.py", "../src/auth/*.py"),
        ("../src/auth/keys.yp", "../src/auth/keys.py"),
        ("src/api.py", "../src/api.py"),
        ("src/auth/", "../src/auth/"),
        ("lgoin.md", "login.md"),
    ],
)
def test_a_misspelled_path_is_corrected_as_the_prd_would_write_it(files: str, meant: str) -> None:
    document = f"- [ ] T1 Add a login page\n  - Files: `{files}`\n"
    found = linted(document, "prd: docs/PRD.md\npaths: docs/login.md src/auth/keys.py src/api.py")
    assert [one.cure.split("`")[1] for one in found] == [meant]


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("npm test", "npm"),
        ("A=1 B= ./run.sh -x", "./run.sh"),
        ("! grep x y", "grep"),
        ("make;ls", "make"),
        ("(cd a && ls)", ""),
        ("$TOOL check", ""),
        ("'a b' c", ""),
        ("", ""),
    ],
)
def test_the_program_of_a_command(command: str, word: str) -> None:
    assert first_word(command) == word


# ---------------------------------------------------------------- laws

LINES = [
    "# Ideas", "- [ ] T1 a", "- [x] T1 b", "  - [ ] c etc", "  - Depends: T1", "  - Files: `../x`", "- Check: x",
    "  - Check: `a | tee b`", "", "  - Fils: x", "  Files: x", "- [~] no", "```", "> - [ ] q", "  - Parked: why",
    "## Acceptance criteria", "  - Files: src/auht/**", "- [ ] Improve it", "  - Timeout: x",
]  # fmt: skip


def refusal(document: Prd) -> str:
    try:
        prd.check(document, "PRD.md")
    except RalphError as error:
        return error.what
    return ""


@given(st.lists(st.sampled_from(LINES), max_size=16), st.booleans())
def test_any_document_is_told_what_the_run_would_refuse(lines: list[str], strict: bool) -> None:
    read = prd.parse("\n".join(lines).encode())
    found = lint.lint(read, LintFacts(paths=("src/auth/a.py",), gates=(), strict=strict))
    refused = [one.what for one in found if one.rule == "refused"]
    assert refusal(read) in (refused or [""])
    assert all(one.severity == ERROR for one in found if one.rule == "refused")
    assert all(1 <= one.line <= max(1, len(lines)) and one.what and one.cure for one in found)
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert all(one.what[-1] != "." and one.cure[-1] in ".?" for one in found)


def test_a_large_document_takes_seconds_at_most() -> None:
    many = "".join(f"- [ ] T{n} Add page {n}\n  - Files: `src/p{n}/**`, `lib/x{n}.py`\n" for n in range(1000))
    paths = " ".join(f"src/q{n}/a.py" for n in range(2000))
    began = time.monotonic()
    linted(many, f"paths: {paths}\nprotected: legal/")
    assert time.monotonic() - began < 10
