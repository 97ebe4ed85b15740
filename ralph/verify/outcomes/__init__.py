"""What a test run reported: one small reader for each runner. Pure."""
