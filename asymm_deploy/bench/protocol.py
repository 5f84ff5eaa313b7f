"""The version of the runner's protocol, for both of its ends."""

from __future__ import annotations

PROTOCOL = 1
"""Raised when a reader of the former version would misread a message, see ``wire``."""
