"""A lane: one file of a model, on one engine, on one device, in one precision."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from asymm_deploy.bench.answered.emulated_answers import EmulatedAnswering
from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.evaluate.prediction import EvaluationEngine, Sample
from asymm_deploy.evaluate.sample_reading import SampleReading
from asymm_deploy.export.mnn import Api
from asymm_deploy.export.request import ExportRequest

HERE = "host"
"""The device of a lane that runs in our own processes."""
BASE_VARIANT = "fp32"
"""The variant that an export is, before anything is quantised."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers come from. All lanes of an evaluation get the same inputs."""

    model: str
    """``MODEL``, without its variant."""
    variant: str
    engine: EvaluationEngine
    device: str
    """``host``, ``a76``, or a phone's serial number."""
    precision: Precision
    path: Path
    """The file that is run; PyTorch takes the definition instead."""
    sha256s: tuple[str, ...]
    """Of all that the answers depend on in the export's folder."""
    api: Api
    output_names: tuple[str, ...]
    device_key: str = ""
    """What answers there depend on besides."""

    @property
    def is_here(self) -> bool:
        """Whether our own processes run the engine."""
        return self.device == HERE

    @property
    def file_stem(self) -> str:
        """What names of files begin with that hold its predictions."""
        return self.model if self.variant == BASE_VARIANT else f"{self.model}@{self.variant}"

    @property
    def text(self) -> str:
        """It in words, as far as it is no usual one: ``mnn, w8, fp16, on a76``."""
        parts: list[str] = [self.engine]
        parts += [self.variant] if self.variant != BASE_VARIANT else []
        parts += [self.precision] if self.precision != "fp32" else []
        parts += [] if self.is_here else [f"on {self.device}"]
        return ", ".join(parts)


class EvaluatedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to know of a model."""

    request: ExportRequest
    """Of the definition, for PyTorch."""
    inputs: tuple[TensorSpec, ...]
    reading: SampleReading
    """How it takes samples."""
    lanes: tuple[Lane, ...]
    emulated: dict[int, EmulatedAnswering] = msgspec.field(default_factory=dict)
    """Who answers in the emulator, by lane."""


def lane_key(model: EvaluatedModel, lane: Lane, images: Sequence[Sample], chunk_images: int) -> str:
    """Return a hash of all that a lane's predictions depend on; chunks of one key may be mixed."""
    facts = {
        "files": lane.sha256s,
        "recipe": model.reading.key(),
        "images": [each.facts for each in images],
        "chunk": chunk_images,
        "pillow": version("pillow"),  # the engines' versions are in the fingerprint
        "lane": (lane.variant, lane.engine, lane.device, lane.precision, lane.device_key),
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()
