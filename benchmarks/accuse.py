"""Whether what explain accuses is guilty, and nobody else: faults that are known, and clean models.

Each fault is one operator of one model, changed in a copy of its .onnx or .mnn file; the clean
model's ONNX graph is the reference. Right is: MNN's operator that
computes that node is accused, and no other one. Then the
paper's models and ten others as they were exported: right is that nobody is. Exits 1 where anything
is wrong. Models are exported into the folder ``--work`` once.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from asymm_deploy.explain.explanation import ExplainedOperator
from asymm_deploy.models import names
from benchmarks.accusing import nets
from benchmarks.accusing.copies import ROOT, Copy, exported, faulty, folder_of
from benchmarks.accusing.faults import FAULTS, Fault
from benchmarks.accusing.judged import judged


def main(argv: Sequence[str] | None = None) -> int:
    """Judge all, print two tables, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", default="", help="only what this finds")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "accuse", help="exports")
    options = parser.parse_args(argv)
    faults = [each for each in FAULTS if re.search(options.only, f"{each.what} {each.model}")]
    clean = [*names.table_models(5), *nets.SHAPES]
    clean = [name for name in clean if re.search(options.only, name)]
    if not faults and not clean:
        parser.error(f"no fault and no model is found by {options.only!r}")
    exported(list(dict.fromkeys([*clean, *(each.model for each in faults)])), options.work)
    begun = time.monotonic()
    wrong = _with_faults(faults, options.work) + _without(clean, options.work)
    print(f"\n{wrong} wrong; {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def _with_faults(faults: Sequence[Fault], work: Path) -> int:
    rows, wrong = [], 0
    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            copy = faulty(fault, work, Path(folder))
            found = judged(copy.file, copy.reference)
        accused = [each for each in found if each.accused]
        right = bool(accused) and all(_guilty(each, copy) for each in accused)
        wrong += not right
        rows.append(
            (
                f"{fault.file}: {fault.what}",
                fault.model,
                fault.node,
                "right" if right else _told(accused, copy),
                *_worst([each for each in found if _guilty(each, copy)]),
                *_worst([each for each in found if not _guilty(each, copy)]),
            )
        )
        print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    heads = ("fault", "model", "node", "accused", "its error", "limits", "others' worst", "limits")
    print(tabulate(rows, heads, disable_numparse=True))
    return wrong


def _without(models: Sequence[str], work: Path) -> int:
    rows, wrong = [], 0
    for model in models:
        folder = folder_of(model, work)
        found = judged(folder / "model.mnn", folder / "model.onnx")
        accused = [each for each in found if each.accused]
        wrong += bool(accused)
        unjudged = sum(each.own is None for each in found)
        worst = max(found, key=_over_limit)
        rows.append(
            (
                model,
                f"{len(found) - unjudged} of {len(found)}",
                *_worst(found),
                worst.node or worst.name,
                ", ".join(each.node or each.name for each in accused) or "nobody",
            )
        )
        print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    print()
    heads = ("clean model", "judged", "worst error", "limits", "of", "accused")
    print(tabulate(rows, heads, disable_numparse=True))
    return wrong


def _guilty(operator: ExplainedOperator, copy: Copy) -> bool:
    return copy.node in (operator.node, *operator.also)


def _told(accused: Sequence[ExplainedOperator], copy: Copy) -> str:
    others = [each.node or each.name for each in accused if not _guilty(each, copy)]
    missed = "" if len(others) < len(accused) else "not the node; "
    return f"{missed}{', '.join(others) or 'nobody'}"


def _over_limit(operator: ExplainedOperator) -> float:
    if operator.own is None or not operator.own_limit:
        return 0.0
    return operator.own.over_deviation / operator.own_limit


def _worst(operators: Sequence[ExplainedOperator]) -> tuple[str, str]:
    """Return the largest own error, and how many times its limit that is."""
    worst = max(operators, key=_over_limit, default=None)
    if worst is None or worst.own is None:
        return "-", "-"
    return f"{worst.own.over_deviation:.1e}", f"{_over_limit(worst):.2g}"


if __name__ == "__main__":
    raise SystemExit(main())
