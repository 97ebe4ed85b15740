"""Detection of an agent that keeps changing files outside its scope."""

from __future__ import annotations

from collections.abc import Mapping

from ralph.text import join_names


class DriftDetector:
    """The changes in successive scans of the work tree. A path in one scan only is a temporary file."""

    def __init__(self) -> None:
        self._before: Mapping[str, object] = {}
        self._warned: dict[str, object] = {}
        self.further: tuple[str, ...] = ()  # changes after the warning

    def look(self, strangers: Mapping[str, object]) -> str:
        """Add a scan of changed paths that are out of scope or protected, each with a value that changes with it.

        Return a warning once, otherwise "".
        """
        stayed = {path: state for path, state in strangers.items() if path in self._before}
        self._before = dict(strangers)
        if not self._warned:
            self._warned = stayed
            return f"It changes what is not its own: {join_names(sorted(stayed))}" if stayed else ""
        changed = sorted(path for path, state in stayed.items() if self._warned.get(path, state) != state)
        new = sorted(stayed.keys() - self._warned.keys())
        self.further = self.further or (*new, *changed)
        return ""
