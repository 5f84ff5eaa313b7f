"""The one error that every engine raises; importing it imports nothing else."""

from __future__ import annotations


class EngineError(Exception):
    """An engine can't load a model, run it, or take an input. The message names the engine.

    ``reason`` is the engine's own words alone, for a caller that words the failure itself.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = message if reason is None else reason
