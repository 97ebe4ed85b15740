"""Tells. Reads events, nothing else."""
