"""A results folder -> rows: launches, counts, accuracies, and the sizes of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from asymm_deploy import jsonl
from asymm_deploy.bench import store
from asymm_deploy.bench.cold.cold_store import COLD_NAME
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES
from asymm_deploy.evaluate.lane import BASE_VARIANT
from asymm_deploy.evaluate.tasks.task_rows import TASKS
from asymm_deploy.explain.explanation import EXPLAINED_NAME
from asymm_deploy.export import manifest
from asymm_deploy.files import sha256_of
from asymm_deploy.history.found.found_rows import FoundRow, FoundRows, variant_in
from asymm_deploy.history.found.launch_rows import launch_rows, launched_sizes
from asymm_deploy.history.found.timed_rows import cold_launch_rows, curve_rows
from asymm_deploy.history.history_schema import HistoryRow
from asymm_deploy.models.input_shape import shape_text
from asymm_deploy.safe import excerpt
from asymm_deploy.text import ListRow, counted

_CLASSIFICATION = "classification"
_TAKEN_IN = (
    *(store.NAME, COLD_NAME, SUSTAINED_NAME, COSTS_NAME),
    *(ACCURACIES.name, TASKS.name),
)
OTHER_RECORDS = (COSTS_NAME, COLD_NAME, SUSTAINED_NAME, EXPLAINED_NAME)
"""Files of a results folder that hold no launches of runs.jsonl."""


def result_rows(results: Path, artifacts: Path) -> FoundRows:
    """Return what is in ``results``, a folder or the runs.jsonl of one; nothing if it has nothing.

    Models' files are looked for in ``results`` and in ``artifacts``, and are taken for those that
    were measured only if their hashes say so. Raises UsageError for what can't be read, is damaged
    or of a newer program.
    """
    found = FoundRows()
    is_folder = results.is_dir()
    for name in _TAKEN_IN if is_folder else ():
        if (results / name).is_symlink() and not (results / name).exists():
            raise UsageError(
                f"{results / name} is a link to nothing", "restore what it stands for, or remove it"
            )
    launches = _launches(results / store.NAME if is_folder else results, found)
    costs = _costs(results / COSTS_NAME, found) if is_folder else []
    if is_folder:
        found.rows += _accuracies(results)
        launches = [*cold_launch_rows(results, found), *curve_rows(results, found), *launches]
        if (results / EXPLAINED_NAME).exists():
            found.remarks.append(f"{results / EXPLAINED_NAME}: a history takes no such records in")
    found.rows += _sizes(results if is_folder else None, artifacts, launches, costs, found)
    return found


def _launches(path: Path, found: FoundRows) -> list[LaunchRecord]:
    read = store.read_runs(path)
    found.leave_out_torn(path, read.torn)
    mine = [record for record in read.records if record.written_by != "check"]
    if len(mine) < len(read.records):
        found.remarks.append(
            f"{path}: {counted(len(read.records) - len(mine), 'launch')} of a check "
            f"{'is' if len(read.records) - len(mine) == 1 else 'are'} left out, in which two "
            "versions share a name; its verdicts are kept"
        )
    found.rows += launch_rows(mine, path)
    return mine


def _costs(path: Path, found: FoundRows) -> list[CostRecord]:
    read = jsonl.read_lines(path, CostRecord, COSTS_SCHEMA_VERSION)
    found.leave_out_torn(path, read.torn)
    last = {_cost_place(record): number for number, record in enumerate(read.records, start=1)}
    for number, record in enumerate(read.records, start=1):
        in_use = last[_cost_place(record)] == number
        found.rows.append(_cost_row(record, number, in_use=in_use))
    return read.records


def _cost_place(record: CostRecord) -> tuple[object, ...]:
    return (record.model, record.input_shape, record.classes, record.precision, record.key)


def _cost_row(record: CostRecord, line: int, *, in_use: bool) -> FoundRow:
    counts, key = record.counts, record.key
    figures: HistoryRow = {}
    if counts is not None:
        figures = {
            "insn": counts.insn,
            "fma_insn": counts.fma,
            "vector_insn": counts.vector,
            "load_insn": counts.load,
            "store_insn": counts.store,
            "branch_insn": counts.branch,
            "integer_insn": counts.integer,
            "load_bytes": counts.load_bytes,
            "store_bytes": counts.store_bytes,
            "l1_misses": counts.l1_misses,
            "l2_misses": counts.l2_misses,
            "l3_misses": counts.l3_misses,
        }
    values: HistoryRow = {
        "model": record.model,
        "variant": variant_in(record.model),
        "device": EMULATED,
        "precision": record.precision,
        "threads": 1,
        "engine": key.engine,
        "engine_version": key.engine_version,
        "artifact_sha256": record.artifact_sha256,
        "input_shape": None if record.input_shape is None else shape_text(record.input_shape),
        "classes": record.classes,
        "cpu": key.cpu,
        "cost_key": key.text(),
        **figures,
        "line": line,
        "in_use": in_use,
        "counts": in_use and record.valid and counts is not None,
        "valid": record.valid,
        "flags": list(record.flags),
        "error": record.error,
    }
    identity = (
        *(record.model, record.artifact_sha256, record.inputs_sha256, record.classes),
        *(record.precision, key.text(), list(figures.values()), record.valid, record.error),
    )
    return FoundRow("costs", identity, values)


def _accuracies(results: Path) -> Iterator[FoundRow]:
    for row in ACCURACIES.read(results):
        where = results / ACCURACIES.name
        intervals = {"top1": ("top1_low_percent", "top1_high_percent"), "top5": ("", "")}
        for metric, (low, high) in intervals.items():
            figures = (row[f"{metric}_percent"], row.get(low, ""), row.get(high, ""))
            yield _accuracy(row, _CLASSIFICATION, metric, figures, row["images"], where)
    for row in TASKS.read(results):
        figures = (row["percent"], row["low_percent"], row["high_percent"])
        where = results / TASKS.name
        task, metric = str(row["task"]), str(row["metric"])
        yield _accuracy(row, task, metric, figures, row["samples"], where)


def _accuracy(
    row: ListRow, task: str, metric: str, figures: Sequence[Any], samples: Any, where: Path
) -> FoundRow:
    variant = str(row["variant"])
    is_base = variant == BASE_VARIANT
    try:
        percent, low, high = (_percentage(cell) for cell in figures)
        counts = [int(cell) if cell else None for cell in (samples, row["unreadable"])]
        classes = int(row["classes"]) if row.get("classes") else None
    except ValueError as error:
        raise UsageError(
            f"{where} is damaged: {str(error)[:200]}",
            "move it away and evaluate again: images are not put through the model again",
        ) from error
    values: HistoryRow = {
        "model": str(row["model"]) if is_base else f"{row['model']}@{variant}",
        "variant": None if is_base else variant,
        "device": row["device"],
        "precision": row["precision"],
        "engine": row["engine"],
        "input_shape": row["input_shape"] or None,
        "classes": classes,
        "task": task,
        "data": row.get("data") or None,
        "metric": metric,
        "percent": percent,
        "low_percent": low,
        "high_percent": high,
        "samples": counts[0],
        "unreadable": counts[1],
        "weights": row["weights"],
        "preprocess": row["preprocess"],
        "accuracy_key": row["key"] or None,
        "in_use": True,
        "counts": percent is not None,
    }
    identity = (
        *(row["model"], variant, row["device"], row["precision"], row["engine"], task, metric),
        *(percent, low, high, samples, row["weights"], row["preprocess"], row["key"]),
        *([row["input_shape"]] if row["input_shape"] else ()),
    )
    return FoundRow("accuracies", identity, values)


def _percentage(cell: Any) -> float | None:
    if not cell:
        return None
    value = float(cell)
    if not 0 <= value <= 100:
        raise ValueError(f"{value} is no percentage")
    return value


def _sizes(
    results: Path | None,
    artifacts: Path,
    launches: Sequence[LaunchRecord],
    costs: Iterable[CostRecord],
    found: FoundRows,
) -> Iterator[FoundRow]:
    """Yield a row for each model file: what its launches say, and its bytes where it is there.

    Of several files of one model and input shape the last is in use: of what was counted, launched
    and is there, in this order.
    """
    told: dict[tuple[str, str], HistoryRow] = {}

    def add(row: HistoryRow) -> None:
        key = (row["model"], row["artifact_sha256"])
        known = told.pop(key, {})  # now the last one
        told[key] = row | {name: value for name, value in known.items() if value is not None}

    for record in costs:
        subject = ("model", "variant", "artifact_sha256", "input_shape", "classes")
        values = _cost_row(record, 0, in_use=True).values
        add({name: values[name] for name in subject})
    for row in launched_sizes(launches):
        add(row)
    for folder in _model_folders(results) if results is not None else ():
        exported = _exported(folder, None)
        if exported is not None:
            add(exported)
    unknown = []
    for (model, sha256), row in told.items():
        if "mnn_bytes" not in row:
            exported = _exported(artifacts / model, sha256) if _is_plain(model) else None
            if exported is None:
                unknown.append(model)
            else:
                row |= {name: v for name, v in exported.items() if row.get(name) is None}
    last = {_same_size(row): sha256 for (_, sha256), row in told.items()}
    names = ("madds", "params", "mnn_bytes", "onnx_bytes")
    for (model, sha256), row in told.items():
        in_use = last[_same_size(row)] == sha256
        values = {**row, "in_use": in_use, "counts": in_use}
        yield FoundRow("sizes", (model, sha256, *(values.get(name) for name in names)), values)
    several = {row["model"] for (_, sha256), row in told.items() if last[_same_size(row)] != sha256}
    if several:
        named = ", ".join(map(excerpt, sorted(several)[:3])) + ", ..." * (len(several) > 3)
        found.remarks.append(f"of {named} there are several files: the last one's size counts")
    if unknown:
        found.remarks.append(
            f"the size in bytes of {counted(len(set(unknown)), 'model')} is unknown: what was "
            f"measured is not in {artifacts} (--artifacts)"
        )


def _same_size(row: HistoryRow) -> tuple[object, ...]:
    """Return what the files of one model share of which the last is in use."""
    return (row["model"], row.get("input_shape"), row.get("classes"))


def _is_plain(model: str) -> bool:
    return model not in {"", ".", ".."} and not set(model) & {"/", "\0"} and len(model) < 200


def _model_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"*/{manifest.MANIFEST_NAME}"))


def _exported(folder: Path, sha256: str | None) -> HistoryRow | None:
    """Return the size of an export; None if it is not there whole, or not the file that is meant.

    Raises UsageError if a newer version of this program wrote it.
    """
    found = manifest.manifest_there(folder)
    if found is None or (sha256 is not None and found.files[manifest.MNN] != sha256):
        return None
    path = folder / manifest.MNN
    try:
        if sha256_of(path) != found.files[manifest.MNN]:
            return None
        onnx = folder / manifest.ONNX
        onnx_bytes = onnx.stat().st_size if onnx.is_file() else None  # a baseline has none
        mnn_bytes = path.stat().st_size
    except OSError:
        return None
    return {
        "model": found.model,
        "variant": variant_in(found.model),
        "artifact_sha256": found.files[manifest.MNN],
        "input_shape": shape_text(found.input_shape),
        "classes": found.given_classes,
        "mnn_bytes": mnn_bytes,
        "onnx_bytes": onnx_bytes,
        "madds": found.madds,
        "params": found.params,
    }
