"""Rules about what judges the work: scripts and configuration of the gates, marks, tests in sources, Checks."""

from __future__ import annotations

from collections.abc import Iterator

from ralph import paths as sensitive
from ralph.text import join_names, list_lines, show_name
from ralph.verify import exceptions as named
from ralph.verify import expectations, strength
from ralph.verify import wording as words
from ralph.verify.content import suppressions
from ralph.verify.gate_code import gate_config as guarded
from ralph.verify.model import Evidence, Finding, FindingKind, Rules


def the_gates_own_script_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject changes of a gate's script, and of data that it names. The run with base tests judges a test that a
    command names."""
    for path in (change.path for change in evidence.changes if change.path in rules.tracked | rules.read_by_gates):
        if not _judged_as_test(path) and not guarded.is_gate_config(path):
            how = "run" if path in rules.tracked else "read"
            yield _gate_file(path, f"{show_name(path)} is {how} by a gate and was changed", rules, new=False)


def an_untracked_program_of_the_gates_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for path in evidence.programs:
        sentence = f"{show_name(path)} is run by a gate, git does not track it, and it was changed"
        yield _gate_file(path, sentence, rules, new=False)


def the_gates_configuration_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for path in (change.path for change in evidence.changes if guarded.is_gate_config(change.path)):
        base, work = evidence.texts.get(path, (b"", b""))
        keys = guarded.changed_gate_config(path, base, work) if path in evidence.texts else (guarded.WHOLE,)
        if keys:
            new = path in evidence.texts and all(named.tool_is_new(path, key, base, rules) for key in keys)
            sentence = f"{show_name(path)} configures the gates and was changed ({join_names(keys)})"
            yield _gate_file(path, sentence, rules, new=new)


def the_gates_configuration_grew(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    for path, (base, work) in evidence.texts.items():
        if keys := guarded.config_difference(path, base, work).added:
            how = "is run by the set-up and was changed" if guarded.is_reported(path) else "configures the gates"
            names = "" if guarded.is_reported(path) else f" and has new entries: {join_names(keys)}"
            yield Finding(FindingKind.GATE_ADDED, f"{show_name(path)} {how}{names}.", rejects=False)


def something_was_taken_out_of_the_checks(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for path, lines in suppressions.new_marks(evidence.contents).items():
        text = f"{show_name(path)} has new marks that skip tests or silence a checker: {join_names(lines)}."
        yield Finding(FindingKind.SUPPRESSED, text, list_lines(lines), rejects=rules.strict)
    for path, (before, after) in suppressions.fewer_asserts(evidence.contents).items():
        text = f"{show_name(path)} has {after} lines with assertions, and had {before}."
        yield Finding(FindingKind.SUPPRESSED, text, rejects=rules.strict)


def tests_in_sources_expect_something_else(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for path, lines in evidence.bent.items():
        named_too = named.may_change_tests_in(path, rules)
        allowed = named_too or expectations.asks_for_other_names(evidence, rules) or rules.may_change_tests
        text = f"The work changes what tests in {show_name(path)} expect: {join_names(lines)}."
        cure = "" if allowed else f" The task does not ask for it. {words.CONFIRM}"
        yield Finding(FindingKind.EXPECTS, text + cure, list_lines(lines), rejects=not allowed)


def a_check_runs_what_the_work_added(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Report a Check whose script the work itself added: it says what the agent let it say."""
    added = {change.path for change in evidence.changes if change.status == "A"}
    for command in sorted(rules.checks):
        for path in [path for path in strength.executed(command) if path in added]:
            text = f"The Check `{command}` runs {show_name(path)}, which is new: the work wrote its own judge."
            yield Finding(FindingKind.CHECK_BEFORE, text, rejects=False)


def _judged_as_test(path: str) -> bool:
    return sensitive.is_test(path) and not path.endswith((".sh", ".bash", ".zsh"))


def _gate_file(path: str, sentence: str, rules: Rules, *, new: bool) -> Finding:
    if named.gate_file_is_named(path, rules):
        return Finding(FindingKind.GATE_FILES, f"{sentence}; the task's Files name it.", rejects=False)
    if new:
        return Finding(FindingKind.GATE_FILES, f"{sentence}; no gate depended on it before.", rejects=False)
    cure = "It has to stay as it was, unless the task's Files name it."
    return Finding(FindingKind.GATE_FILES, f"{sentence}. {cure}")
