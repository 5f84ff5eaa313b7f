"""What can't be asked together with another back end than the CPU."""

from __future__ import annotations

from asymm_deploy.bench.records import Backend, Engine
from asymm_deploy.errors import UsageError


def require_possible(backend: Backend, engine: Engine, threads: int) -> None:
    """Raise UsageError for a back end that the engine lacks, or that takes no threads."""
    if backend == "cpu":
        return
    if engine != "mnn":
        raise UsageError(
            f"{engine} has no back end {backend} here",
            "leave --engine out: MNN is the engine that --backend is about",
        )
    if threads != 1:
        raise UsageError(
            f"--threads is the number of threads on the CPU, and --backend {backend} has none",
            "leave --threads out",
        )
