"""Variants of a model side by side: size, accuracy, latency, instructions, and why."""
