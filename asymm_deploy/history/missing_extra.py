"""What is not installed of the extra that a history needs, said before anything is read."""

from __future__ import annotations

import importlib.util

from asymm_deploy.errors import UsageError


def require_history_extra() -> None:
    """Raise UsageError if DuckDB or Arrow is not installed."""
    needed = (("duckdb", "duckdb"), ("pyarrow", "pyarrow"))
    missing = [name for module, name in needed if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"a history needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            "pip install 'asymm-deploy[history]'",
        )
