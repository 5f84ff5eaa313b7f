"""A simulated phone for checks."""

from __future__ import annotations

from tests.phone.fixtures import (  # noqa: F401
    adb_environment,
    adb_server,
    kept_server,
    new_phone,
    phone,
    phone_runner,
)
