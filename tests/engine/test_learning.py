"""What an agent reports of its models is kept for later attempts and runs; what is not known is named once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Repository
from tests.engine.test_money import Money

MODEL = "claude-poem-1"
AGENT = '''\
#!{python}
"""Claude with a model that ralph does not know: it reports of it as {near}/how says."""
import json, os, pathlib, sys, time
sys.stdin.read()
near = pathlib.Path({near!r})
with (near / "starts").open("a") as file:
    file.write(os.environ["RALPH_TASK_ID"] + "\\n")
how = (near / "how").read_text()

def say(**event):
    print(json.dumps(event), flush=True)

def call(number, fresh):
    usage = {{"input_tokens": fresh, "output_tokens": 1}}
    block = {{"type": "tool_use", "id": f"t{{number}}", "name": "Bash", "input": {{"command": f"look {{number}}"}}}}
    message = {{"id": f"m{{time.monotonic()}}", "model": {model!r}, "usage": usage, "content": [block]}}
    say(type="assistant", message=message)
    answer = {{"type": "tool_result", "tool_use_id": f"t{{number}}", "content": "seen"}}
    say(type="user", message={{"content": [answer]}})

say(type="system", subtype="init", model={model!r})
call(1, 100_000)
if how == "reports":
    told = {{"inputTokens": 100_000, "outputTokens": 0, "costUSD": 0.2, "contextWindow": 200_000}}
    models = {{{model!r}: told}}
    say(type="result", subtype="success", is_error=False, result="done", total_cost_usd=0.2, modelUsage=models)
else:
    call(2, 190_000)
    time.sleep(300)
'''


@pytest.fixture
def money(repo: Repository) -> Money:
    found = Money(repo, "claude", {**os.environ, "TERM": "dumb"})
    program = found.near / "bin" / "claude"
    program.write_text(AGENT.format(python=sys.executable, near=str(found.near), model=MODEL))
    return found


def run(money: Money, how: str) -> str:
    (money.near / "how").write_text(how)
    (money.near / "out").unlink(missing_ok=True)
    money.run("--silence", "3s", "--max-cost", "50", "--only", "T1")
    return money.out


def test_an_unknown_window_and_an_unknown_price_are_named_once(money: Money) -> None:
    out = " ".join(run(money, "hangs").split())
    assert out.count(f"The size of the context window of {MODEL} is not known") == 1
    assert out.count(f"The price of the model {MODEL} is not known") == 1
    assert "silent" in out
    assert money.report()["cost"] == pytest.approx(0.29 * 15, abs=0.1), "the highest price of the agent"


def test_what_it_reported_holds_for_the_next_run(money: Money, repo: Repository) -> None:
    assert "is not known" in run(money, "reports")
    Path(repo.path, "PRD.md").write_text("- [ ] T1 make one\n- [ ] T2 make two\n")  # no longer parked
    out = run(money, "hangs")
    assert "is not known" not in out
    assert "context nearly full" in out
    assert "95% full (190,000 of 200,000 tokens)" in out
    assert money.report()["cost"] == pytest.approx(0.29 * 2, abs=0.02), "2 USD per million, as it reported"
