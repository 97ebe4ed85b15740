"""Rules about what the work holds: nothing, or what must not be committed."""

from __future__ import annotations

from collections.abc import Iterator

from ralph.text import join_names, show_name
from ralph.verify import floor
from ralph.verify import wording as words
from ralph.verify.content import thin_work
from ralph.verify.content.thin_work import TRIVIAL, Thin
from ralph.verify.model import Evidence, Finding, FindingKind, Rules


def the_work_is_trivial(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject work that does nothing, unless the task asks for exactly that or has a Check that was red before."""
    thin = thin_work.kind(evidence.changes, evidence.contents, evidence.earlier)
    if thin not in TRIVIAL or rules.proving_checks or thin_work.is_asked_for(thin, rules.text, evidence.changes):
        return
    paths = [change.path for change in evidence.changes]
    yield Finding(
        FindingKind.THIN, f"The whole work is {thin}, which the task does not ask for: {join_names(paths)}."
    )


def only_documents_changed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject work on documents only, if the task names code that does not exist yet."""
    thin = thin_work.kind(evidence.changes, evidence.contents, evidence.earlier)
    if thin is not Thin.DOCUMENT or rules.proving_checks or thin_work.is_about_documents(rules.text):
        return
    names = frozenset(rules.missing) - {change.path for change in evidence.changes}
    code = [name for name in names if not thin_work.is_document(name)]
    if code:
        text = f"Only documents changed, and the task names what does not exist: {join_names(sorted(code))}."
        yield Finding(FindingKind.THIN, text)


def the_gates_need_ignored_files(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject work of which a commit would lack a part that the gates need."""
    same = floor.as_floors(evidence.gates, rules)
    red = [result for result in evidence.without_ignored if floor.falls_short(result, same)]
    for result in red:
        text = f"{words.gate(result)} passes only with files that git ignores, so a commit lacks them"
        yield Finding(FindingKind.HIDDEN, f"{text}: {ignored_names(evidence)}.", result.tail)
    if evidence.ignored and not evidence.gates:
        text = f"git ignores these new files, so the commit lacks them: {ignored_names(evidence)}."
        yield Finding(FindingKind.HIDDEN, text, rejects=False)


def ignored_names(evidence: Evidence) -> str:
    """Return the ignored files, each with the rule that ignores it."""
    return join_names([f"{path} ({rule})" if rule else path for path, rule in evidence.ignored.items()])


def it_must_not_be_committed(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    for added in evidence.added:
        yield Finding(FindingKind.CONTENT, f"{show_name(added.path)} {added.what}.", rejects=added.sure)
