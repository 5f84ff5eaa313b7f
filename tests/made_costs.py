"""A key of counts that nobody counted."""

from __future__ import annotations

from asymm_deploy.bench.emulated.counts import CostKey

KEY = CostKey(
    cpu="cortex-a76",
    engine="mnn",
    engine_version="3.6.1",
    runner_sha256="1" * 64,
    library_sha256="2" * 64,
    libc="3" * 64,
    emulator="7.2.22",
    plugin_sha256="4" * 64,
)
