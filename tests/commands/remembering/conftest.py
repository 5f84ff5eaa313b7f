"""Exported models, as tests of `check` make them."""

from tests.check.conftest import export

__all__ = ["export"]
