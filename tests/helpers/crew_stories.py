"""Random stories for several agents at once, each the same for the same seed.

Tasks that wait for one another or not, agents that take their time and sometimes fail, people who edit the PRD
meanwhile, kills, and what must come of it. Nobody's work is like another's, so the history of the branch tells
everything: a commit holds what the one before it held, and the work of its task (`Story.after`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

SLOTS = 3
LIST = "\n\n".join(f"slot {number}:\n" for number in range(1, SLOTS + 1))
AREAS = ("a", "a/deep", "b")  # the first holds the second
RETRIES = 2
WAYS = {  # the first tries of a task; the last of them for ever
    "good": ("good",), "late": ("broken", "good"), "crashes": ("half", "good"), "lies": ("nothing", "good"),
    "dies": ("dead", "good"), "daemons": ("daemons",), "never": ("broken",),
}  # fmt: skip
COSTS = {"late": 1, "crashes": 1, "lies": 1, "never": RETRIES + 1}
EDITS = {
    "a line": "sed -i '1s/^/{mark}\\n\\n/' PRD.md",
    "a new wording": "sed -i 's/\\({task} make [a-z]*\\)/\\1 {mark}/' PRD.md",
    "a new task": "printf '%s\\n' '- [ ] {new} {mark}' >> PRD.md",
}
WHERE = (  # kills: whose calls, of which sort, up to which number
    (0, "journal", 40), (0, "git", 110), (0, "publishing", 4), (0, "recorded", 4), (-1, "door", 1),
    (-1, "built", 1), (-1, "event", 4), (1, "git", 40), (2, "git", 40), (4, "git", 40), (3, "word", 8),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A task, and how its agents go about it."""

    name: str
    way: str
    area: str = ""  # the folder that it may change, and does; "": it says nothing about files
    slot: int = 0  # the line of list.txt that it adds to
    depends: str = ""
    group: str = ""
    pauses: tuple[float, ...] = (0.0,)  # seconds that each try takes

    @property
    def files(self) -> tuple[str, ...]:
        return (f"{self.name}.txt", f"{self.area}/**") if self.area else ()

    def apart(self, other: Job) -> bool:
        """May never run beside it: they have files in common, or stand in different groups."""
        areas = f"{self.area}/", f"{other.area}/"
        near = bool(self.area and other.area) and (areas[0].startswith(areas[1]) or areas[1].startswith(areas[0]))
        return near or bool(self.group and other.group and self.group != other.group)

    def does(self, files: dict[str, str]) -> dict[str, str]:
        """The files with its work."""
        made = {f"{self.name}.txt": f"work of {self.name}\n"}
        if self.area:
            made[f"{self.area}/{self.name}.txt"] = f"{self.name}\n"
        if self.slot:
            lines = files["list.txt"].splitlines(keepends=True)
            at = next(n for n, line in enumerate(lines) if line.startswith(f"slot {self.slot}:"))
            lines[at] = f"{lines[at].rstrip()} {self.name}\n"
            made["list.txt"] = "".join(lines)
        return files | made

    def script(self) -> str:
        """The same in sh."""
        area = f"mkdir -p {self.area}; echo {self.name} > {self.area}/{self.name}.txt; " if self.area else ""
        slot = f"sed -i 's/^slot {self.slot}:.*/& {self.name}/' list.txt; " if self.slot else ""
        return f"{area}{slot}echo work of {self.name} > {self.name}.txt\n"


@dataclass(frozen=True)
class Kill:
    """For `crew_killer.py`, and how ralph is started again."""

    victim: str
    owner: int
    place: str
    number: int
    at_once: int  # 0: one after the other, in the checkout


@dataclass(frozen=True)
class Story:
    seed: int
    jobs: tuple[Job, ...]
    at_once: int
    parent: bool  # the first two stand under a parent
    edits: dict[str, tuple[str, str]] = field(default_factory=dict)  # task -> (script of a person meanwhile, mark)
    kills: tuple[Kill, ...] = ()

    @property
    def must_be_done(self) -> set[str]:
        """Good in the end, and so is what they depend on."""
        done: set[str] = set()
        for job in self.jobs:
            if job.way != "never" and (not job.depends or job.depends in done):
                done.add(job.name)
        return done

    def after(self, names: Iterable[str]) -> dict[str, str]:
        """The files after these tasks, one by one in this order."""
        files = {"list.txt": LIST, "gate.sh": self.gate()}
        known = {job.name: job for job in self.jobs}
        for name in names:
            files = known.get(name, Job(name, "good")).does(files)
        return files

    def gate(self) -> str:
        """Green: nothing is broken, and no work is there before the work that it needs."""
        needs = [
            f"[ ! -e {job.name}.txt ] || [ -e {job.depends}.txt ] || exit 1" for job in self.jobs if job.depends
        ]
        return "\n".join(["! grep -rqs -e broken -e '<<<<' --include=*.txt . || exit 1", *needs, "true"]) + "\n"

    def prd(self) -> str:
        lines = ["# Plan", "", *(["- [ ] P all"] if self.parent else [])]
        for number, job in enumerate(self.jobs):
            indent = "  " if self.parent and number < 2 else ""
            lines.append(f"{indent}- [ ] {job.name} make something")
            files = ", ".join(f"`{one}`" for one in job.files)
            fields = (("Files", files), ("Depends", job.depends), ("Group", job.group))
            lines += [f"{indent}  - {name}: {value}" for name, value in fields if value]
        return "\n".join(lines) + "\n"


def story(seed: int) -> Story:
    """The story of a seed."""
    dice = random.Random(seed)
    names = [f"T{number}" for number in range(1, dice.randint(3, 6) + 1)]
    grouped = dice.random() < 0.25
    jobs = tuple(_job(dice, names[:number], name, grouped=grouped) for number, name in enumerate(names))
    at_once = dice.choice((1, 2, 3, 4, 4))
    kills = tuple(_kill(dice, at_once) for _ in range(dice.choice((0, 1, 1, 2, 3))))
    edits = {name: edit for name in names if (edit := _edit(dice, seed, name, names))}
    return Story(seed, jobs, at_once, dice.random() < 0.3, edits, kills)


def _job(dice: random.Random, before: list[str], name: str, *, grouped: bool) -> Job:
    way = dice.choice(("good",) * 8 + tuple(WAYS))
    area = dice.choice(("", "", *AREAS))
    slot = 0 if area else dice.choice((0, *range(1, SLOTS + 1)))
    depends = dice.choice(before) if before and dice.random() < 0.3 else ""
    group = dice.choice(("", "red", "blue")) if grouped else ""
    pauses = tuple(round(dice.choice((0.0, dice.random() * 0.3)), 2) for _ in range(3))
    return Job(name, way, area, slot, depends, group, pauses)


def _kill(dice: random.Random, at_once: int) -> Kill:
    owner, place, most = dice.choice(WHERE)
    victim = dice.choice(("parent", "all") if owner == 0 else ("child", "child", "both", "parent", "all"))
    return Kill(victim, owner, place, dice.randint(1, most), dice.choice((at_once, at_once, 4, 1, 0)))


def _edit(dice: random.Random, seed: int, name: str, names: list[str]) -> tuple[str, str] | None:
    """Somebody edits the PRD while the first agent of a task works."""
    if dice.random() > 0.25:
        return None
    mark = f"mark{seed}{name}"
    kind = dice.choice(("a line", "a line", "a new wording", "a new wording", "a new task"))
    return EDITS[kind].format(mark=mark, task=dice.choice(names), new=f"T9{name[1:]}"), mark
