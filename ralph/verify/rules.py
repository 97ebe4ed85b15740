"""The verdict: all rules, in order. Each rule states its finding as its name. The agent's claims never count.

A finding that rejects sets the attempt aside; any other is only reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ralph.verify.model import Evidence, Finding, Rules, Verdict
from ralph.verify.rule_sets import content, delivery, gate_results, judges, repository

Rule = Callable[[Evidence, Rules], Iterable[Finding]]

CHEAP: tuple[Rule, ...] = (
    repository.git_can_not_record_it,
    repository.history_was_rewritten,
    delivery.nothing_was_printed_or_changed,
    delivery.a_box_was_ticked_without_work,
    delivery.only_the_prd_or_the_memory_changed,
    delivery.nothing_changed,
    delivery.the_agent_did_not_end_well,
    delivery.the_agent_rewrote_the_prd,
    repository.paths_out_of_scope,
    repository.protected_paths_changed,
    judges.the_gates_own_script_changed,
    judges.an_untracked_program_of_the_gates_changed,
    judges.the_gates_configuration_changed,
    judges.the_gates_configuration_grew,
    judges.something_was_taken_out_of_the_checks,
    judges.tests_in_sources_expect_something_else,
    repository.files_were_hidden_from_git,
    delivery.boxes_were_ticked,
    delivery.memory_edits_were_dropped,
    repository.hooks_or_config_changed,
    repository.other_branches_or_tags_changed,
    repository.untracked_files_changed,
    repository.the_work_holds_a_stash,
    content.the_work_is_trivial,
    content.only_documents_changed,
    content.it_must_not_be_committed,
)
RULES: tuple[Rule, ...] = (
    *CHEAP,
    gate_results.a_gate_failed,
    gate_results.a_gate_has_nothing_to_run_any_more,
    gate_results.fewer_tests_passed,
    gate_results.tests_are_gone,
    gate_results.it_passes_only_with_the_changed_tests,
    judges.a_check_runs_what_the_work_added,
    gate_results.a_gate_is_flaky,
    gate_results.the_gates_wrote_files,
    content.the_gates_need_ignored_files,
)


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    """Return the verdict of all rules: accepted if no finding rejects."""
    return Verdict(tuple(finding for rule in RULES for finding in rule(evidence, rules)))


def before_gates(evidence: Evidence, rules: Rules) -> Verdict:
    """Return the findings of the rules that need no gate. If one rejects, running the gates would waste time."""
    return Verdict(tuple(finding for rule in CHEAP for finding in rule(evidence, rules)))
