"""Weights out of the files that people have, into a module; no code of a file ever runs."""

from asymm_deploy.export.weights.load import load_into

__all__ = ["load_into"]
