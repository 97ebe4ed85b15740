"""The rules of the verdict: each function states its finding as its name. The agent's claims never count.

A finding that rejects sets the attempt aside; any other is only reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ralph import paths as sensitive
from ralph.agents import endings
from ralph.agents.model import StopReason
from ralph.git.model import StashEntry
from ralph.text import count_noun, join_names, list_lines, show_name
from ralph.verify import content_rules, expectations, floor, strength, suppressions
from ralph.verify import exceptions as named
from ralph.verify import gate_config as guarded
from ralph.verify import wording as words
from ralph.verify.model import Evidence, Finding, FindingKind, GateResult, Rules, Verdict

NOTHING_MISSING = "nothing is missing"  # as the prompt of a task with subtasks asks for it
CONFIRM = "Keep them, or let a person confirm it with `ralph accept`."
STASH = re.compile(r"\bstash", re.IGNORECASE)
Rule = Callable[[Evidence, Rules], Iterable[Finding]]


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    """Return the verdict of all rules: accepted if no finding rejects."""
    return Verdict(tuple(finding for rule in RULES for finding in rule(evidence, rules)))


def before_gates(evidence: Evidence, rules: Rules) -> Verdict:
    """Return the findings of the rules that need no gate. If one rejects, running the gates would waste time."""
    return Verdict(tuple(finding for rule in CHEAP for finding in rule(evidence, rules)))


def tests_to_restore(evidence: Evidence, rules: Rules) -> tuple[str, ...]:
    """Return the added, changed and deleted test files that the task does not name.

    If there are any, the gates run once more with their base versions (`Evidence.base_tests`).
    """
    paths = (change.path for change in evidence.changes)
    return tuple(path for path in paths if sensitive.is_test(path) and not named.test_is_named(path, rules))


# ---------------------------------------------------------------- no result


def nothing_was_printed_or_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    if _is_blank(evidence) and not _may_change_nothing(evidence, rules):
        yield Finding(FindingKind.EMPTY, "The agent printed nothing and changed nothing.")


def a_box_was_ticked_without_work(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.prd.ticked and not evidence.changes:
        text = f"Ticked without any work: {join_names(evidence.prd.ticked)}."
        yield Finding(FindingKind.TICKED, text, words.commits(evidence.commits))


def only_the_prd_or_the_memory_changed(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    names = _own_files(evidence)
    if names and not evidence.changes and not evidence.prd.ticked:
        yield Finding(
            FindingKind.ONLY_PAPER, f"Only {names} changed: no work was done.", words.commits(evidence.commits)
        )


def nothing_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    if evidence.changes or evidence.prd.ticked or _own_files(evidence):
        return
    if _may_change_nothing(evidence, rules):
        if rules.subtasks_did_it:
            yield Finding(FindingKind.NOTHING, "No file changed: its subtasks did all of it.", rejects=False)
        return
    if _is_blank(evidence):
        return
    if evidence.stopped.why is not StopReason.EXITED:
        return  # the reason for the end says more
    claim = " although the agent says that it is finished" if evidence.stopped.well else ""
    undone = "; its commits add up to no change" if evidence.commits else ""
    if stashed := _stashed(evidence):
        claim, undone = f": the work is only in a stash, {join_names(stashed)}", ""
    elif evidence.ignored:
        claim, undone = f": git ignores what is new, {content_rules.ignored_names(evidence)}", ""
    yield Finding(FindingKind.NOTHING, f"No file changed{claim}{undone}.", words.commits(evidence.commits))


def the_agent_did_not_end_well(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if (evidence.changes or evidence.stopped.why is not StopReason.EXITED) and not evidence.stopped.well:
        yield Finding(FindingKind.BAD_END, endings.how_it_ended(evidence.stopped), evidence.stopped.tail)


# ---------------------------------------------------------------- the PRD and the memory file


def boxes_were_ticked(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.prd.ticked and evidence.changes:
        who = "The agent ticked" if evidence.prd.by_agent else "While the agent ran, somebody ticked"
        text = f"{who} {join_names(evidence.prd.ticked)}: only ralph ticks boxes, so that was put back."
        yield Finding(FindingKind.TICKS, text, rejects=False)


def the_agent_rewrote_the_prd(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.prd.by_agent and evidence.prd.rewrote:
        text = "The agent changed the text of the PRD, which belongs to people. Its lines are kept with the work."
        yield Finding(FindingKind.PRD, text, evidence.prd.diff)


def memory_edits_were_dropped(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.memory_dropped:
        text = f"{count_noun(evidence.memory_dropped, 'edit')} of the memory file dropped."
        yield Finding(FindingKind.MEMORY, text, list_lines(evidence.memory_dropped), rejects=False)


# ---------------------------------------------------------------- scope


def paths_out_of_scope(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    out = [
        change.path
        for change in evidence.changes
        if rules.scope and not sensitive.matches(rules.scope, change.path)
    ]
    if out:
        text = f"{count_noun(out, 'path')} changed outside the task's Files: {join_names(out)}."
        yield Finding(
            FindingKind.SCOPE, text, f"In scope: {', '.join(rules.scope)}\nChanged outside:\n{list_lines(out)}"
        )


def protected_paths_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    touched = (*(change.path for change in evidence.changes), *evidence.untracked)
    hit = [path for path in touched if sensitive.matches(rules.protected, path)]
    hit += evidence.protected_ignored
    if hit:
        text = f"{count_noun(hit, 'protected path')} changed: {join_names(hit)}."
        yield Finding(
            FindingKind.PROTECTED, text, f"Protected: {', '.join(rules.protected)}\nChanged:\n{list_lines(hit)}"
        )


# ---------------------------------------------------------------- tampering


def the_gates_own_script_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject changes of a gate's script, and of data that it names. The run with base tests judges a test that a
    command names."""
    for path in (change.path for change in evidence.changes if change.path in rules.tracked | rules.read_by_gates):
        if not _judged_as_test(path) and not guarded.is_gate_config(path):
            how = "run" if path in rules.tracked else "read"
            yield _gate_file(path, f"{show_name(path)} is {how} by a gate and was changed", rules, new=False)


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
        allowed = expectations.asks_for_other_names(evidence, rules) or rules.may_change_tests
        text = f"The work changes what tests in {show_name(path)} expect: {join_names(lines)}."
        cure = "" if allowed else f" The task does not ask for it. {CONFIRM}"
        yield Finding(FindingKind.EXPECTS, text + cure, list_lines(lines), rejects=not allowed)


