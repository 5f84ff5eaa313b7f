"""What MNN makes of a model without us, for the cross-check: one step a process.

``python -m benchmarks.zoo_nets.direct graph|convert|run|made FOLDER``

- ``graph`` reads FOLDER/task.json, writes graph.onnx (torch's exporter, or the file itself), the
  inputs, and ONNX Runtime's outputs for them.
- ``convert`` writes graph.mnn, by the function of the wheel: its program uploads what it was asked.
- ``run`` runs graph.mnn through the Module API and writes how far its outputs are off.
- ``made`` does that with what an export made, against ONNX Runtime on its model.onnx.

Each writes what it found to FOLDER/STEP.json. A step that crashes leaves none.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES = 3
_OPSET = 17
RIGHT = 5e-3
"""Largest error, in deviations of an output, of what counts as computed rightly by MNN alone.

Its erf-GELU is off by 4e-4 on its own and by up to 3e-3 after twelve blocks, its wrong operators
by 0.1 and more. The table has the error of each model.
"""
RIGHT_SHARE = 0.01
"""Largest share of integers and booleans that differ: an argmax between two equal values may."""
_WINOGRAD_MEMORY_LEVEL = 3
"""A HintMode of <MNN/Interpreter.hpp>; at 0 there are no large tiles of Winograd's convolutions."""


def draw(text: str, sample: int, index: int, declared: str = "float32") -> np.ndarray[Any, Any]:
    """Return values for one ``--input-shape`` text, within its range; shape as it says."""
    sizes, _, rest = text.rpartition("=")[2].partition(":")
    dtype, _, limits = rest.partition(":")
    kind = np.dtype(dtype or declared)
    shape = tuple(int(size) for size in sizes.split(",") if size)
    rng = np.random.default_rng([sample, index])
    low, high = (float(value) for value in limits.split("..")) if limits else (None, None)
    if kind.kind == "f":
        if low is not None and high is not None:
            return rng.uniform(low, high, shape).astype(kind)
        drawn = rng.random(shape) if sample == 1 else rng.standard_normal(shape)
        return np.asarray(drawn).astype(kind)
    if low is None or high is None:
        info = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        low, high = (info[0], info[1]) if kind.itemsize == 1 else (0, 1)
    return np.asarray(rng.integers(int(low), int(high), shape, endpoint=True)).astype(kind)


def errors(expected: list[Any], found: list[Any]) -> tuple[float, float]:
    """Return the largest error in deviations of the float outputs, and the share of others off.

    Both lists are [sample][output]. Outputs of different shapes are wholly off.
    """
    worst, share = 0.0, 0.0
    for output in range(len(expected[0])):
        wanted = [np.asarray(sample[output]) for sample in expected]
        got = [np.asarray(sample[output]) for sample in found]
        if any(a.shape != b.shape and a.size != b.size for a, b in zip(wanted, got, strict=True)):
            return float("inf"), 1.0
        a = np.concatenate([array.ravel() for array in wanted])
        b = np.concatenate([array.ravel() for array in got])
        if a.size == 0:
            continue
        if a.dtype.kind == "f":
            a, b = a.astype(np.float64), b.astype(np.float64)
            if not np.array_equal(np.isfinite(a), np.isfinite(b)):
                return float("inf"), share
            finite = np.isfinite(a)
            if finite.any():
                scale = float(a[finite].std()) or float(np.abs(a[finite]).max()) or 1.0
                worst = max(worst, float(np.abs(a - b)[finite].max()) / scale)
        else:
            share = max(share, float(np.mean(a.astype(np.int64) != b.astype(np.int64))))
    return worst, share


