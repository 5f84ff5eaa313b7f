"""A request to export one model: its source, its weights and where it goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export import freshness, manifest
from asymm_deploy.export.manifest import DamagedManifestError, Manifest
from asymm_deploy.files import sha256_of
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile, Source


@dataclass(frozen=True)
class ExportRequest:
    """One model to export. It is sent to a worker process."""

    source: Source
    out: Path
    """The artifacts folder; the model's own folder is inside it."""
    weights: Path | None = None
    seed: int = 0
    weights_sha256: str | None = None
    """What the weights must hash to; None accepts the file as it is."""
    keep_exported: bool = False
    """Also keep the graph as torch exported it, before simplification."""

    def __post_init__(self) -> None:
        """Refuse weights for an .onnx file, which has its own."""
        if self.weights is not None and isinstance(self.source, OnnxFile):
            raise UsageError(
                f"{self.source.path} has its weights in it, and --weights gives others",
                "leave out --weights, or name the network or callable that they are for",
            )

    @property
    def folder(self) -> Path:
        """Where the model's files go."""
        return self.out / self.source.model

    @property
    def text(self) -> str:
        """The source as the user would type it."""
        if isinstance(self.source, NamedNetwork):
            return self.source.spec.name
        if isinstance(self.source, OnnxFile):
            return str(self.source.path)
        return f"{self.source.module}:{self.source.attribute}"

    @property
    def uses_seed(self) -> bool:
        """Whether random weights or statistics may come from the seed."""
        return self.weights is None and not isinstance(self.source, OnnxFile)

    def module_inputs(self) -> tuple[TensorSpec, ...]:
        """Return the name and shape of each argument of the module's forward, in order."""
        if isinstance(self.source, NamedNetwork):
            return (TensorSpec("input", self.source.spec.input_shape),)
        assert isinstance(self.source, CallableModule)
        shapes = self.source.input_shapes
        only = len(shapes) == 1
        return tuple(
            TensorSpec(given.name or ("input" if only else f"input_{index}"), given.shape)
            for index, given in enumerate(shapes)
        )

    def hash_of_weights(self) -> str | None:
        """Return the current SHA-256 of the weights' file, or None if there is none."""
        return None if self.weights is None else _sha256(self.weights)

    def fingerprint(self) -> str:
        """Return one hash of everything that the exported files depend on and that is known now.

        Raises UsageError if the weights or the .onnx file can't be read.
        """
        facts: dict[str, object] = {
            "source": self.text if not isinstance(self.source, OnnxFile) else None,
            "seed": self.seed if self.uses_seed else None,
            "weights": self.weights_sha256 or self.hash_of_weights(),
        }
        if isinstance(self.source, NamedNetwork):
            facts["input_shape"] = self.source.spec.input_shape
        else:
            facts["input_shapes"] = [[s.name, s.shape] for s in self.source.input_shapes]
        if isinstance(self.source, OnnxFile):
            facts["onnx"] = _sha256(self.source.path)
        return freshness.fingerprint(facts)

    def fresh_manifest(self) -> Manifest | None:
        """Return the manifest if the exported files are whole and what this request would make.

        Raises UsageError if a newer version of this program made them, or if the weights, the .onnx
        file or the manifest can't be read.
        """
        wanted = self.fingerprint()  # first: it raises for what can't be read
        try:
            found = manifest.load_manifest(self.folder)
        except (FileNotFoundError, DamagedManifestError):
            return None
        except OSError as error:
            raise UsageError(
                f"can't read {self.folder / manifest.MANIFEST_NAME}: {error.strerror or error}",
                "check the permissions, or give another folder with --out",
            ) from error
        if found.fingerprint != wanted or not freshness.unchanged(found.sources):
            return None
        if self.keep_exported and not (self.folder / manifest.EXPORTED).exists():
            return None
        return None if manifest.damaged_files(found, self.folder) else found


def as_recorded(source: Source, out: Path) -> ExportRequest:
    """Return the request that made the export in ``out``, or the default one if there is none.

    With it, ``bench`` times the weights that somebody exported, and exports them again if a tool
    has changed since. Raises UsageError if the manifest can't be read: nobody knows then which
    weights were used.
    """
    request = ExportRequest(source, out)
    try:
        found = manifest.load_manifest(request.folder)
    except FileNotFoundError:
        return request
    except (OSError, DamagedManifestError) as error:
        raise UsageError(
            f"{request.folder / manifest.MANIFEST_NAME} is damaged: {error}",
            f"export the model again, with its --weights if it has any: asymm-deploy export "
            f"{request.text} --out {out} --force",
        ) from error
    return replace(
        request,
        weights=None if found.weights_path is None else Path(found.weights_path),
        weights_sha256=found.weights_sha256,
        seed=found.seed or 0,
    )


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error
