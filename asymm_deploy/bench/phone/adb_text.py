"""Untrusted text, made printable."""

from __future__ import annotations

from asymm_deploy.bench import wire

shown = wire.excerpt
"""Untrusted text as one printable line, at most 200 characters unless told otherwise."""
