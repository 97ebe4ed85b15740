"""The limits of a run, what it has used of them, and the prices that it counts with."""

from __future__ import annotations

from ralph.agents.prices import Prices
from ralph.agents.selection import AgentChoice
from ralph.agents.usage import Spent
from ralph.config import MAX_COST, MAX_TOKENS
from ralph.engine.context import RunContext
from ralph.text import money


def reached_limit(run: RunContext, going: Spent | None = None) -> str:
    """Return the limit that is reached, as a sentence, or "". `going` is the usage of attempts in progress."""
    if run.parent_limit is not None:
        return run.parent_limit()  # the parent knows the usage of all attempts
    whole, cost, tokens = spent(run).plus(going or Spent()), max_cost(run), max_tokens(run)
    if cost is not None and (whole.cost or 0.0) >= cost:
        return f"the money limit is reached: {money(whole.cost or 0.0, whole.about)} of ${cost:.2f} (--max-cost)"
    used = whole.tokens if run.settings.max_tokens else whole.unpriced  # the default is for these alone
    if tokens is not None and used >= tokens:
        return f"the token limit is reached: {used:,} of {tokens:,} (--max-tokens)"
    if run.seconds >= run.settings.max_time:
        return f"the time limit of the run is reached: {run.settings.max_time / 3600:g} h (--max-time)"
    return ""


def spent(run: RunContext) -> Spent:
    """Return what the ended attempts of this run used."""
    history = run.state.history
    return Spent(history.tokens, history.cost, history.about, history.unpriced)


def max_cost(run: RunContext) -> float | None:
    """Return the limit in USD. The default holds only if the cost of an agent can at least be estimated."""
    known = any(can_price(run, worker) for worker in run.workers)
    return run.settings.max_cost or (MAX_COST if known else None)


def max_tokens(run: RunContext) -> int | None:
    """Return the token limit. The default holds only if the cost of an agent can't even be estimated."""
    known = all(can_price(run, worker) for worker in run.workers)
    return run.settings.max_tokens or (None if known else MAX_TOKENS)


def money_left(run: RunContext) -> float | None:
    """Return what an attempt may cost now, in USD, or None if there is no limit."""
    limit = max_cost(run)
    used = spent(run).plus(run.state.in_progress).cost or 0.0
    return None if limit is None else max(0.01, limit - used)


def can_price(run: RunContext, worker: AgentChoice) -> bool:
    """Return whether this worker reports its cost, or its tokens have a price."""
    agent = worker.agent
    return agent.REPORTS_COST or bool(agent.PRICES) or prices(run, worker).of(worker.model) is not None


def prices(run: RunContext, worker: AgentChoice) -> Prices:
    """Return the known prices of this worker's agent."""
    learned = {model: learned.price for (name, model), learned in run.state.history.models.items()
               if name == worker.agent.NAME and learned.price}  # fmt: skip
    return Prices(worker.agent.PRICES, learned, dict(run.settings.prices))


def window(run: RunContext, worker: AgentChoice, model: str) -> int:
    """Return how many tokens the model's window holds: as its agent reported it, else by its name."""
    learned = run.state.history.models.get((worker.agent.NAME, model))
    return (learned.window if learned else 0) or worker.agent.window(model)
