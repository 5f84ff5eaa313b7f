"""What is known of one variant of a model on one device, from the records of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.bench import flags
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.records import PairedRatio, Precision, RowSummary
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1, top1_of
from asymm_deploy.evaluate.lane import HERE
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.export.quantize.variant import Variant
from asymm_deploy.text import ListRow


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFile:
    """One variant's file, or why there is none."""

    model: str
    """Without the variant."""
    variant: str
    """``fp32`` and ``fp16`` are one file, computed in two ways."""
    precision: Precision = "fp32"
    artifact: str = ""
    """The folder's name: ``MODEL@w8``."""
    sha256: str | None = None
    """Of model.mnn."""
    size: int | None = None
    """Bytes of model.mnn."""
    made: Variant | None = None
    """How it was made; None for the export itself."""
    weights: str = "given"
    """``trained``, ``given`` (nobody knows) or ``untrained``."""
    missing: str | None = None
    """Why there is no file."""
    unmeasured: str | None = None
    """Why nothing that its device runs is this variant."""
    note: str | None = None
    """What a reader has to know besides, in words."""


@dataclass(frozen=True, slots=True)
class ChangedAnswers:
    """How a variant's answers compare with the first engine's, of the export in fp32."""

    agreement_percent: float
    compared_with: str
    became_wrong: int
    became_right: int
    p: float
    """McNemar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFacts:
    """What was measured of one variant on one device; None is unknown."""

    file: VariantFile
    device: str
    """As the records name it; ``a76`` for the emulated processor."""
    top1: MeasuredTop1 | None = None
    changed: ChangedAnswers | None = None
    row: RowSummary | None = None
    pair: PairedRatio | None = None
    """Its ratio to the export in fp32, of both in turns in one process."""
    counted: CostRecord | None = None
    """Of the emulated processor, if it is valid."""
    explained: Explanation | None = None
    """Of the device, if it didn't fail."""

    @property
    def insn(self) -> int | None:
        """ARM instructions of a run."""
        counts = None if self.counted is None else self.counted.counts
        return None if counts is None else counts.insn

    @property
    def sqnr_db(self) -> float | None:
        """Of its outputs over ``proof_inputs``, against the fp32 file's."""
        return None if self.file.made is None else self.file.made.sqnr_db

    @property
    def proof_inputs(self) -> str:
        """Over what the outputs were compared."""
        made = self.file.made
        return "the export's inputs" if made is None or made.images is None else "int8's images"

    @property
    def proof_agreement(self) -> float | None:
        """Percent of ``proof_inputs`` with the same class, the least of all outputs."""
        outputs = () if self.file.made is None else self.file.made.outputs
        found = [x.agreement_percent for x in outputs if x.agreement_percent is not None]
        return min(found, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRecords:
    """The records of a results folder that tell of variants."""

    rows: Sequence[RowSummary] = ()
    costs: Sequence[CostRecord] = ()
    explained: Sequence[Explanation] = ()
    accuracies: Sequence[ListRow] = ()


def facts_of(
    file: VariantFile, device: str, records: VariantRecords, lane_device: str = HERE
) -> VariantFacts:
    """Return what the records say of a file on a device; the latest of each counts.

    ``lane_device`` is how accuracy.csv names the device. Records of another file of the same name
    are left out. Raises ValueError if a number of accuracy.csv is none.
    """
    if file.missing is not None:
        return VariantFacts(file=file, device=device)
    costs = [
        each
        for each in records.costs
        if each.artifact_sha256 == file.sha256
        and (each.model, each.precision) == (file.artifact, file.precision)
        and each.counts is not None
        and flags.leave_valid(each.flags, ("unverified",))
    ]
    counted = costs[-1] if costs else None
    if file.unmeasured is not None:
        return VariantFacts(file=file, device=device, counted=counted)
    rows = [
        each
        for each in records.rows
        if each.artifact_sha256 == file.sha256
        and (each.model, each.precision, each.device) == (file.artifact, file.precision, device)
        and (each.engine, each.threads, each.backend) == ("mnn", 1, "cpu")
    ]
    explained = [
        each
        for each in records.explained
        if each.artifact_sha256 == file.sha256
        and (each.model, each.precision, each.device) == (file.artifact, file.precision, device)
        and each.error is None
        and each.operators
    ]
    accuracy = _accuracy(file, lane_device, records.accuracies)
    row = rows[-1] if rows else None
    pairs = () if row is None else row.paired
    return VariantFacts(
        file=file,
        device=device,
        top1=None if accuracy is None else top1_of(accuracy),
        changed=None if accuracy is None else _changed(accuracy),
        row=row,
        pair=next((each for each in pairs if each.partner == file.model), None),
        counted=counted,
        explained=explained[-1] if explained else None,
    )


def _accuracy(file: VariantFile, device: str, rows: Sequence[ListRow]) -> ListRow | None:
    variant = "fp32" if file.variant == "fp16" else file.variant
    wanted = (file.model, variant, "mnn", device, file.precision)
    for row in reversed(rows):
        own = tuple(row[name] for name in ("model", "variant", "engine", "device", "precision"))
        if own == wanted and row["images"]:
            return row
    return None


def _changed(row: ListRow) -> ChangedAnswers | None:
    if not row["agreement_percent"]:
        return None
    return ChangedAnswers(
        float(row["agreement_percent"]),
        str(row["compared_with"]),
        int(row["became_wrong"]),
        int(row["became_right"]),
        float(row["mcnemar_p"]),
    )
