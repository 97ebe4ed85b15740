"""Rules about what an attempt delivered: nothing, only boxes or prose, or an end that was not well."""

from __future__ import annotations

from collections.abc import Iterator

from ralph.agents import endings
from ralph.agents.model import StopReason
from ralph.text import count_noun, join_names, list_lines
from ralph.verify import wording as words
from ralph.verify.model import Evidence, Finding, FindingKind, Rules
from ralph.verify.rule_sets.content import ignored_names

NOTHING_MISSING = "nothing is missing"  # as the prompt of a task with subtasks asks for it


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
        if not rules.only_checked:
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
        claim, undone = f": git ignores what is new, {ignored_names(evidence)}", ""
    yield Finding(FindingKind.NOTHING, f"No file changed{claim}{undone}.", words.commits(evidence.commits))


def the_agent_did_not_end_well(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    if (evidence.changes or evidence.stopped.why is not StopReason.EXITED) and not evidence.stopped.well:
        yield Finding(FindingKind.BAD_END, endings.how_it_ended(evidence.stopped), evidence.stopped.tail)


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
    return [words.stash_entry(entry) for entry in (*evidence.stash.new, *evidence.stash.lost)]


def _own_files(evidence: Evidence) -> str:
    changed = {"the PRD": evidence.prd.rewrote, "the memory file": evidence.memory_changed}
    return " and ".join(name for name, did in changed.items() if did)
