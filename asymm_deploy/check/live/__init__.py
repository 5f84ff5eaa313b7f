"""Two versions timed in turns until a verdict is certain."""
