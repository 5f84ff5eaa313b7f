"""MNN's converter and engine in a process of their own: they print on stdout, and may crash.

``python -m asymm_deploy.export.mnn_process convert IN.onnx OUT.mnn [OPTIONS]``
``python -m asymm_deploy.export.mnn_process run API MODEL.mnn INPUTS.npz OUTPUTS.npz``
``python -m asymm_deploy.export.mnn_process time ...`` is ``run`` with the settings of a timed run
``python -m asymm_deploy.export.mnn_process probe MODEL.mnn ENDS.json``

API is session or module. What else a run needs comes on stdin: ``mnn.RunRequest`` as JSON.
``probe`` writes the ``mnn.Ends`` of a model that a module alone can run, and no file for others.
``convert`` also takes an .mnn file, and writes it anew.

The converter is called as a function of the wheel's extension module. The wheel's ``mnnconvert``
program is never started: it installs a logging package and uploads what it was asked to do.
"""

from __future__ import annotations

import sys
from typing import Any

from asymm_deploy.signals import die_with_parent


def _convert(source: str, target: str, *options: str) -> None:
    """Convert; MNN's function returns True whatever happens, so its value is ignored."""
    import _tools

    kind = "MNN" if source.endswith(".mnn") else "ONNX"
    ends = ["--modelFile", source, "--MNNModel", target]
    _tools.mnnconvert(["mnnconvert", "-f", kind, *ends, "--bizCode", "-", *options])


def _run(api: str, model: str, received: str, results: str, *, as_timed: bool) -> None:
    """Run the samples in ``received``, and write the outputs to ``results``."""
    import msgspec  # here, since a conversion needs none of these
    import numpy as np

    from asymm_deploy.engines.engine_error import EngineError
    from asymm_deploy.engines.feeding import in_32_bits
    from asymm_deploy.engines.mnn_module import MnnModule
    from asymm_deploy.engines.mnn_session import MnnSession
    from asymm_deploy.export.mnn import RunRequest

    request = msgspec.json.decode(sys.stdin.buffer.read(), type=RunRequest)
    names = request.outputs
    outputs: dict[str, Any] = {}
    try:
        # Winograd's larger tiles cost digits, and what is to be proven is the file.
        session: Any = (
            MnnSession(model, winograd=as_timed)
            if api == "session"
            else MnnModule(model, request.inputs, names, winograd=as_timed)
        )
        missing = set(names) - set(session.output_names)
        if missing:
            raise SystemExit(f"MNN's file lacks the outputs {', '.join(sorted(missing))}")
        with np.load(received, allow_pickle=False) as arrays:
            for number, given in enumerate(request.samples):
                session.feed(
                    {name: in_32_bits(arrays[f"{number}/{i}"]) for i, name in enumerate(given)}
                )
                session.run()
                found = session.outputs()
                outputs |= {f"{number}/{i}": found[name] for i, name in enumerate(names)}
    except EngineError as error:
        raise SystemExit(str(error)) from None
    np.savez(results, allow_pickle=False, **outputs)


def _probe(model: str, into: str) -> None:
    """Write the inputs and outputs of a model that MNN's Module API alone can run."""
    from pathlib import Path

    import msgspec

    from asymm_deploy.engines.engine_error import EngineError
    from asymm_deploy.engines.mnn_module import MnnModule, module_ends
    from asymm_deploy.engines.mnn_session import MnnSession
    from asymm_deploy.export.inputs import bench_inputs
    from asymm_deploy.export.mnn import Ends

    try:
        session = MnnSession(model)
        session.feed(bench_inputs(session.inputs))
        session.run()
    except EngineError:
        try:
            inputs, outputs = module_ends(model)
            module = MnnModule(model, inputs, outputs)
            module.feed(bench_inputs(inputs))
            module.run()
        except EngineError as error:
            raise SystemExit(str(error)) from None
        Path(into).write_bytes(msgspec.json.encode(Ends(inputs, outputs)))


if __name__ == "__main__":
    die_with_parent()  # nobody waits for it then
    doing, *given = sys.argv[1:]
    if doing == "convert":
        _convert(*given)
    elif doing == "probe":
        _probe(*given)
    else:
        _run(*given, as_timed=doing == "time")
