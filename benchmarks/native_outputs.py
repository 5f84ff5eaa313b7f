"""What the native runner computes with a real MNN, against the reference of each exported model.

Builds the runner with MNN's headers and a library, runs every model once, and prints how far each
output is from what the module computed (``reference.npz``) and from what ONNX Runtime computes
here. For ``host`` it also says whether the outputs are the Python runner's, bit for bit. A
``linux-arm64`` runner is emulated where this machine is no ARM: about 100 times slower, so it
proves outputs, not times. Exits 1 where an output is further off than its precision allows, or is
not the Python runner's.

    asymm-deploy export --table 5
    python benchmarks/native_outputs.py --mnn-include-dir MNN/include --mnn-library libMNN.so

The headers are those of MNN's git tag. The library is a libMNN.so, or the ``_mnncengine*.so`` of
MNN's wheel: the one that is installed, and for ARM that of ``pip download --no-deps
--only-binary=:all: --platform manylinux2014_aarch64 MNN``, unpacked.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import artifact, native_build, wire
from asymm_deploy.bench.judge import output_error
from asymm_deploy.bench.records import Engine, Precision
from asymm_deploy.errors import DeployError
from asymm_deploy.models import names

_EMULATOR = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")
_EMULATED_CPU = "cortex-a76"  # the Snapdragon 855's: it has dot product and fp16 arithmetic
_PYTHON_RUNNER = (sys.executable, "-I", "-m", "asymm_deploy.bench.runner")
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Outcome:
    """How one model came out."""

    model: str
    error: float | None
    """Largest difference over the reference's standard deviation; None: not comparable."""
    onnx_error: float | None
    """The same, with ONNX Runtime's output for the reference."""
    precision: str
    same_as_python: bool | None
    """Bit for bit; None where that was not asked."""
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    """Build, run, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", choices=("host", "linux-arm64"), default="host")
    parser.add_argument("--mnn-root", type=Path, help="a folder with include/ and lib/")
    parser.add_argument("--mnn-include-dir", type=Path, help="has MNN/Interpreter.hpp")
    parser.add_argument("--mnn-library", type=Path, help="exports MNN's C++ API")
    parser.add_argument("--runner", type=Path, help="one that was built already, in place of these")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="instead of all of Table 5")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="native-outputs-") as name:
            runner = options.runner
            if runner is None:
                folder = Path(name) / "runner"
                native_build.build_native_runner(
                    options.preset,
                    into=folder,
                    mnn_root=options.mnn_root,
                    mnn_include_dir=options.mnn_include_dir,
                    mnn_library=options.mnn_library,
                    say=lambda line: print(line, file=sys.stderr),
                )
                runner = folder / native_build.PROGRAM
            foreign = options.preset == "linux-arm64" and platform.machine() != "aarch64"
            command = (*(_EMULATOR if foreign else ()), str(runner))
            return _compare(options, command)
    except DeployError as error:
        print(f"error: {error.what}\nhint: {error.hint}", file=sys.stderr)
        return 1


def _compare(options: argparse.Namespace, command: tuple[str, ...]) -> int:
    precision: Precision = options.precision
    models = options.models or names.table_models(5)
    print(f"{'model':24}{'error':>9}{'to ONNX RT':>12}  in force  like Python      s")
    with ThreadPoolExecutor(options.jobs) as pool:
        made = pool.map(
            lambda model: _one(
                options.artifacts / model, command, precision, with_python=options.preset == "host"
            ),
            models,
        )
        good = True
        for outcome in made:
            errors = (outcome.error, outcome.onnx_error)
            far = any(
                error is None or error > output_error.OUTPUT_TOLERANCE[precision]
                for error in errors
            )
            good = good and not far and outcome.same_as_python is not False
            shown = ["none" if error is None else f"{error:.1e}" for error in errors]
            like = {None: "", True: "same bits", False: "DIFFERS"}[outcome.same_as_python]
            print(
                f"{outcome.model:24}{shown[0]:>9}{shown[1]:>12}  {outcome.precision:8}  {like:11}"
                f"{outcome.seconds:7.1f}{'  TOO FAR' if far else ''}",
                flush=True,
            )
    return 0 if good else 1


def _one(
    folder: Path, command: tuple[str, ...], precision: Precision, *, with_python: bool
) -> Outcome:
    """Run one model once."""
    subject = artifact.exported(folder, "mnn")
    start = time.monotonic()
    report = _report(subject, command, precision)
    seconds = time.monotonic() - start
    python = _report(subject, _PYTHON_RUNNER, precision) if with_python else None
    onnx = _report(artifact.exported(folder, "onnxruntime"), _PYTHON_RUNNER, "fp32", "onnxruntime")
    values = report.output.values or {}
    return Outcome(
        model=subject.model,
        error=output_error.compare_with_reference(
            subject.reference or {}, values, {}, "fp32"
        ).error,
        onnx_error=output_error.compare_with_reference(
            _arrays(onnx.output.values or {}), values, {}, "fp32"
        ).error,
        precision=report.model.precision,
        same_as_python=None if python is None else python.output == report.output,
        seconds=seconds,
    )


def _report(
    subject: artifact.Artifact,
    command: tuple[str, ...],
    precision: Precision,
    engine: Engine = "mnn",
) -> wire.RunnerReport:
    """Run the model once; raise WireError where that gives no result."""
    arguments = wire.request(
        model=str(subject.path),
        engine=engine,
        runs=1,
        warmup=0,
        threads=1,
        precision=precision,
        cpus=(),
        inputs=tuple(
            wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in subject.inputs or ()
        ),
        output_values=True,
        inputs_file=None if subject.inputs_file is None else str(subject.inputs_file),
        module_outputs=subject.output_names if subject.api == "module" else None,
    )
    done = subprocess.run(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        check=False,
        env={"QEMU_CPU": _EMULATED_CPU} | os.environ,
    )
    return wire.parse_stream(done.stdout)


def _arrays(values: Mapping[str, bytes]) -> dict[str, npt.NDArray[np.generic]]:
    return {name: np.frombuffer(value, "<f4") for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
