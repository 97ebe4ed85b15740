"""What the end of a terminal asks a person, and what only looks like it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents.watchdog.prompts import prompt

PROMPTS = """
Password:
[sudo] password for alice:
alice@example.org's password:
Enter passphrase for key '/root/.ssh/id_rsa':
Enter passphrase (empty for no passphrase):
Password for 'https://alice@github.com':
Username for 'https://github.com':
build-host login:
(current) UNIX password:
Retype new password:
Vault password:
Enter PIN for 'Yubikey':
Verification code:
Do you want to continue? [Y/n]
Proceed (Y/n)?
Proceed ([y]/n)?
Is this ok [y/d/N]:
Are you sure you want to continue connecting (yes/no/[fingerprint])?
Overwrite existing file (y/n)
Continue? [y/N]:
Ok to proceed? (y)
? Are you sure? › (y/N)
Terminate batch job (Y/N)?
Stage this hunk [y,n,q,a,d,e,?]?
replace a.txt? [y]es, [n]o, [A]ll, [N]one, [r]ename:
Run shell command? (Y)es/(N)o [Yes]:
Add file to the chat? (Y)es/(N)o/(D)on't ask again [Yes]:
rm: remove write-protected regular empty file 'a'?
cp: overwrite 'b'?
Press Enter to continue...
Press any key to continue . . .
Press [Enter] to continue or Ctrl-c to cancel
(press RETURN)
Do you want to make this edit to app.py?
Would you like to install it now?
Are you sure?
Proceed with the installation?
Is this OK? (yes)
Do you trust the files in this folder?
Select an option:
Choose an option [1-3]:
Enter your choice:
Your choice [1]:
Enter file in which to save the key (/root/.ssh/id_rsa):
Please enter your name:
(Pdb)
-- More --(12%)
(END)
hint: Waiting for your editor to close the file...
? Which one? (Use arrow keys) / > vanilla / chocolate
Do you want to proceed? / ❯ 1. Yes / 2. No / Enter to confirm · Esc to cancel
"""
NO_PROMPTS = """
I will add a password: field to the form.
The login form asks for a password:
Next, reset the password:
Checking password strength...
password: hunter2
The user is asked "Do you want to continue? [Y/n]" and answers.
I made the changes. Do you want to continue?
It asks whether you want to proceed.
Use --yes to answer the prompt (y/N).
Do you want me to also update the docs?
Would you like me to continue with the next task?
Press Enter to submit the form.
Then the user can press Enter to continue.
INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)
press h + enter to show help
Proceeding with the installation.
Continue: the loop goes on.
continue;
Overwrite protection is on.
Waiting for the LM to respond...
Still running 3/10
......... [ 33%]
Compiling foo v1.2.3
test login ... ok
def login(user, password):
if not password:
if username:
def divide(n, iterable):
def enter(self, key):
"password":
Select the right option for your case.
Enter the following:
if (confirm("Are you sure?")) {
What does this function do?
Tokens: 1.7k sent, 34 received.
>
$
Password: / Welcome, alice.
Continue? [Y/n] y / Reading package lists...
"""


def lines(table: str) -> list[str]:
    return [line.replace(" / ", "\n") for line in table.strip().splitlines()]


@pytest.mark.parametrize("text", lines(PROMPTS))
def test_prompts(text: str) -> None:
    last = text.splitlines()[-1].strip()
    assert prompt(text) == last
    assert prompt(f"something before\n\n\x1b[1m  {text} \x1b[0m\n") == last


@pytest.mark.parametrize("text", lines(NO_PROMPTS))
def test_no_prompts(text: str) -> None:
    assert not prompt(text)


def test_a_long_line_is_prose() -> None:
    assert not prompt("Do you want " + "to know more " * 30 + "?")


def test_what_is_asked_is_quoted_on_one_clean_line() -> None:
    assert prompt("Overwrite\x1b]0;evil\x07 a\u202e.txt? [y/N] ") == "Overwrite a.txt? [y/N]"


PIECES = ["a's ", "[y", "/y", "/n", "(", ")", "press enter ", ". ", "enter ", "new ", "[a]: ", "do you want ", "? ",
          "-- more --", "(use arrow ", "↑↓", "password ", ":", "y/n"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_no_text_is_slow(text: str) -> None:
    began = time.process_time()
    prompt(text)
    assert time.process_time() - began < 0.1