def _graph(folder: Path) -> dict[str, Any]:
    import onnxruntime as ort

    task = json.loads((folder / "task.json").read_text())
    texts: list[str] = task["inputs"]
    file = folder / "graph.onnx"
    drawn: list[list[Any]] | None = None
    eager: list[list[Any]] = []
    if task["callable"]:
        drawn = [[draw(text, s, i) for i, text in enumerate(texts)] for s in range(SAMPLES)]
        eager = _from_torch(task["callable"], drawn, file)
    else:
        file.write_bytes(Path(task["file"]).read_bytes())
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if drawn is None:
        drawn = _samples_for_file(inputs, task)
    names = [value.name for value in inputs]
    outputs = [value.name for value in session.get_outputs()]
    order = _kept(names, task, texts)
    feeds = [{n: sample[i] for n, i in zip(names, order, strict=True)} for sample in drawn]
    results = [session.run(outputs, feed) for feed in feeds]
    arrays = {f"in/{s}/{n}": a for s, feed in enumerate(feeds) for n, a in feed.items()}
    arrays |= {f"out/{s}/{i}": a for s, r in enumerate(results) for i, a in enumerate(r)}
    np.savez(folder / "samples.npz", **arrays)
    off = None
    if eager and len(eager[0]) == len(outputs):
        off = errors(eager, results)[0]
    return {"inputs": names, "outputs": outputs, "order": order, "torch_error": off}


def _kept(names: list[str], task: dict[str, Any], texts: list[str]) -> list[int]:
    """Return which drawn input each of the graph's inputs is; torch drops what nothing uses."""
    if task["callable"]:
        return [int(name.rpartition("_")[2]) for name in names]
    return list(range(len(names))) if len(texts) <= len(names) else []


def _samples_for_file(inputs: Any, task: dict[str, Any]) -> list[list[Any]]:
    """Return [sample][input], of the file that is given as ``--inputs`` or made up."""
    if task.get("samples"):
        with np.load(task["samples"], allow_pickle=False) as arrays:
            return [[arrays[value.name][s] for value in inputs] for s in range(SAMPLES)]
    return [_for_file(inputs, task["inputs"], s) for s in range(SAMPLES)]


def _for_file(inputs: Any, texts: list[str], sample: int) -> list[Any]:
    named = {text.rpartition("=")[0]: text for text in texts if "=" in text}
    plain = iter([text for text in texts if "=" not in text])
    known = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
    found = []
    for index, value in enumerate(inputs):
        declared = known.get(value.type, value.type.removeprefix("tensor(").removesuffix(")"))
        text = named.get(value.name) or next(plain, None) or ",".join(map(str, value.shape))
        found.append(draw(text, sample, index, declared))
    return found


