"""ralph works through a Markdown PRD with a coding agent and ticks only what git and the gates prove."""

__version__ = "0.1.0"
