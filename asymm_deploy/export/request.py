"""A request to export one model: its source, weights and inputs, and where it goes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export import freshness, manifest
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.proof.samples import completed_by_samples
from asymm_deploy.export.weights.hub import located, place_of
from asymm_deploy.export.weights.hub_name import HubFile
from asymm_deploy.files import sha256_of
from asymm_deploy.models.input_shape import InputShape, argument_names
from asymm_deploy.models.naming.variant_names import variant_model
from asymm_deploy.models.source import (
    NETWORK_INPUT,
    CallableModule,
    NamedNetwork,
    OnnxFile,
    Source,
    own_classes,
    shape_unknown,
)


@dataclass(frozen=True)
class ExportRequest:
    """One model to export. It is sent to a worker process."""

    source: Source
    out: Path
    """The artifacts folder; the model's own folder is inside it."""
    weights: Path | HubFile | None = None
    seed: int = 0
    weights_sha256: str | None = None
    """What the weights must hash to; None accepts the file as it is."""
    keep_exported: bool = False
    """Also keep the graph as torch exported it, before simplification."""
    samples: Path | None = None
    """The user's own inputs, a file of arrays; see ``proof.samples``."""
    samples_sha256: str | None = None
    """What the samples must hash to; None accepts the file as it is."""
    tolerance: float | None = None
    """A limit of the user's for every output, as a share of its deviation; None: ours."""
    opset: int | None = None
    """Of the exported graph; None: the usual one."""
    weights_key: str | None = None
    """Which entry of the weights' file to take, where it has several."""
    strip_prefix: str | None = None
    """What to cut from the beginning of the weights' names."""

    def __post_init__(self) -> None:
        """Refuse what the source has already, and options that mean nothing without another."""
        if isinstance(self.source, OnnxFile):
            self._refuse_what_a_graph_has(self.source.path)
        for option, given in (
            ("--weights-key", self.weights_key),
            ("--strip-prefix", self.strip_prefix),
        ):
            if given is not None and self.weights is None:
                raise UsageError(
                    f"{option} is about a file of weights, and none is given",
                    f"give the file as well, with --weights FILE, or leave out {option}",
                )
        if self.tolerance is not None and not 0 < self.tolerance < inf:
            raise UsageError(
                f"--tolerance {self.tolerance} is not a positive number",
                "give the largest difference to accept, as a share of the output's standard "
                "deviation: --tolerance 1e-3",
            )

    def _refuse_what_a_graph_has(self, path: Path) -> None:
        if self.weights is not None:
            raise UsageError(
                f"{path} has its weights in it, and --weights gives others",
                "leave out --weights, or name the network or callable that they are for",
            )
        if self.opset is not None:
            raise UsageError(
                f"{path} has its opset in it, and --opset {self.opset} asks for another",
                "leave out --opset, or export the .onnx file anew with that opset and name that",
            )

    @property
    def folder(self) -> Path:
        """Where the model's files go."""
        return self.out / self.source.model

    @property
    def text(self) -> str:
        """The source as the user would type it."""
        if isinstance(self.source, NamedNetwork):
            model = self.source.spec.name
        elif isinstance(self.source, OnnxFile):
            model = str(self.source.path)
        else:
            model = f"{self.source.module}:{self.source.attribute}"
        return variant_model(model, self.source.variant)

    def again(self, *more: str) -> str:
        """Return the command that exports this anew; SHAPE stands for what nobody knows."""
        shapes = [shape.text for shape in self.given_shapes]
        if isinstance(self.source, CallableModule) and not shapes and self.samples is None:
            shapes = ["SHAPE"]
        words = ["asymm-deploy", "export", self.text]
        if classes := own_classes(self.source):
            words += ["--classes", str(classes)]
        words += [word for shape in shapes for word in ("--input-shape", shape)]
        words += [] if self.out == Path("artifacts") else ["--out", str(self.out)]
        return shlex.join((*words, *more))

    @property
    def uses_seed(self) -> bool:
        """Whether random weights or statistics may come from the seed."""
        return self.weights is None and not isinstance(self.source, OnnxFile)

    @property
    def given_shapes(self) -> tuple[InputShape, ...]:
        """What ``--input-shape`` says of the inputs, in its order."""
        if isinstance(self.source, NamedNetwork):
            return () if self.source.given is None else (self.source.given,)
        return self.source.input_shapes

    def module_inputs(self) -> tuple[TensorSpec, ...]:
        """Return name, shape and type of each argument of the module's forward, in order.

        What wasn't given is as in the samples, if there are any; else the type is float32. Raises
        UsageError where neither the user nor the samples tell the shapes, or if the samples can't
        be read.
        """
        if isinstance(self.source, NamedNetwork):
            return (TensorSpec(NETWORK_INPUT, self.source.spec.input_shape),)
        assert isinstance(self.source, CallableModule)
        shapes = self.source.input_shapes
        samples = self.samples_file()
        if samples is not None:
            shapes = completed_by_samples(shapes, samples)
        if not shapes:
            raise shape_unknown(self.source)
        return tuple(
            TensorSpec(name, given.shape, given.dtype or "float32")
            for name, given in zip(argument_names(shapes), shapes, strict=True)
        )

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the least and the largest value by input, for those that the user told it of.

        An .onnx file's shape without a name, which is that of its only input, is under ``""``.
        """
        shapes = self.given_shapes
        if isinstance(self.source, OnnxFile):
            names = [shape.name or "" for shape in shapes]
        elif isinstance(self.source, NamedNetwork):
            names = [NETWORK_INPUT] * len(shapes)
        else:
            names = argument_names(shapes)
        return {
            name: given.values
            for name, given in zip(names, shapes, strict=True)
            if given.values is not None
        }

    def samples_file(self) -> Path | None:
        """Return where the user's samples are, or None if there are none.

        Raises UsageError if they can't be read, or aren't those that were recorded.
        """
        if self.samples is not None and self.samples_sha256 not in (None, self.hash_of_samples()):
            raise UsageError(
                f"{self.samples} is not the file that {self.text} was exported with",
                f"export it again: {self.again('--inputs', 'FILE')}",
            )
        return self.samples

    def hash_of_samples(self) -> str | None:
        """Return the current SHA-256 of the user's samples, or None if there are none."""
        return None if self.samples is None else _sha256(self.samples)

    def hash_of_weights(self) -> str | None:
        """Return the current SHA-256 of the weights' file, or None if there is none."""
        return None if self.weights is None else _sha256(place_of(self.weights))

    def as_files_are_now(self) -> ExportRequest:
        """Return the request with what its files hash to: if they change later, that is told.

        Raises UsageError if one can't be read.
        """
        return replace(
            self,
            weights=located(self.weights),
            weights_sha256=self.weights_sha256 or self.hash_of_weights(),
            samples_sha256=self.samples_sha256 or self.hash_of_samples(),
        )

    def fingerprint(self) -> str:
        """Return one hash of everything that the exported files depend on and that is known now.

        Raises UsageError if the weights, the samples or the .onnx file can't be read.
        """
        facts: dict[str, object] = {
            "source": self.text if not isinstance(self.source, OnnxFile) else None,
            "seed": self.seed if self.uses_seed else None,
            "weights": self.weights_sha256 or self.hash_of_weights(),
            "weights_key": self.weights_key,
            "strip_prefix": self.strip_prefix,
            "samples": self.samples_sha256 or self.hash_of_samples(),
            "tolerance": self.tolerance,
            "opset": self.opset,
        }
        if isinstance(self.source, NamedNetwork):
            facts["input_shape"] = self.source.spec.input_shape
            facts["classes"] = self.source.spec.told_apart
            facts["ranges"] = self.ranges()
        else:
            facts["input_shapes"] = [shape.text for shape in self.source.input_shapes]
        if isinstance(self.source, OnnxFile):
            facts["onnx"] = _sha256(self.source.path)
        return freshness.fingerprint(facts)

    def fresh_manifest(self) -> Manifest | None:
        """Return the manifest if the exported files are whole and what this request would make.

        Raises UsageError if a newer version of this program made them, or if the weights, the .onnx
        file or the manifest can't be read.
        """
        wanted = self.fingerprint()  # first: it raises for what can't be read
        found = manifest.manifest_there(self.folder)
        if found is None or found.fingerprint != wanted or self._has_other_files(found):
            return None
        if self.keep_exported and not (self.folder / manifest.EXPORTED).exists():
            return None
        return None if manifest.damaged_files(found, self.folder) else found

    def _has_other_files(self, found: Manifest) -> bool:
        """Whether what ``found`` was made of is not what its names mean here and now."""
        folder = self.source.path.parent if isinstance(self.source, OnnxFile) else Path()
        if not freshness.unchanged(found.dependencies, folder):
            return True
        if isinstance(self.weights, HubFile) and self.weights.commit != found.weights_revision:
            return True
        # Where they are gone, what was recorded of them counts.
        given = ((self.weights, self.weights_sha256), (self.samples, self.samples_sha256))
        return any(
            isinstance(path, Path) and sha256 and path.is_file() and _sha256(path) != sha256
            for path, sha256 in given
        )


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error
