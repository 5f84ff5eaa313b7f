"""The process in which one model is exported: heavy imports, quiet output, no Ctrl-C of its own.

Importing this module imports every heavy package; the fork server does so once, and each model then
starts from a copy within milliseconds. A crash in native code ends one model, not the others.
"""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path

import onnx_ir  # noqa: F401  what isn't used here is imported to be there before the fork
import onnxruntime  # noqa: F401
import onnxsim  # noqa: F401
import torch
import torch._dynamo

from asymm_deploy.errors import ConversionError, DeployError
from asymm_deploy.export import pipeline
from asymm_deploy.export.onnx_graph import first_line
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.result import Result


def prepare_worker(threads: int) -> None:
    """Prepare a new worker: Ctrl-C is the parent's to handle, and stdout is the parent's data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    torch.set_num_threads(threads)


def export_in_worker(request: ExportRequest, work: Path) -> Result:
    """Export one model; a failure that the user can act on is returned, not raised."""
    notes: list[str] = []
    try:
        return Result(pipeline.export_model(request, work, notes), None, tuple(notes))
    except DeployError as error:
        # A copy without its cause, which may be an exception that no other process can unpickle.
        bare = type(error)(error.what, error.hint, exit_code=error.exit_code)
        return Result(None, bare, tuple(notes))
    except Exception as error:
        traceback.print_exc()
        failure = ConversionError(
            f"an unexpected error: {first_line(repr(error))}",
            "please report it, with the traceback above and the model",
        )
        return Result(None, failure, tuple(notes))