def _from_torch(name: str, drawn: list[list[Any]], file: Path) -> list[list[Any]]:
    """Write torch's graph; return the module's own outputs [sample][output]."""
    import torch
    from torch.utils import _pytree as pytree

    from asymm_deploy.engines.tensors import TensorSpec
    from asymm_deploy.export import untrained
    from benchmarks.zoo_nets import modules

    class Flat(torch.nn.Module):
        """The net, whose outputs are tensors alone: the exporter takes little else."""

        def __init__(self) -> None:
            super().__init__()
            self.module = getattr(modules, name)()

        def forward(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
            leaves = pytree.tree_leaves(self.module(*inputs))
            return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    flat = Flat()
    if untrained.lacks_statistics(flat.module):  # an export sets them too: without, rounding is all
        specs = [TensorSpec(f"in_{i}", a.shape, a.dtype.name) for i, a in enumerate(drawn[0])]
        untrained.set_statistics(flat.module, specs, seed=0)
    module = flat.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    found = []
    with torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
        for sample in drawn:
            found.append([leaf.numpy() for leaf in module(*map(torch.from_numpy, sample))])
        torch.onnx.export(
            module,
            tuple(map(torch.from_numpy, drawn[0])),
            str(file),
            dynamo=False,
            opset_version=_OPSET,
            input_names=[f"in_{i}" for i in range(len(drawn[0]))],
        )
    return found


def _convert(folder: Path) -> dict[str, Any]:
    import _tools

    source, target = folder / "graph.onnx", folder / "graph.mnn"
    options = ("--modelFile", str(source), "--MNNModel", str(target))
    os.chdir(folder)  # it keeps weights in a file there, under a name that is always the same
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--bizCode", "-", *options])
    if not target.exists() or not target.stat().st_size:
        raise RuntimeError("MNN's converter wrote no file")
    return {}


def _run(folder: Path) -> dict[str, Any]:
    task = json.loads((folder / "graph.json").read_text())
    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        samples = {key: arrays[key] for key in arrays.files}
    outputs = range(len(task["outputs"]))
    expected = [[samples[f"out/{s}/{i}"] for i in outputs] for s in range(SAMPLES)]
    feeds = [[samples[f"in/{s}/{name}"] for name in task["inputs"]] for s in range(SAMPLES)]
    return judged(str(folder / "graph.mnn"), task["inputs"], task["outputs"], feeds, expected)


def _made(folder: Path) -> dict[str, Any]:
    """Compare the two files of an export, in the folder that made.json names.

    Their weights need not be those of the cross-check: an export gives untrained BatchNorms
    statistics.
    """
    import onnxruntime as ort

    files = Path(json.loads((folder / "made_task.json").read_text()))
    task = json.loads((folder / "task.json").read_text())
    manifest = json.loads((files / "manifest.json").read_text())
    session = ort.InferenceSession(files / "model.onnx", providers=["CPUExecutionProvider"])
    outputs = [entry["name"] for entry in manifest["outputs"]]
    names = [entry["name"] for entry in manifest["inputs"]]
    gone = set(manifest.get("unused_inputs") or ())
    texts = [text for text in task["inputs"] if text.rpartition("=")[0] not in gone]
    by_name = {value.name: value for value in session.get_inputs()}
    feeds = _samples_for_file([by_name[name] for name in names], {**task, "inputs": texts})
    expected = [session.run(outputs, dict(zip(names, feed, strict=True))) for feed in feeds]
    return judged(str(files / "model.mnn"), names, outputs, feeds, expected)


def judged(
    model: str,
    inputs: list[str],
    outputs: list[str],
    samples: list[list[Any]],
    expected: list[list[Any]],
) -> dict[str, Any]:
    """Return the errors of an .mnn file, and whether its fast convolutions had to be off."""
    found: dict[str, Any] = {}
    for fast in (True, False):
        results = module_outputs(model, inputs, outputs, samples, fast=fast)
        worst, share = errors(expected, results)
        found = {"error": worst, "share": share, "fast": fast}
        if worst <= RIGHT and share <= RIGHT_SHARE:
            break
    return found


def module_outputs(
    model: str,
    inputs: list[str],
    outputs: list[str],
    samples: list[list[Any]],
    *,
    fast: bool = True,
) -> list[list[Any]]:
    """Return outputs [sample][output] of an .mnn file through MNN's Module API, in fp32.

    ``fast=False`` leaves out the large tiles of Winograd's convolutions, which trade digits for
    speed.
    """
    import MNN.nn as mnn
    from MNN import expr

    kinds = {"f": expr.float, "i": expr.int, "u": expr.int, "b": expr.int}
    runtime = mnn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": 1},))
    if not fast:
        runtime.set_hint(_WINOGRAD_MEMORY_LEVEL, 0)
    module = mnn.load_module_from_file(model, inputs, outputs, runtime_manager=runtime)
    results = []
    for sample in samples:
        variables = []
        for array in sample:
            kind = expr.uint8 if array.dtype == np.uint8 else kinds[array.dtype.kind]
            plain = np.float32 if array.dtype.kind == "f" else np.int32
            values = array if array.dtype == np.uint8 else array.astype(plain)
            values = np.ascontiguousarray(values)
            variable = expr.placeholder(list(array.shape), expr.NCHW, kind)
            variable.write(values.tolist() if values.ndim == 0 else values)
            variables.append(variable)
        answers = module.forward(variables)
        answers = answers if isinstance(answers, list) else [answers]
        results.append([np.array(expr.convert(a, expr.NCHW).read()) for a in answers])
    return results


def main(argv: list[str]) -> int:
    """Do one step and write what it found."""
    step, folder = argv[0], Path(argv[1])
    try:
        steps = {"graph": _graph, "convert": _convert, "run": _run, "made": _made}
        done = steps[step](folder)
    except Exception as error:
        line = next((text for text in str(error).splitlines() if text.strip()), "")
        done = {"failed": f"{type(error).__name__}: {line[:300]}"}
    (folder / f"{step}.json").write_text(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
