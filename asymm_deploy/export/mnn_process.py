"""MNN's converter and engine in a process of their own: they print on stdout, and may crash.

``python -m asymm_deploy.export.mnn_process convert IN.onnx OUT.mnn``
``python -m asymm_deploy.export.mnn_process run API MODEL.mnn INPUTS.npz OUTPUTS.npz NAME...``
``python -m asymm_deploy.export.mnn_process time ...`` is ``run`` with the settings of a timed run

API is session or module. The names are those of the outputs, and ``--input=DTYPE:SHAPE:NAME`` for
each input.

The converter is called as a function of the wheel's extension module. The wheel's ``mnnconvert``
program is never started: it installs a logging package and uploads what it was asked to do.
"""

from __future__ import annotations

import sys
from typing import Any


def _convert(source: str, target: str) -> None:
    """Convert; MNN's function returns True whatever happens, so its value is ignored."""
    import _tools

    _tools.mnnconvert(
        ["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "-"]
    )


def _run(api: str, model: str, paths: list[str], names: list[str], *, as_timed: bool) -> None:
    """Run the samples of ``inputs`` (arrays ``0/NAME``, ``1/NAME``...); save ``names`` likewise."""
    import numpy as np  # here, since a conversion needs none of these

    from asymm_deploy.engines.engine_error import EngineError
    from asymm_deploy.engines.feeding import in_32_bits
    from asymm_deploy.engines.mnn_module import MnnModule
    from asymm_deploy.engines.mnn_session import MnnSession

    inputs, outputs = paths
    specs = [_spec(name) for name in names if name.startswith("--input=")]
    names = [name for name in names if not name.startswith("--input=")]
    results: dict[str, Any] = {}
    try:
        # Winograd's larger tiles cost digits, and what is to be proven is the file.
        session: Any = (
            MnnSession(model, winograd=as_timed)
            if api == "session"
            else MnnModule(model, specs, names)
        )
        missing = set(names) - set(session.output_names)
        if missing:
            raise SystemExit(f"MNN's file lacks the outputs {', '.join(sorted(missing))}")
        for number, sample in enumerate(_samples(inputs)):
            session.feed({name: in_32_bits(array) for name, array in sample.items()})
            session.run()
            found = session.outputs()
            results |= {f"{number}/{name}": found[name] for name in names}
    except EngineError as error:
        raise SystemExit(str(error)) from None
    np.savez(outputs, allow_pickle=False, **results)


def _spec(text: str) -> Any:
    from asymm_deploy.engines.tensors import TensorSpec

    dtype, shape, name = text.removeprefix("--input=").split(":", 2)
    return TensorSpec(name, tuple(map(int, shape.split(","))) if shape else (), dtype)


def _samples(path: str) -> list[dict[str, Any]]:
    import numpy as np

    samples: dict[int, dict[str, Any]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            samples.setdefault(int(number), {})[name] = arrays[key]
    return [samples[number] for number in sorted(samples)]


if __name__ == "__main__":
    if sys.argv[1] == "convert":
        _convert(*sys.argv[2:4])
    else:
        _run(sys.argv[2], sys.argv[3], sys.argv[4:6], sys.argv[6:], as_timed=sys.argv[1] == "time")