def files_were_hidden_from_git(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    hidden = [path for path in evidence.hidden if not sensitive.is_artefact(path)]
    if hidden:
        text = f"Newly hidden from git, so that a commit would lack it: {join_names(hidden)}."
        yield Finding(FindingKind.HIDDEN, text, list_lines(hidden))


def history_was_rewritten(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.rewritten:
        yield Finding(FindingKind.HISTORY, evidence.rewritten, words.commits(evidence.commits))


def git_can_not_record_it(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    for obstacle in evidence.obstacles:
        yield Finding(FindingKind.UNRECORDABLE, obstacle)


def hooks_or_config_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    if evidence.config:
        effect = "--strict rejects that" if rules.strict else "ralph does not use them"
        text = f"git's hooks or configuration changed; {effect}."
        yield Finding(FindingKind.CONFIG, text, list_lines(evidence.config), rejects=rules.strict)


def other_branches_or_tags_changed(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.refs:
        text = "Other branches or tags changed while the agent ran; they were left as they are."
        yield Finding(FindingKind.REFS, text, list_lines(evidence.refs), rejects=False)
    if any("replace/" in sentence for sentence in evidence.refs):
        text = "Replace refs changed. Other git commands may show other commits (`git replace -l`); ralph does not."
        yield Finding(FindingKind.REFS, text, rejects=False)


def untracked_files_changed(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if evidence.untracked:
        files = count_noun(evidence.untracked, "untracked file")
        text = f"{files} changed and not committed: {join_names(evidence.untracked)}."
        yield Finding(FindingKind.UNTRACKED, text, list_lines(evidence.untracked), rejects=False)


def the_work_holds_a_stash(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject work that holds a stash entry. If it only shares some lines with an entry still in the list, report
    it: that may be chance."""
    is_named = STASH.search(rules.text) is not None
    for match in evidence.stash.matches:
        rejects = (match.gone or match.whole) and not is_named
        how = "was popped into" if match.gone else "is in" if match.whole else "is partly in"
        entry, paths = _entry(match.entry), join_names(match.paths)
        text = f"The stash entry {entry}, which this attempt did not make, {how} the work: {paths}."
        cure = " If the task is to use it, its text has to name the stash." if rejects else ""
        yield Finding(FindingKind.STASH, text + cure, list_lines(match.paths), rejects=rejects)


# ---------------------------------------------------------------- the gates


def a_gate_failed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for result in evidence.gates:
        if not result.ok and not result.none:
            yield _red(result, excused=floor.is_excused(result, rules))


def a_gate_has_nothing_to_run_any_more(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject a loss of tests: "no tests" is neither green nor red before the first test exists, but a loss after
    it."""
    for result in evidence.gates:
        if result.none and result.gate.command in (rules.standing or frozenset()) | rules.checks:
            text = f"{words.gate(result)} found nothing to run."
            yield Finding(FindingKind.GATE, text, result.tail)


def fewer_tests_passed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject a green gate that reports less than its floor. If tests changed, the run with the base's decides."""
    changed = bool(tests_to_restore(evidence, rules)) and bool(evidence.base_tests)
    for result in evidence.gates:
        less = floor.shortfall(result, rules) if result.ok else ""
        if less and (not changed or floor.new_failures(result, rules)):
            yield Finding(FindingKind.FEWER, f"{words.gate(result)} {less}.", result.tail)


def tests_are_gone(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Report the tests that the work took out while the base's tests passed."""
    for result in evidence.gates if evidence.base_tests else ():
        base = rules.floors.get(result.gate.command)
        lost = floor.lost_names(base, result.outcome) if base and result.ok and result.outcome else frozenset()
        if lost:
            text = f"{count_noun(sorted(lost), 'test')} of before no longer counted: {join_names(sorted(lost))}."
            yield Finding(FindingKind.FEWER, text, list_lines(sorted(lost)), rejects=False)


def it_passes_only_with_the_changed_tests(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    changed = tests_to_restore(evidence, rules)
    for result in evidence.base_tests:
        if not changed or result.none or floor.is_excused(result, rules):
            continue
        less = floor.shortfall(result, rules) if result.ok else "fails"
        if less:
            yield _with_base_tests(result, less, evidence, rules, changed)


def _with_base_tests(
    result: GateResult, less: str, evidence: Evidence, rules: Rules, changed: tuple[str, ...]
) -> Finding:
    gate, names = words.gate(result), join_names(changed)
    if not expectations.only_changed_tests_fail(result, changed):
        text = f"{gate} {less} with the tests as they were before: {names}."
        cure = "Tests may change only where the task's Files or text name them."
        return Finding(FindingKind.TESTS, f"{text} {cure}", result.tail)
    if expectations.is_licensed(result, evidence, rules):
        return Finding(
            FindingKind.EXPECTS, f"The work changes what tests expect: {names}.", result.tail, rejects=False
        )
    text = f"The work changes what tests expect, which the task does not ask for: {names}."
    before = f"{gate} {less} with the tests as they were before."
    return Finding(FindingKind.EXPECTS, f"{text} {before} {CONFIRM}", result.tail)


def a_check_runs_what_the_work_added(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Report a Check whose script the work itself added: it says what the agent let it say."""
    added = {change.path for change in evidence.changes if change.status == "A"}
    for command in sorted(rules.checks):
        for path in [path for path in strength.executed(command) if path in added]:
            text = f"The Check `{command}` runs {show_name(path)}, which is new: the work wrote its own judge."
            yield Finding(FindingKind.CHECK_BEFORE, text, rejects=False)


def a_gate_is_flaky(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    for result in evidence.gates:
        if result.flaky:
            text = f"{words.gate(result)} is flaky: it was red, and green on the same tree."
            yield Finding(FindingKind.FLAKY, text, rejects=False)


def the_gates_wrote_files(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    work = {change.path for change in evidence.changes}
    if (healed := [path for path in evidence.gate_wrote if path in work]) and not evidence.gates_format:
        text = f"The gates wrote files that the work changed, so they did not test it: {join_names(healed)}."
        yield Finding(FindingKind.GATE_WROTE, text, list_lines(healed))
    elif evidence.gate_wrote:
        files = count_noun(evidence.gate_wrote, "file")
        text = f"The gates wrote {files}, not committed: {join_names(evidence.gate_wrote)}."
        yield Finding(FindingKind.GATE_WROTE, text, list_lines(evidence.gate_wrote), rejects=False)


CHEAP: tuple[Rule, ...] = (
    git_can_not_record_it,
    history_was_rewritten,
    nothing_was_printed_or_changed,
    a_box_was_ticked_without_work,
    only_the_prd_or_the_memory_changed,
    nothing_changed,
    the_agent_did_not_end_well,
    the_agent_rewrote_the_prd,
    paths_out_of_scope,
    protected_paths_changed,
    the_gates_own_script_changed,
    the_gates_configuration_changed,
    the_gates_configuration_grew,
    something_was_taken_out_of_the_checks,
    tests_in_sources_expect_something_else,
    files_were_hidden_from_git,
    boxes_were_ticked,
    memory_edits_were_dropped,
    hooks_or_config_changed,
    other_branches_or_tags_changed,
    untracked_files_changed,
    the_work_holds_a_stash,
    content_rules.the_work_is_trivial,
    content_rules.only_documents_changed,
    content_rules.it_must_not_be_committed,
)
RULES: tuple[Rule, ...] = (
    *CHEAP,
    a_gate_failed,
    a_gate_has_nothing_to_run_any_more,
    fewer_tests_passed,
    tests_are_gone,
    it_passes_only_with_the_changed_tests,
    a_check_runs_what_the_work_added,
    a_gate_is_flaky,
    the_gates_wrote_files,
    content_rules.the_gates_need_ignored_files,
)


# ---------------------------------------------------------------- helpers of the rules


def _is_blank(evidence: Evidence) -> bool:
    touched = (
        evidence.changes or evidence.commits or evidence.prd.ticked or _own_files(evidence) or _stashed(evidence)
    )
    return not touched and evidence.stopped.output == 0


def _may_change_nothing(evidence: Evidence, rules: Rules) -> bool:
    """Return whether the task may be done without a change: by its Checks, or because its subtasks did it, which
    the agent has to confirm."""
    confirmed = evidence.stopped.well and NOTHING_MISSING in evidence.stopped.said.casefold()
    return rules.only_checked or (rules.subtasks_did_it and confirmed)


def _stashed(evidence: Evidence) -> list[str]:
    """Return the stash entries that hold the attempt's work."""
    return [_entry(entry) for entry in (*evidence.stash.new, *evidence.stash.lost)]


def _entry(entry: StashEntry) -> str:
    return f"{entry.sha[:9]} ({entry.message})"


def _own_files(evidence: Evidence) -> str:
    changed = {"the PRD": evidence.prd.rewrote, "the memory file": evidence.memory_changed}
    return " and ".join(name for name, did in changed.items() if did)


def _judged_as_test(path: str) -> bool:
    return sensitive.is_test(path) and not path.endswith((".sh", ".bash", ".zsh"))


def _gate_file(path: str, sentence: str, rules: Rules, *, new: bool) -> Finding:
    if named.gate_file_is_named(path, rules):
        return Finding(FindingKind.GATE_FILES, f"{sentence}; the task's Files name it.", rejects=False)
    if new:
        return Finding(FindingKind.GATE_FILES, f"{sentence}; no gate depended on it before.", rejects=False)
    cure = "It has to stay as it was, unless the task's Files name it."
    return Finding(FindingKind.GATE_FILES, f"{sentence}. {cure}")


def _red(result: GateResult, *, excused: bool) -> Finding:
    how = f"ran over its time ({result.seconds:.0f} s)" if result.timed_out else f"failed (exit code {result.code})"
    before = "; it was red before the run, too" if excused else ""
    return Finding(FindingKind.GATE, f"{words.gate(result)} {how}{before}.", result.tail, rejects=not excused)
