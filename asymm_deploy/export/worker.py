"""The process that exports one model: heavy imports, nothing on stdout, deaf to Ctrl-C.

Importing this module imports every heavy package. The fork server does so once, and each model then
starts from a copy within milliseconds. A crash in native code fails one model, not the others.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import onnx_ir  # noqa: F401  imported here so that it is loaded before the fork
import onnxruntime  # noqa: F401
import onnxsim  # noqa: F401
import torch

from asymm_deploy.errors import ConversionError, DeployError
from asymm_deploy.export import pipeline
from asymm_deploy.export.processes.task_process import stand_behind_parent
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.result import Result
from asymm_deploy.files import refused_by_system
from asymm_deploy.models.source import in_one_line


def prepare_worker(threads: int) -> None:
    """Prepare a new worker: the parent handles Ctrl-C, and stdout is for the parent's data."""
    stand_behind_parent()
    torch.set_num_threads(threads)


def export_in_worker(request: ExportRequest, work: Path) -> Result:
    """Export one model. A failure is returned, not raised, so that it reaches the parent."""
    notes: list[str] = []
    try:
        return Result(pipeline.export_model(request, work, notes), None, tuple(notes))
    except DeployError as error:
        return Result(None, error, tuple(notes))
    except OSError as error:
        return Result(None, refused_by_system(error) or _unexpected(error), tuple(notes))
    except BaseException as error:  # a user's own kinds as well, which the parent can't read
        return Result(None, _unexpected(error), tuple(notes))


def _unexpected(error: BaseException) -> ConversionError:
    """Print the traceback, and return what to say of it."""
    traceback.print_exception(error)
    return ConversionError(
        f"an unexpected error: {in_one_line(error)}",
        "if it isn't of the model's own code, please report it, with the traceback above and "
        "the model",
    )
