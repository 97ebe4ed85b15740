"""Display of events for people and programs."""
