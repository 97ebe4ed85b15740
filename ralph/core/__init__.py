"""Decides. Pure: no disk, no clock, no process."""
