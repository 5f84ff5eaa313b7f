"""``python -I -m asymm_deploy.engines.mnn_backends``: which back ends this MNN has here.

Each is asked for, and what MNN then chose is read back. The last line on stdout tells:
``back ends: cpu``. MNN itself prints above it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from asymm_deploy.engines.mnn_session import MnnSession

ASKED = ("cpu", "opencl", "vulkan")


def present_backends() -> list[str]:
    """Return those of ``ASKED`` on which MNN creates a session."""
    from MNN import expr

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "least.mnn"
        expr.save([expr.sigmoid(expr.placeholder([1, 4], expr.NCHW))], str(path))
        return [name for name in ASKED if MnnSession(str(path), backend=name).backend == name]


if __name__ == "__main__":
    found = present_backends()
    sys.stdout.flush()
    os.write(1, f"\nback ends: {', '.join(found)}\n".encode())
