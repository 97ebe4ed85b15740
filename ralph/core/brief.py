"""A task -> the prompt. What comes from the PRD is the task; what comes from agents and gates is quoted as data.

Templates are Markdown with `$name` places. What is put in is never expanded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template

from ralph.core.memory import Told
from ralph.model import Finding, Gate, Stopped, Task
from ralph.text import clean, fence, mask, one_line, tail

MOST = 6000  # characters of quoted output in all
OWN = ("Known Issues", "Do Not Touch", "Active Task Queue", "Completed Tasks Log")


def brief(
    templates: Mapping[str, str], *, task: Task, parents: Sequence[Task], gates: Sequence[Gate], rules: Told,
    protected: Sequence[str], prd_name: str, memory_name: str, attempt: int,
    previous: tuple[Sequence[Finding], Stopped] | None, secrets: Sequence[str],
) -> str:  # fmt: skip
    """The prompt of one attempt; corrective where an earlier one failed."""
    place = (*task.headings, *(one.text for one in parents))
    values = {
        "task": task.text if not task.written or task.text.startswith(task.id) else f"{task.id} {task.text}",
        "body": f"{task.body}\n\n" if task.body else "",
        "place": f"It stands in `{prd_name}` under: {' > '.join(place)}\n\n" if place else "",
        "done_when": _list("Done when", task.fields.done_when),
        "scope": _list("Change only these files", [f"`{one}`" for one in task.fields.files]),
        "protected": _list("Do not change", [f"`{one}`" for one in (*protected, *rules.protected)]),
        "rules": _rules(rules),
        "gates": _gates(gates),
        "prd": prd_name,
        "memory_note": _memory_note(memory_name),
    }
    prompt = mask(clean(Template(templates["task"]).substitute(values)), secrets)
    if previous is None:
        return prompt
    return retry(templates, attempt, previous[0], previous[1], secrets) + prompt


def _list(title: str, lines: Sequence[str]) -> str:
    return f"**{title}:**\n\n" + "".join(f"- {line}\n" for line in lines) + "\n" if lines else ""


def _rules(rules: Told) -> str:
    parts = [f"### {title}\n\n{text}\n\n" for title, text in rules.sections if title not in OWN or title == OWN[0]]
    return "## What this project asks of everybody\n\n" + "".join(parts) if parts else ""


def _gates(gates: Sequence[Gate]) -> str:
    if not gates:
        return "(This project has no tests or linters yet: only the difference in git is looked at.)"
    return fence("\n".join(gate.command for gate in gates), "sh")


def _memory_note(name: str) -> str:
    if not name:
        return ""
    where = f"`{name}` under Known Issues or Architectural Invariants"
    return f"What the next person must know may be added to {where}, in a line or two."


# ---------------------------------------------------------------- after a failed attempt


def retry(
    templates: Mapping[str, str],
    attempt: int,
    findings: Sequence[Finding],
    stopped: Stopped,
    secrets: Sequence[str],
) -> str:
    """What went wrong, what to do about that kind, and the output that shows it."""
    reasons = [finding for finding in findings if finding.rejects]
    room = MOST
    details = "\n".join(finding.detail for finding in reasons if finding.detail)
    output, room = _quote("Output", details, room, secrets)
    actions, room = _quote("The last actions of that try", "\n".join(stopped.actions), min(room, 1500), secrets)
    said, _ = _quote("Its last words", stopped.said or stopped.tail, min(room, 1500), secrets)
    listed = "".join(f"- {one_line(mask(clean(one.text), secrets), 400)}\n" for one in reasons)
    values = {
        "attempt": str(attempt),
        "findings": listed or "- It ended before it delivered anything.\n",
        "advice": _advice(templates["advice"], [finding.what.value for finding in reasons]),
        "output": output,
        "actions": actions,
        "said": said,
    }
    return Template(templates["retry"]).substitute(values)


def _quote(title: str, text: str, room: int, secrets: Sequence[str]) -> tuple[str, int]:
    kept = tail(mask(clean(text), secrets), lines=80, chars=max(room, 0))
    return (f"{title}:\n\n{fence(kept, 'text')}\n\n", room - len(kept)) if kept.strip() else ("", room)


def _advice(template: str, kinds: Sequence[str]) -> str:
    """The paragraphs of the template whose headings are these kinds."""
    parts = template.split("\n## ")[1:]
    told = {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}
    chosen = [told[kind] for kind in dict.fromkeys(kinds) if kind in told]
    return "\n\n".join(chosen) + "\n\n" if chosen else ""
