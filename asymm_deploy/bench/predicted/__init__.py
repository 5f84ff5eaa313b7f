"""Milliseconds from exact counts: a prediction, by what was fitted to latencies of a real phone."""
