"""MNN and ONNX Runtime over one input, operator by operator, in a process of their own.

``python -m asymm_deploy.explain.watching.watching_process RUN.json``: the ``WatchRequest`` comes on
stdin, and the ``JudgedRun`` goes to RUN.json. What fails is told in the last line of stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asymm_deploy.signals import die_with_parent


def _judge(made: Path) -> None:
    import msgspec

    from asymm_deploy.engines.engine_error import EngineError
    from asymm_deploy.errors import DeployError
    from asymm_deploy.explain.host_errors import WatchRequest
    from asymm_deploy.explain.watching.judging import judge_run

    request = msgspec.json.decode(sys.stdin.buffer.read(), type=WatchRequest)
    try:
        run = judge_run(request)
    except (EngineError, DeployError) as error:
        raise SystemExit(str(error)) from None
    made.write_bytes(msgspec.json.encode(run))


if __name__ == "__main__":
    die_with_parent()  # nobody waits for it then
    _judge(Path(sys.argv[1]))
