"""Sustained benches as tables."""
