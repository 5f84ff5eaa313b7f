"""Which counts predict the latencies of the paper's Table 5? Fits, and how far off they are.

    .venv/bin/python benchmarks/predict.py            prints the table of docs/arm-cost.md
    .venv/bin/python benchmarks/predict.py --keep     and keeps the calibration that ships
    .venv/bin/python benchmarks/predict.py --costs costs.jsonl
                                                      takes new counts, and keeps them as data

Counts are in data/table5_counts.json, so no emulator is needed. New ones come from
`asymm-deploy cost --table 5 --by-operator --caches --out DIR`, on a machine that has one.

Every fit is non-negative least squares in relative terms. An error is of a model that had no part
in the fit: left out alone, with its family (AsymmNet, Pruned, MBV3), or with its scale (Large,
Small). A pair is two networks of one scale and multiplier, predicted alone; it is right if the one
that the paper has as faster is predicted so.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Sequence
from itertools import combinations
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
from tabulate import tabulate

from asymm_deploy import jsonl
from asymm_deploy.bench.emulated.counts import COSTS_SCHEMA_VERSION, CostKey, CostRecord, Counts
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import (
    PREDICTORS,
    CostCalibration,
    calibrated,
)
from asymm_deploy.bench.predicted.least_squares import (
    FitNumbers,
    predicted_unseen,
    relative_errors,
    relative_fit,
)
from asymm_deploy.models import names
from asymm_deploy.report.paper import printed_table

DATA = Path(__file__).parent / "data" / "table5_counts.json"
DEVICE = "Snapdragon 855"
SOURCE = "the AsymmNet paper's Table 5: MNN, fp32, one thread, mean of 1000 runs"

CANDIDATES = (
    "madds",
    "madds + params",
    "insn",
    "insn + constant",
    "fma + load",
    "fma + branch",
    "fma + integer",
    "fma + other",
    "fma + vector + load + store + branch + integer",
    "insn + bytes",
    "fma + bytes",
    "bytes",
    "insn + l1",
    "insn + l2",
    "insn + l3",
    "fma + load + l3",
    "conv + depthwise + rest",
    "insn + depthwise",
    "insn + copies",
    "fma + load + copies",
    "insn + operators",
)
_PER_MILLION = 1e6


class ModelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One model of Table 5."""

    model: str
    artifact_sha256: str
    madds: int
    params: int
    counts: Counts
    operators: int
    by_type: dict[str, Counts]
    """Sums over the operators of each type of MNN's."""


class Table5Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The data file."""

    key: CostKey
    models: list[ModelCounts]
    """In the paper's order."""


def summed(counts: Sequence[Counts]) -> Counts:
    """Return the sum of counts that have cache misses."""
    return Counts(
        **{name: sum(getattr(one, name) for one in counts) for name in Counts.__struct_fields__}
    )


def gathered(path: Path) -> Table5Counts:
    """Return Table 5's counts of a costs.jsonl; raise SystemExit if it lacks any."""
    from asymm_deploy.models.complexity import count_spec

    lines = jsonl.read_lines(path, CostRecord, COSTS_SCHEMA_VERSION).records
    records = {record.model: record for record in lines if record.precision == "fp32"}
    models = []
    for name in names.table_models(5):
        found = records.get(name)
        if found is None or not found.counts or not found.operators or not found.valid:
            raise SystemExit(f"{path} has no counts by operator of {name}")
        if found.counts.l1_misses is None:
            raise SystemExit(f"{path} has {name} without cache misses; use --caches")
        own = found.operators
        size = count_spec(names.parse(name))
        models.append(
            ModelCounts(
                model=name,
                artifact_sha256=found.artifact_sha256,
                madds=size.madds,
                params=size.params,
                counts=found.counts,
                operators=len(own),
                by_type={
                    kind: summed([one.counts for one in own if one.type == kind])
                    for kind in sorted({one.type for one in own})
                },
            )
        )
    keys = {record.key for name, record in records.items() if name in names.table_models(5)}
    if len(keys) > 1:
        raise SystemExit(f"{path} has counts by {len(keys)} keys")
    return Table5Counts(key=keys.pop(), models=models)


def paper_ms() -> FitNumbers:
    """Return Table 5's latencies in its order, shape (30,)."""
    return np.array([float(text) for text in printed_table(5)["latency_ms"]], dtype=np.float64)


def column(name: str, data: Table5Counts) -> FitNumbers:
    """Return a candidate's column, shape (models,); instructions and bytes in millions."""
    return np.array([_value(name, one) for one in data.models], dtype=np.float64)


def _value(name: str, one: ModelCounts) -> float:
    counts, types = one.counts, one.by_type
    misses = {"l1": counts.l1_misses, "l2": counts.l2_misses, "l3": counts.l3_misses}
    conv, depthwise = types["Convolution"].insn, types["ConvolutionDepthwise"].insn
    # MNN's Raster copies: here the concatenations, and changes of layout. An MBV3 has few.
    made = {
        "constant": _PER_MILLION,
        "madds": one.madds,
        "params": one.params,
        "operators": one.operators * _PER_MILLION,
        "bytes": counts.load_bytes + counts.store_bytes,
        "other": counts.insn - counts.fma,
        "conv": conv,
        "depthwise": depthwise,
        "copies": types["Raster"].insn,
        "rest": counts.insn - conv - depthwise,
    }
    value = made.get(name, misses.get(name))
    return float(getattr(counts, name) if value is None else value) / _PER_MILLION


