"""Differences as rows for CSV and JSON, and as a table that people read; pure."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.explain.against.differences import GroupDifference, largest_first
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.explain_rows import ExplainRow, rounded_row
from asymm_deploy.explain.views.explain_table import aligned_rows, digits_for, fitted_name
from asymm_deploy.explain.views.operator_groups import By, OperatorGroup
from asymm_deploy.explain.views.what_to_see import error_sentence

AGAINST_COLUMNS = (
    *("model", "against", "device", "precision"),
    *("index", "module", "node", "operator", "kind", "operators"),
    *("baseline_ms", "time_ms", "grown_ms", "noise_ms"),
    *("baseline_insn_m", "insn_m", "grown_insn_m", "grown_percent", "is_real"),
    *("baseline_own_error", "own_error", "own_limit", "accused"),
)
"""Of ``--against --format csv``; ``is_real`` is empty where nobody knows how large the noise is."""
_MOST_ROWS = 20


def against_rows(
    baseline: Explanation, candidate: Explanation, found: Sequence[GroupDifference], by: By
) -> list[ExplainRow]:
    """Return a row for each difference, in their order; columns are AGAINST_COLUMNS."""
    return [_row(baseline, candidate, each, by) for each in found]


def against_table(
    baseline: Explanation, candidate: Explanation, found: Sequence[GroupDifference], by: By
) -> str:
    """Return a sentence on what changed, and below it a row for each change that is real."""
    told = largest_first(found)
    lines = [" ".join(against_sentences(baseline, candidate, found, by))]
    if told:
        lines += ["", _table(told[:_MOST_ROWS], by)]
    if told[_MOST_ROWS:]:
        lines.append(f"and {len(told) - _MOST_ROWS} more; --format csv has all")
    return "\n".join(lines)


def against_sentences(
    baseline: Explanation, candidate: Explanation, found: Sequence[GroupDifference], by: By
) -> list[str]:
    """Return what the differences come to: the whole, what grew most, what came and went."""
    before, after = (OperatorGroup("", each.operators) for each in (baseline, candidate))
    whole = GroupDifference(before, after)
    name, other = _called(candidate), _called(baseline)
    if whole.grown_by is None:
        sentences = [f"{name} against {other}: no times were measured."]
    else:
        timed = candidate.median_ms is not None
        percent = "" if whole.grown_percent is None else f" ({whole.grown_percent:+.1f} %)"
        sentences = [
            f"{name} against {other}: {_amount(after.cost, timed=timed)}, and "
            f"{_amount(before.cost, timed=timed)} there{percent}{_noise(whole)}."
        ]
        sentences += _largest(found, by, timed=timed)
    sentences += _largest_error(found, by)
    new = sum(each.baseline is None for each in found)
    gone = sum(each.candidate is None for each in found)
    told = [_counted(new, by, "new"), _counted(gone, by, "gone")]
    if new or gone:
        sentences.append(f"{' and '.join(each for each in told if each)}.")
    if any(each.newly_accused for each in found):
        sentences.append(f"{error_sentence(candidate)}.")
    return sentences


def _counted(count: int, by: By, what: str) -> str:
    if not count:
        return ""
    return f"1 {by} is {what}" if count == 1 else f"{count} {by}s are {what}"


def _noise(whole: GroupDifference) -> str:
    """Return how the growth of the whole compares with what its launches lie apart."""
    if whole.noise_ms is None:
        return ""
    apart = f"launches of one version lie up to {whole.noise_ms:.2g} ms apart"
    return f"; {apart}" if whole.is_real else f", which may be noise: {apart}"


def _largest(found: Sequence[GroupDifference], by: By, *, timed: bool) -> list[str]:
    growing = [
        each for each in largest_first(found) if (each.grown_by or 0) > 0 and not each.newly_accused
    ]
    known = all(each.is_real is not None for each in found)
    sentences = []
    if growing and growing[0].grown_by is not None:
        grown = _amount(growing[0].grown_by, timed=timed)
        sentences.append(f"{_place(growing[0], by)} grew most, by {grown}.")
    elif known:
        noise = " beyond what launches of one version lie apart" if timed else ""
        sentences.append(f"No {by} grew{noise}.")
    if not known:
        sentences.append(
            "How much of this is noise is unknown: one of the two was launched once only."
        )
    return sentences


def _largest_error(found: Sequence[GroupDifference], by: By) -> list[str]:
    """Return whose own error grew most, if any did."""
    farther = [each for each in found if each.has_larger_error]
    if not farther:
        return []
    most = max(farther, key=lambda each: (each.own_errors or (0.0, 0.0))[1])
    old, new = most.own_errors or (0.0, 0.0)
    return [f"The own error of {_place(most, by)} grew most, from {old:.1e} to {new:.1e}."]


def _row(
    baseline: Explanation, candidate: Explanation, each: GroupDifference, by: By
) -> ExplainRow:
    old, new, shown = each.baseline, each.candidate, each.shown
    grown, percent, noise = each.grown_by, each.grown_percent, each.noise_ms
    timed = candidate.median_ms is not None
    worst = None if new is None else new.worst
    one = shown.operators[0] if by == "operator" else None
    cells: ExplainRow = {
        "model": candidate.model,
        "against": baseline.model,
        "device": candidate.device,
        "precision": candidate.precision,
        "index": one.index if one and new else None,
        "module": one.module if one else shown.name if by == "module" else None,
        "node": one.node if one else None,
        "operator": one.type if one else None,
        "kind": one.kind if one else shown.name if by == "kind" else None,
        "operators": len(shown.operators),
        "baseline_ms": old.time_ms if old else None,
        "time_ms": new.time_ms if new else None,
        "grown_ms": grown if timed else None,
        "noise_ms": noise,
        "baseline_insn_m": _millions(old.insn if old else None),
        "insn_m": _millions(new.insn if new else None),
        "grown_insn_m": None if timed else _millions(grown),
        "grown_percent": percent,
        "is_real": each.is_real,
        "baseline_own_error": _own(old),
        "own_error": _own(new),
        "own_limit": worst.own_limit if worst else None,
        "accused": new.accused if worst and new else None,
    }
    return rounded_row(cells, AGAINST_COLUMNS)


def _table(told: Sequence[GroupDifference], by: By) -> str:
    timed = any(each.shown.time_ms is not None for each in told)
    known = timed or any(each.shown.insn is not None for each in told)
    unit = "ms" if timed else "insn M"
    largest = max((each.shown.cost or 0 for each in told), default=0)
    digits = digits_for(largest if timed else largest / 1e6)
    heads = [by, *(["kind"] if by == "operator" else [])]
    heads += [f"{unit} there", unit, "grown", "%"] if known else []
    heads += ["noise"] if timed else []
    heads += ["own error there", "own error", ""]
    rows = []
    for each in told:
        cells = [fitted_name(_place(each, by))]
        cells += [each.shown.operators[0].kind] if by == "operator" else []
        cells += _cost_cells(each, digits, timed=timed) if known else []
        if timed:
            cells.append("" if each.noise_ms is None else f"{each.noise_ms:.{digits}f}")
        errors = [_own(each.baseline), _own(each.candidate)]
        cells += ["" if error is None else f"{error:.1e}" for error in errors]
        cells.append("above the limit" if each.newly_accused else "")
        rows.append(cells)
    return aligned_rows([heads, *rows], {by, "kind", ""})


def _cost_cells(each: GroupDifference, digits: int, *, timed: bool) -> list[str]:
    grown, percent = each.grown_by, each.grown_percent
    return [
        *(_short(side, digits, timed=timed) for side in (each.baseline, each.candidate)),
        "" if grown is None else f"{grown if timed else grown / 1e6:+.{digits}f}",
        "" if percent is None else f"{percent:+.1f}",
    ]


def _place(each: GroupDifference, by: By) -> str:
    shown = each.shown
    if by != "operator":
        return shown.name or "(in no module)"
    operator = shown.operators[0]
    return operator.module or operator.node or operator.name


def _called(explanation: Explanation) -> str:
    return f"{explanation.model} ({explanation.precision})"


def _amount(cost: float | None, *, timed: bool) -> str:
    if cost is None:
        return "unknown"
    return f"{cost:.3g} ms" if timed else f"{cost / 1e6:.4g} M instructions"


def _short(group: OperatorGroup | None, digits: int, *, timed: bool) -> str:
    if group is None:
        return "-"
    cost = group.cost
    return "" if cost is None else f"{cost if timed else cost / 1e6:.{digits}f}"


def _own(group: OperatorGroup | None) -> float | None:
    worst = None if group is None else group.worst
    return None if worst is None or worst.own is None else worst.own.over_deviation


def _millions(count: float | None) -> float | None:
    return None if count is None else count / 1e6
