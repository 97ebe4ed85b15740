"""`python -m ralph`, and what the `ralph` script calls."""

from __future__ import annotations

import sys


def main() -> int:
    """One command line to one exit code."""
    from ralph.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
