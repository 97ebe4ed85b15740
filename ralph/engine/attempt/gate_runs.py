"""The gate runs of an attempt: on the tree to be committed, with the base's tests, without ignored files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ralph.engine import commit as record
from ralph.engine import gate_selection
from ralph.engine.attempt import ignored_files
from ralph.engine.attempt.completion import PendingCompletion
from ralph.engine.attempt.gates import confirmed, gates_on_the_index, take_back_writes
from ralph.engine.attempt.prd_edits import untick_after_gates
from ralph.engine.context import RunContext
from ralph.git import restore as undo
from ralph.git.freeze import config_changed
from ralph.git.index import keep_index, lend_index, write_tree
from ralph.git.workspace import Workspace
from ralph.immutable import immutable
from ralph.verify import exceptions as named
from ralph.verify import floor
from ralph.verify.model import Evidence, Gate, GateResult, Rules

FORMATS = re.compile(
    r"--fix\b|--write\b|(?<![-\w])format\b(?! --check)|\bfmt\b|\bgofmt -w|\bblack\b|\bprettier\b|pre-commit"
    r"|rustfmt|--update-?snapshots?"
)


@immutable
class GateRuns:
    """The gates of an attempt, and what they run on: its work, with PRD and memory file in place."""

    run: RunContext
    space: Workspace
    rules: Rules
    commands: Sequence[Gate]
    placing: PendingCompletion

    def gathered(self, evidence: Evidence) -> tuple[Evidence, str]:
        """Return the evidence with what the gates reported, and the tree, which is fixed before the first one."""
        git = self.run.git
        record.stage_papers(git, self.run.editor, self.placing.new)
        lend_index(git)
        tree = write_tree(git)
        if not self.commands:
            return evidence, tree
        results, wrote = self.run_on(tree)
        evidence = replace(evidence, gates=results, gate_wrote=wrote, gates_format=self._format())
        if not any(floor.is_red(result, self.rules) for result in results):
            evidence = self._once_more(evidence, tree)
        config = config_changed(self.space.watched, git, self.space.watched.refs)
        return replace(evidence, config=tuple(dict.fromkeys((*evidence.config, *config)))), tree

    def _once_more(self, evidence: Evidence, tree: str) -> Evidence:
        """Run green gates with the base's tests if the work touches tests, and without new ignored files."""
        if restored := named.tests_to_restore(evidence, self.rules):
            evidence = replace(evidence, base_tests=self._with_base_tests(evidence, restored))
            keep_index(self.run.git, tree)
        if evidence.ignored and self.run.settings.gates_in != "clean":
            evidence = replace(evidence, without_ignored=self._without_ignored(evidence, tree))
        return evidence

    def run_on(self, tree: str, *, base_tests: bool = False) -> tuple[tuple[GateResult, ...], tuple[str, ...]]:
        """Run the gates on the index; those that are red, or report less than before, twice. Return what they
        reported, and the paths that the first run wrote."""
        results = gates_on_the_index(self.run, self.commands, self.space.n, base_tests=base_tests)
        wrote = self._after(tree)
        if any(self.is_doubtful(result) for result in results):
            results = confirmed(self.run, results, self.is_doubtful, self.space.n)
            self._after(tree)
        return results, wrote

    def _with_base_tests(self, evidence: Evidence, restored: Sequence[str]) -> tuple[GateResult, ...]:
        """Run the gates with the base's versions of the tests that the attempt added, changed or removed."""
        git = self.run.git
        changes = [change for change in evidence.changes if change.path in restored]
        undo.restore(git, changes)
        results, _ = self.run_on(write_tree(git), base_tests=True)
        undo.restore(git, [change.backwards for change in changes])
        return results

    def _without_ignored(self, evidence: Evidence, tree: str) -> tuple[GateResult, ...]:
        """Run the gates without the files that the attempt made and git ignores. If they are green, the files are
        in no later attempt's way."""
        names = ", ".join(list(evidence.ignored)[:3])
        self.run.say(f"git ignores new files ({names}), so the gates run once more without them.")
        same = replace(self, rules=floor.as_floors(evidence.gates, self.rules))
        with ignored_files.without(self.run, tuple(evidence.ignored)):
            results, _ = same.run_on(tree)
        if not any(same.is_doubtful(result) for result in results):
            ignored_files.remember(self.run, ())
        return results

    def is_doubtful(self, result: GateResult) -> bool:
        return floor.falls_short(result, self.rules)

    def _after(self, tree: str) -> tuple[str, ...]:
        """Take back what the gates wrote, into the index and the PRD, too. Return the paths."""
        if keep_index(self.run.git, tree):
            self.run.say("While the gates ran, ralph's own index was changed. It was built again.", loud=True)
        wrote = take_back_writes(self.run, self.space)
        untick_after_gates(self.run, self.placing.new[self.run.paths.prd])
        return wrote

    def _format(self) -> bool:
        """Return whether a gate rewrites files on purpose: a formatter, or a linter that repairs."""
        codes = ((gate.command, *gate_selection.code_of(self.run, gate.command).texts) for gate in self.commands)
        return any(FORMATS.search(text) for texts in codes for text in texts)
