"""What was found out about each operator of a model: its time or instructions, and its error."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from asymm_deploy.bench.records import Engine, Precision

EXPLAINED_NAME = "explained.jsonl"
EXPLAINED_SCHEMA_VERSION = 1
"""Newest version of a line in explained.jsonl. Incremented when older readers would misread it."""
MOST_SNR_DB = 300.0
"""Stands for values that are equal to the reference, bit by bit."""
MOST_OVER_DEVIATION = 1e9
"""Stands for another shape than the reference's, and for NaN or an infinity in a number's place."""
MOST_DEVIATIONS = 1e30
"""Stands for an error that is infinite or no number: JSON has neither."""

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Figure: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""What nobody can have measured is damage, wherever a line is read."""

Kind: TypeAlias = Literal[
    "pointwise",
    "depthwise",
    "convolution",
    "fully connected",
    "concat copy",
    "squeeze-excite",
    "activation",
    "elementwise",
    "pooling",
    "normalisation",
    "attention",
    "layout",
    "conversion",
    "other",
]
"""What an operator is to the network; ``squeeze-excite`` is all that stands inside such a module,
``layout`` copies values without computing, ``conversion`` is between float and int8."""


class OperatorError(msgspec.Struct, frozen=True, kw_only=True):
    """How far an operator's output is from the reference's values of the same tensor."""

    snr_db: float
    """10 log10 of the reference's power over the error's; `MOST_SNR_DB` if they are equal."""
    over_deviation: Annotated[float, msgspec.Meta(ge=0)]
    """The largest error over the standard deviation of the reference's values."""

    def __post_init__(self) -> None:
        """Keep both within what a file can hold."""
        if not self.over_deviation <= MOST_DEVIATIONS:
            msgspec.structs.force_setattr(self, "over_deviation", MOST_DEVIATIONS)
        if not abs(self.snr_db) <= MOST_SNR_DB:
            kept = MOST_SNR_DB if self.snr_db > 0 else -MOST_SNR_DB
            msgspec.structs.force_setattr(self, "snr_db", kept)


class ExplainedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the .mnn file, in the order in which MNN runs them."""

    index: _Count
    name: str
    """MNN's, of the tensor that it makes: ``/blocks.0/depthwise/conv/Conv_output_0_raster_0``."""
    type: str
    """MNN's: ``Convolution``, ``Raster``, ``BinaryOp``."""
    kind: Kind
    module: str | None
    """Path of the torch module it came from; None if that is unknown."""
    node: str | None
    """The ONNX node it computes, or is a part of; None if that is unknown."""
    node_type: str | None
    """The ONNX operator: ``Conv``, ``Concat``."""
    output_shape: tuple[_Count, ...]
    madds: _Count
    """Multiply-adds; 0 for what has none."""
    bytes_moved: _Count
    """Of the inputs, weights and outputs, each once, in the types they are kept in."""
    time_ms: _Figure | None = None
    """Its part of ``Explanation.median_ms``."""
    launches_ms: tuple[_Figure, ...] = ()
    """The same by launch, where there were several: how far they lie apart is the noise."""
    insn: _Count | None = None
    """Instructions of the emulated processor."""
    on_layer: OperatorError | None = None
    """With everything before it computed by MNN too."""
    own: OperatorError | None = None
    """This operator alone, fed with the reference's values."""
    own_limit: _Figure | None = None
    """What ``own.over_deviation`` may be at most."""
    limit_reason: str | None = None
    """Why that is more than rounding in fp32, in words: ``weights in 8 bits``."""
    unjudged: str | None = None
    """Why there is no error, in words: ``part of a HardSigmoid, judged at its end``."""
    in_8_bits: bool = False
    """Whether what it makes is kept in 8 bits. False in records of older versions."""
    also: tuple[str, ...] = ()
    """Other nodes that MNN computes in the same operator: an activation, a copy on the way."""

    @property
    def accused(self) -> bool:
        """Whether its own error is beyond its limit."""
        if self.own is None or self.own_limit is None:
            return False
        return not self.own.over_deviation <= self.own_limit


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One line of explained.jsonl: one model on one device, or why it could not be explained."""

    schema_version: int = EXPLAINED_SCHEMA_VERSION
    model: str
    artifact_sha256: str
    """Of the file that ran."""
    inputs_sha256: str | None
    """Of the recorded input; None if the seed made it."""
    engine: Engine
    engine_version: str
    precision: Precision
    device: str
    """As latency.csv names it; ``a76`` for the emulated processor."""
    cpu: str
    """The core that it was pinned to: ``7``; the emulated processor's name; empty if none."""
    median_ms: _Figure | None
    """Of the plain runs, without callbacks; None if nothing was timed."""
    taken_out_percent: float | None
    """What watching cost, over ``median_ms``; it is not in the operators' times."""
    runs: _Count
    """Plain ones, and as many that were watched."""
    peak_gmacs: _Figure | None
    """Multiply-adds a second that the core reached in a fixed loop, in 10^9."""
    operators: tuple[ExplainedOperator, ...]
    """Empty if the model failed."""
    reference: str | None
    """Where the right values come from: a file's name; None if there was none."""
    reference_sha256: str | None = None
    flags: tuple[str, ...]
    """As of a bench."""
    valid: bool
    started_at: str
    """ISO 8601, UTC."""
    notes: tuple[str, ...] = ()
    """What a reader has to know, a sentence each."""
    error: str | None = None
    """Why it failed, if it did."""

    @property
    def first_accused(self) -> ExplainedOperator | None:
        """The first operator, in order, whose own error is beyond its limit."""
        return next((each for each in self.operators if each.accused), None)


EXPLAIN_COLUMNS = (
    "model",
    "device",
    "precision",
    "index",
    "module",
    "node",
    "operator",
    "kind",
    "output_shape",
    "madds_m",
    "time_ms",
    "share_percent",
    "gmacs",
    "moved_mb",
    "intensity",
    "peak_percent",
    "insn_m",
    "snr_db",
    "error_over_deviation",
    "own_snr_db",
    "own_error_over_deviation",
    "own_limit",
    "accused",
)
"""Columns of explain.csv and of ``--format csv``; empty where nothing was measured."""
