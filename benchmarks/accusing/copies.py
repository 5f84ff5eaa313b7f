"""Models exported by the command, and copies of their files with one fault each."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import onnx

from asymm_deploy.export.mnn import to_mnn
from benchmarks.accusing import nets
from benchmarks.accusing.faults import Fault
from benchmarks.accusing.mnn_faults import with_mnn_fault
from benchmarks.accusing.onnx_faults import with_fault

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = Path(sysconfig.get_path("scripts")) / "asymm-deploy"
_MODULE = "benchmarks.accusing.nets"
_IN_8_BITS = """
import sys, _tools
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--bizCode", "-", "--modelFile", sys.argv[1],
                   "--MNNModel", sys.argv[2], "--weightQuantBits", "8"])
"""


@dataclass(frozen=True)
class Copy:
    """A file to be judged, and who is guilty."""

    file: Path
    reference: Path
    node: str
    """The ONNX node that has to be named."""


def exported(models: list[str], work: Path) -> None:
    """Export what is not exported yet; raise CalledProcessError where that fails."""
    theirs = [name for name in models if name in nets.SHAPES]
    ours = [name for name in models if name not in nets.SHAPES]
    out = ("--out", str(work))
    commands = [(*ours, *out)] if ours else []
    commands += [(f"{_MODULE}:{name}", *out, "--input-shape", nets.SHAPES[name]) for name in theirs]
    for command in commands:
        subprocess.run((_COMMAND, "export", *command), cwd=ROOT, check=True, stdout=subprocess.PIPE)


def folder_of(model: str, work: Path) -> Path:
    """Return where the export of a model is."""
    return work / (f"{_MODULE}.{model}" if model in nets.SHAPES else model)


def faulty(fault: Fault, work: Path, into: Path) -> Copy:
    """Write a copy with the fault to the folder ``into``, as an .mnn file."""
    source = folder_of(fault.model, work)
    model = onnx.load(source / "model.onnx")
    node = next(each for each in model.graph.node if each.name == fault.node)
    made = into / "model.mnn"
    if fault.in_onnx is not None:
        model.graph.CopyFrom(with_fault(model.graph, fault.node, fault.in_onnx))
        onnx.save(model, into / "model.onnx")
        to_mnn(into / "model.onnx", made)
    if fault.in_mnn is not None:
        clean = source / "model.mnn"
        if fault.bits == 8:
            clean = in_8_bits(source / "model.onnx", into)
        made.write_bytes(with_mnn_fault(clean.read_bytes(), node.output[0], fault.in_mnn))
    return Copy(made, source / "model.onnx", fault.node)


def in_8_bits(source: Path, into: Path) -> Path:
    """Write an .mnn file whose weights have 8 bits to the folder ``into``."""
    made = into / "weights_8.mnn"
    command = (sys.executable, "-I", "-c", _IN_8_BITS, str(source), str(made))
    subprocess.run(command, check=True, capture_output=True, cwd=into)
    return made
