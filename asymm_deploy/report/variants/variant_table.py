"""Facts of variants -> rows of variants.csv, and the table for people with a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from asymm_deploy.bench.host.processor import Processor
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.report.variants.variant_facts import VariantFacts
from asymm_deploy.report.variants.why import why
from asymm_deploy.safe import markdown
from asymm_deploy.text import ListRow, formatted

VARIANTS_COLUMNS = (
    *("model", "variant", "device", "precision", "file_mb"),
    *("images", "top1_percent", "top1_low_percent", "top1_high_percent", "weights"),
    *("agreement_percent", "agreement_of", "sqnr_db", "became_wrong", "became_right", "mcnemar_p"),
    *("latency_median_ms", "ci_low_ms", "ci_high_ms", "ratio", "ratio_low", "ratio_high"),
    *("insn_m", "peak_memory_mb", "valid", "flags", "why"),
)
"""Columns of variants.csv; empty where nothing was measured. ``ratio`` is the time over that of the
export in fp32, of both in turns in one process."""
COMPARED_VARIANTS = KeptRows("variants.csv", VARIANTS_COLUMNS, ("model", "variant", "device"))
VariantsFormat: TypeAlias = Literal["table", "csv", "json", "markdown"]

_NOT_HERE = "not measured here"


def variant_rows(
    base: VariantFacts, everything: Sequence[VariantFacts], processor: Processor | None
) -> list[ListRow]:
    """Return a row for each variant of a model; ``base`` is its export in fp32."""
    return [_row(base, each, processor) for each in everything]


def _row(base: VariantFacts, facts: VariantFacts, processor: Processor | None) -> ListRow:
    file, row, pair = facts.file, facts.row, facts.pair
    cells: dict[str, str | int] = dict.fromkeys(VARIANTS_COLUMNS, "")
    cells |= {
        "model": file.model,
        "variant": file.variant,
        "device": facts.device,
        "precision": file.precision,
        "weights": "" if file.missing else file.weights,
        "why": why(base, facts, processor),
    }
    if file.size is not None:
        cells["file_mb"] = f"{file.size / 1e6:.3f}"
    if facts.top1 is not None:
        cells |= {
            "images": str(facts.top1.images),
            "top1_percent": f"{facts.top1.percent:.3f}",
            "top1_low_percent": f"{facts.top1.low:.3f}",
            "top1_high_percent": f"{facts.top1.high:.3f}",
        }
    if facts.changed is not None:
        cells |= {
            "agreement_percent": f"{facts.changed.agreement_percent:.3f}",
            "agreement_of": "images",
            "became_wrong": str(facts.changed.became_wrong),
            "became_right": str(facts.changed.became_right),
            "mcnemar_p": f"{facts.changed.p:.3g}",
        }
    elif facts.proof_agreement is not None and facts.top1 is None:
        cells |= {
            "agreement_percent": f"{facts.proof_agreement:.3f}",
            "agreement_of": facts.proof_inputs,
        }
    if facts.sqnr_db is not None:
        cells["sqnr_db"] = f"{facts.sqnr_db:.1f}"
    if row is not None:
        cells |= {
            "latency_median_ms": _ms(row.latency_median_ms),
            "ci_low_ms": _ms(row.ci_low_ms),
            "ci_high_ms": _ms(row.ci_high_ms),
            "peak_memory_mb": "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.1f}",
            "valid": "true" if row.valid else "false",
            "flags": row.flags_text,
        }
    if pair is not None and pair.ratio is not None:
        cells |= {
            "ratio": f"{pair.ratio:.4f}",
            "ratio_low": "" if pair.low is None else f"{pair.low:.4f}",
            "ratio_high": "" if pair.high is None else f"{pair.high:.4f}",
        }
    if facts.insn is not None:
        cells["insn_m"] = f"{facts.insn / 1e6:.6f}"
    if file.unmeasured is not None:
        cells["flags"] = _NOT_HERE
    return cells


def variants_text(rows: Sequence[ListRow], output_format: VariantsFormat) -> str:
    """Return the rows as they are printed; people get a table, and then a line for each."""
    if output_format in ("csv", "json"):
        return formatted(rows, "csv" if output_format == "csv" else "json")
    several = len({row["model"] for row in rows}) > 1
    shown = _without_empty([_for_people(row, with_model=several) for row in rows])
    lines = [(_name(row, with_model=several), str(row["why"])) for row in rows]
    if output_format == "table":
        told = "\n".join(f"{name}: {text}" for name, text in lines)
        return f"{formatted(shown, 'table')}\n\n{told}\n"
    from tabulate import tabulate

    cells = [[markdown(str(cell)) for cell in row.values()] for row in shown]
    table = tabulate(cells, list(shown[0]), tablefmt="pipe", disable_numparse=True)
    listed = "\n".join(f"- **{markdown(name)}**: {markdown(text)}" for name, text in lines)
    return f"{table}\n\n{listed}\n"


def _without_empty(rows: Sequence[ListRow]) -> list[ListRow]:
    """Return the rows without the columns in which nothing stands."""
    kept = [name for name in rows[0] if any(row[name] for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def _name(row: ListRow, *, with_model: bool) -> str:
    return f"{row['model']} {row['variant']}" if with_model else str(row["variant"])


def _for_people(row: ListRow, *, with_model: bool) -> ListRow:
    here = row["flags"] != _NOT_HERE
    nothing = "" if here else _NOT_HERE
    top1 = (
        f"{_cut(row['top1_percent'])} ({_cut(row['top1_low_percent'])}-"
        f"{_cut(row['top1_high_percent'])})"
        if row["top1_percent"]
        else nothing
    )
    time = str(row["latency_median_ms"])
    if time and row["ci_low_ms"]:
        time += f" ({row['ci_low_ms']}-{row['ci_high_ms']})"
    spoilt = " !" if row["valid"] == "false" else ""
    shown: dict[str, str | int] = {
        "variant": _name(row, with_model=with_model),
        "file MB": row["file_mb"],
        "top-1 %": top1,
        "agreement %": _cut(row["agreement_percent"]),
        "SQNR dB": row["sqnr_db"],
        f"ms on {row['device']}": f"{time}{spoilt}" if time else nothing,
        "x fp32": _cut(row["ratio"]),
        "ARM M insn": f"{float(row['insn_m']):.3f}" if row["insn_m"] else "",
        "peak MB": row["peak_memory_mb"],
    }
    return shown


def _cut(cell: str | int) -> str:
    """Return a number without the last of its decimals, rounded."""
    text = str(cell)
    decimals = len(text.partition(".")[2])
    return f"{float(text):.{decimals - 1}f}" if decimals > 1 else text


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
