"""The obvious way from PyTorch to MNN, for ``export_speed.py`` to beat; nothing is compared.

Build, ``torch.onnx.export``, ``onnxsim.simplify``, the ``mnnconvert`` command: what each tool's
own pages show, one model after the other in one process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch

import asymm_deploy

_GUARD = Path(__file__).resolve().parent / "without_telemetry"
_STOPPED = 97  # _GUARD's exit code
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_GUARD)}
_MNNCONVERT = Path(sysconfig.get_path("scripts")) / "mnnconvert"


def main(argv: Sequence[str] | None = None) -> int:
    """Export each named model to OUT/MODEL.mnn; raise RuntimeError where no file came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--out", type=Path, required=True, help="an existing folder")
    parser.add_argument(
        "--exporter",
        choices=("default", "older"),
        default="default",
        help="torch's default exporter (dynamo), or the one before it",
    )
    options = parser.parse_args(argv)
    _prove_guard()
    for name in options.models:
        _export(name, options.out, older=options.exporter == "older")
    return 0


def _export(name: str, out: Path, *, older: bool) -> None:
    import onnxsim  # after asymm_deploy: it imports ONNX Runtime, whose telemetry is then off

    module = asymm_deploy.build(name).eval()
    exported, simplified, converted = (
        out / f"{name}{suffix}" for suffix in (".onnx", ".simplified.onnx", ".mnn")
    )
    image = torch.randn(1, 3, 224, 224)
    if older:
        torch.onnx.export(module, (image,), exported, dynamo=False)
    else:
        torch.onnx.export(module, (image,), exported)
    model, good = onnxsim.simplify(onnx.load(exported))
    if not good:
        raise RuntimeError(f"onnxsim could not simplify {name}")
    onnx.save(model, simplified)
    arguments = ("-f", "ONNX", "--modelFile", simplified, "--MNNModel", converted)
    told = subprocess.run(
        [sys.executable, _MNNCONVERT, *arguments, "--bizCode", "benchmark"],
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # The command returns success whatever happens: only the file counts.
    if told.returncode != 0 or not converted.exists() or converted.stat().st_size == 0:
        raise RuntimeError(
            f"mnnconvert made no file of {name} (exit code {told.returncode}):\n"
            + told.stdout.decode(errors="replace")
        )


def _prove_guard() -> None:
    """Raise RuntimeError unless what mnnconvert is started with stops it from starting pip."""
    attempt = "import sys; sys.modules['MNN.tools.utils.log']; import os; os.system('true')"
    code = subprocess.run(
        [sys.executable, "-c", attempt], env=_ENVIRONMENT, stderr=subprocess.DEVNULL, check=False
    ).returncode
    if code != _STOPPED:
        raise RuntimeError(f"{_GUARD} is not in force, so mnnconvert is not started")


if __name__ == "__main__":
    sys.exit(main())
