"""MNN and ONNX Runtime over one input, operator by operator, in a process of their own.

``python -m asymm_deploy.explain.watching.watching_process RUN.json``: the ``WatchRequest`` comes on
stdin, and the ``JudgedRun`` goes to RUN.json, or the ``WatchFailure``. The last line
of stderr is what an engine says of its failure.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asymm_deploy.signals import die_with_parent


def _judge(made: Path) -> None:
    import msgspec

    from asymm_deploy.engines.engine_error import EngineError
    from asymm_deploy.errors import DeployError
    from asymm_deploy.explain.host_errors import JudgedRun, WatchFailure, WatchRequest
    from asymm_deploy.explain.watching.judging import judge_run

    request = msgspec.json.decode(sys.stdin.buffer.read(), type=WatchRequest)
    found: JudgedRun | WatchFailure
    try:
        found = judge_run(request)
    except DeployError as error:
        found = WatchFailure(error.what, error.hint, error.exit_code)
    except EngineError as error:
        raise SystemExit(str(error)) from None
    made.write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    die_with_parent()  # nobody waits for it then
    _judge(Path(sys.argv[1]))
