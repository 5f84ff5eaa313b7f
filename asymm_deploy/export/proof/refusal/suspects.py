"""Why a stage differs, and what its user can do: the words of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.export.probing.domain import INT32_HIGH
from asymm_deploy.export.proof.reference import Reference
from asymm_deploy.export.proof.refusal.culprit import (
    Culprit,
    culprit_in_mnn,
    culprit_in_onnx,
    too_wide,
)
from asymm_deploy.export.proof.refusal.difference import Difference
from asymm_deploy.models.input_shape import InputShape

if TYPE_CHECKING:
    import onnx

FROZEN = (
    "what forward decides in Python, from the input's values, is frozen while exporting; write it "
    "with torch.where, or export the module yourself and give the .onnx file"
)
RANDOM = (
    "two runs of the module differ on the same input: it draws random numbers, or keeps something "
    "from run to run; make forward deterministic in eval mode (no randn, no dropout there), or "
    "draw the numbers outside and hand them in as an input"
)


@dataclass(frozen=True)
class Suspects:
    """What is looked into when a stage differs."""

    reference: Reference
    exported: onnx.ModelProto
    """The graph before it was simplified."""
    simplified: onnx.ModelProto | None
    """What MNN's file was made from; None as long as there is none."""
    scratch: Path
    from_module: bool = False
    is_random: Callable[[Arrays], bool] = lambda _sample: False
    """Whether two runs of the definition differ on one input."""
    inside_module: Callable[[Arrays], Culprit | None] = lambda _sample: None
    """The first module whose output ONNX Runtime doesn't give."""

    def explain(self, where: Difference) -> tuple[str, str]:
        """Return the clause that names the operator, and the hint."""
        sample = self.reference.samples[where.probe]
        if where.stage == "onnx":
            if self.is_random(sample):
                return "two runs of the module differ as well", RANDOM
            culprit = self.inside_module(sample)
        elif where.stage == "simplified":
            assert self.simplified is not None
            culprit = culprit_in_onnx(self.exported, self.simplified, sample)
        else:
            assert self.simplified is not None
            culprit = culprit_in_mnn(self.simplified, self.reference.inputs, sample, self.scratch)
        clause = "" if culprit is None else culprit.told
        return clause, self._hint(where, culprit, sample)

    def _hint(self, where: Difference, culprit: Culprit | None, sample: Arrays) -> str:
        if where.stage == "onnx":
            return FROZEN if self.from_module else _REPORT
        if where.stage == "simplified":
            return _REPORT
        narrower = narrower_range(self.reference, sample)
        if narrower:
            return (
                f"MNN computes it otherwise for such values; if the model never gets them, say so: "
                f"{narrower}; else write the operator in others that MNN computes right"
            )
        what = "module" if self.from_module else "graph"
        if culprit is None:
            return (
                "with every tensor as an output MNN agrees, so it is what its converter fuses; "
                f"change the {what} around its last layers, or allow more with --tolerance"
            )
        return (
            f"MNN computes {culprit.operator} otherwise here: write it in other operators in the "
            f"{what}, or, if the difference does no harm, allow it with --tolerance"
        )


_REPORT = "this is likely a bug in a converter; please report it with the .onnx file"


def narrower_range(reference: Reference, sample: Arrays) -> str:
    """Return the option that leaves out integers that are negative or need more than 32 bits.

    Empty where the sample has none.
    """
    wide = too_wide(reference.inputs, sample)
    options = []
    highest = {given.name: given.high for given in reference.proven}
    for spec in reference.inputs:
        values = sample[spec.name]
        if values.dtype.kind not in "iu" or values.size == 0:
            continue
        if spec.name == wide or int(values.min()) < 0:
            high = max(1, min(int(highest.get(spec.name) or 1), INT32_HIGH))
            option = InputShape(spec.name, spec.shape, spec.dtype, 0, high)
            options.append(f"--input-shape {option.text}")
    return " ".join(options)
