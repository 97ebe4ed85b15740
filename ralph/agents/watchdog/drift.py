"""Whether an agent goes on changing what is not its own."""

from __future__ import annotations

from collections.abc import Mapping

from ralph.text import join_names


class DriftDetector:
    """What several looks at the work tree saw. What is there in one look only was a temporary file."""

    def __init__(self) -> None:
        self._before: Mapping[str, object] = {}
        self._warned: dict[str, object] = {}
        self.further: tuple[str, ...] = ()  # what came after the warning

    def look(self, strangers: Mapping[str, object]) -> str:
        """The changed paths that are out of scope or protected, each with something that differs when it changes.

        A warning for people, once; else "".
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