def columns_of(candidate: str, data: Table5Counts) -> FitNumbers:
    """Return a candidate's columns, shape (models, columns)."""
    return np.stack([column(name, data) for name in candidate.split(" + ")], axis=1)


def tried(candidate: str, data: Table5Counts, ms: FitNumbers) -> list[str]:
    """Return a row of the table: errors as mean and worst in percent, and pairs in order."""
    columns = columns_of(candidate, data)
    parts = [one.model.split("_") for one in data.models]
    family, scale, width = zip(*parts, strict=True)
    alone = predicted_unseen(columns, ms, range(len(ms)))
    kept = np.array([tuple(part[:2]) != ("pruned", "large") for part in parts])
    without = predicted_unseen(columns[kept], ms[kept], range(int(kept.sum())))
    by_group = [predicted_unseen(columns, ms, groups) for groups in (family, scale)]
    return [
        candidate,
        *(_errors(predicted, ms) for predicted in (alone, *by_group)),
        _pairs(alone, ms, list(zip(scale, width, strict=True))),
        _errors(without, ms[kept]),
        ", ".join(f"{each:.3f}" for each in relative_fit(columns, ms)),
    ]


def table(data: Table5Counts) -> str:
    """Return the table of docs/arm-cost.md."""
    headers = ["counts", "alone", "family", "scale", "pairs", "no Pruned-L", "ms per million"]
    rows = [tried(candidate, data, paper_ms()) for candidate in CANDIDATES]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def chosen_blindly(data: Table5Counts, ms: FitNumbers) -> tuple[str, list[str]]:
    """Return errors if the candidate, too, is chosen without the family that is left out.

    For each family that is the candidate with the smallest mean error of the others' models, each
    left out alone. Choosing by the rows that the errors are of would flatter the choice.
    """
    families = np.array([one.model.split("_")[0] for one in data.models])
    columns = {candidate: columns_of(candidate, data) for candidate in CANDIDATES}
    predicted, chosen = np.zeros(len(ms)), []
    for family in dict.fromkeys(families):
        own = families == family
        seen = ms[~own]
        errors = {
            candidate: relative_errors(
                predicted_unseen(found[~own], seen, range(len(seen))), seen
            ).mean()
            for candidate, found in columns.items()
        }
        best = min(errors, key=lambda candidate: errors[candidate])
        chosen.append(f"{family}: {best}")
        predicted[own] = columns[best][own] @ relative_fit(columns[best][~own], seen)
    return _errors(predicted, ms), chosen


def _errors(predicted: FitNumbers, ms: FitNumbers) -> str:
    errors = relative_errors(predicted, ms) * 100
    return f"{errors.mean():.1f} / {errors.max():.1f}"


def _pairs(predicted: FitNumbers, ms: FitNumbers, groups: Sequence[Hashable]) -> str:
    pairs = [
        (one, other)
        for one, other in combinations(range(len(ms)), 2)
        if groups[one] == groups[other]
    ]
    right = sum(
        bool((predicted[one] < predicted[other]) == (ms[one] < ms[other])) for one, other in pairs
    )
    return f"{right} of {len(pairs)}"


def fitted(data: Table5Counts) -> CostCalibration:
    """Return the calibration that ships."""
    rows = zip(
        (one.counts for one in data.models), cast(list[float], paper_ms().tolist()), strict=True
    )
    return calibrated(calibrations.SHIPPED, DEVICE, SOURCE, data.key, "fp32", list(rows))


def off_by_family(data: Table5Counts, ms: FitNumbers) -> list[list[str]]:
    """Return how far each family's left-out predictions are off, from least to most."""
    columns = np.stack([column(name, data) for name in PREDICTORS], axis=1)
    off = (predicted_unseen(columns, ms, range(len(ms))) / ms - 1) * 100
    kinds = ["_".join(one.model.split("_")[:2]) for one in data.models]
    return [
        [kind, f"{own.min():+.1f} to {own.max():+.1f}"]
        for kind in sorted(set(kinds))
        for own in [off[[other == kind for other in kinds]]]
    ]


def main() -> None:
    """Print the tables; keep what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--costs", type=Path, help="take counts from this costs.jsonl")
    parser.add_argument("--keep", action="store_true", help="keep the calibration that ships")
    arguments = parser.parse_args()
    if arguments.costs:
        DATA.write_bytes(
            msgspec.json.format(msgspec.json.encode(gathered(arguments.costs))) + b"\n"
        )
    data = msgspec.json.decode(DATA.read_bytes(), type=Table5Counts)
    ms = paper_ms()
    print(table(data))
    errors, choices = chosen_blindly(data, ms)
    print(f"\nfamily, by what the other families choose: {errors} ({'; '.join(choices)})")
    print(f"\n{' + '.join(PREDICTORS)}, left out alone, percent off:\n")
    print(tabulate(off_by_family(data, ms), tablefmt="plain"))
    chosen = fitted(data)
    if arguments.keep:
        calibrations.shipped_file().write_bytes(calibrations.calibration_json(chosen))
    print(f"\n{calibrations.calibration_json(chosen).decode()}")


if __name__ == "__main__":
    main()
