"""Rules about which paths changed, and what else of the repository did: history, refs, configuration, the stash."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ralph import paths as sensitive
from ralph.text import count_noun, join_names, list_lines
from ralph.verify import wording as words
from ralph.verify.model import Evidence, Finding, FindingKind, Rules

IN_TRASH = "What git ignores of them is as it was before; the changed files are in `.git/ralph/trash`."
STASH = re.compile(r"\bstash", re.IGNORECASE)


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
        if evidence.protected_ignored:
            text += f" {IN_TRASH}"
        yield Finding(
            FindingKind.PROTECTED, text, f"Protected: {', '.join(rules.protected)}\nChanged:\n{list_lines(hit)}"
        )


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
        kept = f" As they were before: `git checkout {evidence.kept} -- PATH`." if evidence.kept else ""
        text = f"{files} changed and not committed: {join_names(evidence.untracked)}.{kept}"
        yield Finding(FindingKind.UNTRACKED, text, list_lines(evidence.untracked), rejects=False)


def the_work_holds_a_stash(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject work that holds a stash entry. If it only shares some lines with an entry still in the list, report
    it: that may be chance."""
    is_named = STASH.search(rules.text) is not None
    for match in evidence.stash.matches:
        rejects = (match.gone or match.whole) and not is_named
        how = "was popped into" if match.gone else "is in" if match.whole else "is partly in"
        entry, paths = words.stash_entry(match.entry), join_names(match.paths)
        text = f"The stash entry {entry}, which this attempt did not make, {how} the work: {paths}."
        cure = " If the task is to use it, its text has to name the stash." if rejects else ""
        yield Finding(FindingKind.STASH, text + cure, list_lines(match.paths), rejects=rejects)
