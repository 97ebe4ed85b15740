"""Random stories, each the same for the same seed: a PRD, what agents do in it, who kills ralph, who edits what."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

# behaviours of agent.sh, by what they cost
DELIVERS = ("good", "uncommitted", "daemons", "locks", "hooks")
REJECTED = ("ticks", "lies", "nothing", "breaks", "strays", "guts", "rewrites", "asks", "half")  # one try each
UNDELIVERED = ("crashes", "killed")  # three of them in a row are one try
SLOW = ("hangs", "stubborn", "prompts", "loops")  # ended by a limit of a second; at most one try each
PASSES = ("limited", "overloaded")  # waited for; only an agent with events can tell
RETRIES = 2
SILENCE = 1.0  # seconds

EDITS = {
    "a word below": "printf '\\n%s\\n' '{mark}' >> PRD.md",
    "a word above": "{{ echo '{mark}'; echo; cat PRD.md; }} > ../edited && cat ../edited > PRD.md",
    "a new task": "printf '%s\\n' '- [ ] {new} {mark}' >> PRD.md",
    "a new wording": "sed -i 's/\\({last} make [a-z]*\\)/\\1 {mark}/' PRD.md",
}


@dataclass(frozen=True)
class Plan:
    """What the agents do for one task, one start after the other, and whether that must end in a tick."""

    task: str
    behaviours: tuple[str, ...]

    def costs(self, kills: int) -> int:
        """The tries that are used up before it is done well, at most."""
        bad = [one for one in self.behaviours if one not in DELIVERS]
        free = sum(one in (*UNDELIVERED, "cut", "kills") for one in bad) + kills
        return sum(one in (*REJECTED, *SLOW) for one in bad) + free // 3

    def recoverable(self, kills: int) -> bool:
        return self.behaviours[-1] in DELIVERS and self.costs(kills) <= RETRIES


@dataclass(frozen=True)
class Story:
    """Everything that one story is made of. `kills` are (journal or git, the call before which ralph dies)."""

    seed: int
    agent: str  # command or claude
    prd: str
    plans: tuple[Plan, ...]
    parents: tuple[str, ...] = ()
    depends: dict[str, str] = field(default_factory=dict)
    kills: tuple[tuple[str, int], ...] = ()
    edits: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)  # (task, start) -> (script, mark)
    between: tuple[str, str] | None = None  # an edit after the first kill
    limit: int = 0  # --max-iterations; 0: none

    @property
    def all_kills(self) -> int:
        return len(self.kills) + sum(plan.behaviours.count("kills") for plan in self.plans)

    @property
    def must_be_done(self) -> set[str]:
        """Tasks that have to be ticked at the end, where no limit stops the run."""
        sure = {plan.task for plan in self.plans if plan.recoverable(self.all_kills)}
        sure = {task for task in sure if self.depends.get(task, task) in sure}
        return set() if self.limit else sure

    @property
    def marks(self) -> list[str]:
        return [mark for _, mark in (*self.edits.values(), *((self.between,) if self.between else ()))]

    @property
    def slow(self) -> bool:
        return any(one in SLOW for plan in self.plans for one in plan.behaviours)


def story(seed: int) -> Story:
    """The story of a seed."""
    dice = random.Random(seed)
    agent = dice.choice(("command", "command", "claude"))
    tasks = [f"T{number}" for number in range(1, dice.choice((1, 2, 2, 3)) + 1)]
    plans = tuple(_plan(dice, task, agent) for task in tasks)
    depends = {tasks[1]: tasks[0]} if len(tasks) > 1 and dice.random() < 0.15 else {}
    prd, parents = _prd(dice, tasks, depends)
    kills = tuple(_kill(dice) for _ in range(dice.choice((0, 0, 1, 1, 2))))
    edits = dict(filter(None, (_edit(dice, plan, tasks[-1], seed) for plan in plans)))
    between = (_fill(dice.choice(("a word below", "a word above")), f"between{seed}", ""), f"between{seed}")
    return Story(
        seed, agent, prd, plans, parents, depends, kills, edits,
        between if kills and dice.random() < 0.3 else None, dice.choice((0, 0, 0, 0, 2, 3)),
    )  # fmt: skip


def _plan(dice: random.Random, task: str, agent: str) -> Plan:
    last = dice.choice((*DELIVERS, "good", "good"))
    if dice.random() < 0.15:
        last = dice.choice(REJECTED)  # for ever
    bad = [_bad(dice, agent) for _ in range(dice.choice((0, 0, 0, 1, 1, 2, 3)))]
    return Plan(task, (*bad, last))


def _bad(dice: random.Random, agent: str) -> str:
    if agent == "claude" and dice.random() < 0.3:
        return dice.choice((*PASSES, "cut"))
    if dice.random() < 0.06:
        return dice.choice(SLOW)
    return dice.choice((*REJECTED, *UNDELIVERED, "kills"))


def _kill(dice: random.Random) -> tuple[str, int]:
    return ("journal", dice.randint(1, 40)) if dice.random() < 0.5 else ("git", dice.randint(1, 120))


def _edit(dice: random.Random, plan: Plan, last: str, seed: int) -> tuple[tuple[str, int], tuple[str, str]] | None:
    """Somebody edits the PRD during one start of an agent that leaves the PRD alone."""
    start = dice.randint(1, len(plan.behaviours))
    if dice.random() > 0.25 or plan.behaviours[start - 1] in ("ticks", "kills"):
        return None
    mark = f"mark{seed}{plan.task}"
    return (plan.task, start), (_fill(dice.choice(list(EDITS)), mark, last), mark)


def _fill(kind: str, mark: str, last: str) -> str:
    return EDITS[kind].format(mark=mark, last=last, new=f"T9{mark[-1]}")


def _prd(dice: random.Random, tasks: list[str], depends: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    words = iter(("alpha", "beta", "gamma", "delta"))
    nested = len(tasks) > 1 and dice.random() < 0.25
    lines = ["# Plan", "", "Some words about it.", ""] if dice.random() < 0.5 else []
    lines += ["- [ ] P1 all of it"] if nested else []
    for task in tasks:
        indent = "  " if nested else ""
        lines += [f"{indent}- [ ] {task} make {next(words)}", f"{indent}  - Files: `*.txt`"]
        lines += [f"{indent}  - Depends: {depends[task]}"] if task in depends else []
    newline = "\r\n" if dice.random() < 0.2 else "\n"
    return newline.join(lines) + newline, ("P1",) if nested else ()
