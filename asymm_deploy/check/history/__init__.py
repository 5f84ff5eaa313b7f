"""Slow creep over many commits."""
