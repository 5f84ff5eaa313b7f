"""One stage's outputs against the reference: a report, or the error that ends the export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.proof import approximations, parity
from asymm_deploy.export.proof.decisions import picked_rows, tied_scores, ties
from asymm_deploy.export.proof.matched_rows import chooses_rows, match_rows
from asymm_deploy.export.proof.parity import ParityReport, compare_output, worst_of
from asymm_deploy.export.proof.parts import PART_TOLERANCE, Part, beyond_rounding, differing_parts
from asymm_deploy.export.proof.reference import Reference, hardly_depends
from asymm_deploy.export.proof.refusal.difference import (
    Difference,
    StageName,
    furthest_difference,
    reshaped_output,
    told_difference,
)

if TYPE_CHECKING:
    import onnx

_ROUNDINGS = 4.0
"""Where a network amplifies rounding, an engine may differ by this many times the reference's own
rounding: each engine adds up in another order.
"""
MOST_ROUNDING = 4e-3
"""The most that this allows."""
MOST_HALF_ROUNDING = 5e-2
"""The same where the reference itself computes in float16."""


@dataclass(frozen=True)
class StageProof:
    """A stage that is equal to the reference."""

    report: ParityReport
    """Of all outputs together."""
    each: tuple[ParityReport, ...]
    """Of each output."""
    remarks: tuple[str, ...] = ()
    """What was granted, and to which output."""


Explain: TypeAlias = Callable[[Difference], tuple[str, str]]
"""Returns which operator differs first, as a clause of the message or empty, and a hint."""

_TIED = "; all of them pick or compare equal numbers"
_USUAL_HINT = (
    "operators that depend on the input's values in Python are frozen while exporting; if the "
    "model has none, compare its layers' outputs one by one to find the operator"
)

_OTHER_OUTPUTS = "the conversion changed the graph's outputs; please report it with the model"


def prove_stage(
    name: StageName,
    reference: Reference,
    results: Sequence[Sequence[Array]],
    *,
    graph: onnx.ModelProto | None = None,
    limit: float | None = None,
    explain: Explain | None = None,
) -> StageProof:
    """Compare ``results``, ``[probe][output]``, with the reference; raise NumericsError on failure.

    What exceeds the usual tolerance is compared again with what the reference's own rounding
    allows, with what MNN is known to approximate, and where integers follow from comparing numbers,
    with the numbers compared. That is computed only then, from ``graph``, which the definition
    became. ``limit`` takes the place of every tolerance. ``explain`` is asked for the error's text.
    """
    found = _Stage(name, reference, results, graph, limit)
    try:
        each = found.compared()
    except ValueError as error:
        clause, told, hint = "", str(error), _OTHER_OUTPUTS
        reshaped = reshaped_output(name, reference, results)
        if reshaped is not None:
            told = told_difference(reference, reshaped)
            clause, hint = explain(reshaped) if explain else ("", hint)
        raise NumericsError(
            f"the {name} stage gives other outputs than {reference.name}: {told}{_more(clause)}",
            hint,
        ) from error
    report = worst_of(each, len(reference.results))
    if not report.passed:
        wrong = max(range(len(each)), key=lambda i: (not each[i].passed, each[i].strain))
        where = furthest_difference(name, reference, results, wrong, found.parts.get(wrong))
        _require_variation(reference, where)
        clause, hint = explain(where) if explain else ("", _USUAL_HINT)
        measure = _measure(report, found.parts.get(wrong))
        raise NumericsError(
            f"the {name} stage differs from {reference.name}: {measure}; "
            f"{told_difference(reference, where)}{_more(found.unmatched)}{_more(clause)}",
            hint,
        )
    return StageProof(report, tuple(each), tuple(dict.fromkeys(found.remarks)))


class _Stage:
    """The comparison of one stage, output by output."""

    def __init__(
        self,
        name: StageName,
        reference: Reference,
        results: Sequence[Sequence[Array]],
        graph: onnx.ModelProto | None,
        limit: float | None,
    ) -> None:
        self._name = name
        self._reference = reference
        self._results = results
        self._graph = graph
        self._limit = limit
        self.remarks: list[str] = []
        self.parts: dict[int, Part] = {}
        """By output, the part that differs though the whole would pass."""
        self._reordered: set[str] = set()
        self.unmatched = ""
        """Which rows have no partner, if they were looked for in vain."""

    def compared(self) -> list[ParityReport]:
        """Return a report for each output; raise ValueError where their shapes differ."""
        ours, theirs = self._reference.results, self._results
        reports = []
        for index in range(parity.count_outputs(ours, theirs)):
            expected = [sample[index] for sample in ours]
            found = [sample[index] for sample in theirs]
            report = self._output(index, expected, found)
            reports.append(self._by_part(index, expected, found, report))
        return reports

    def _by_part(
        self, index: int, expected: list[Array], found: list[Array], report: ParityReport
    ) -> ParityReport:
        """Return ``report``, or that of a small part that differs beyond all rounding."""
        reordered = self._reference.outputs[index].name in self._reordered
        if self._limit is not None or not report.passed or reordered:
            return report
        parts = differing_parts(expected, found)
        if parts and self._approximated_results is not None:
            near = [sample[index] for sample in self._approximated_results]
            parts = differing_parts(near, found)
        exact = self._reference.exact() if parts else None
        if exact is None:
            return report
        wide = [sample[index] for sample in exact]
        part = beyond_rounding(parts, wide, expected, found)
        if part is None:
            return report
        self.parts[index] = part
        return msgspec.structs.replace(report, relative_error=part.error, tolerance=PART_TOLERANCE)

    def _output(self, index: int, expected: list[Array], found: list[Array]) -> ParityReport:
        name = self._reference.outputs[index].name
        try:
            report = compare_output(f"output {name}", expected, found)
        except ValueError:  # another number of rows, which the rounding of numbers may decide
            matched = self._matched(name, expected, found)
            if matched is None:
                raise
            return matched
        if self._limit is not None:
            return msgspec.structs.replace(
                report, tolerance=self._limit, rms_tolerance=self._limit, argmax_agreement=1.0
            )
        tightening = self._reference.tightening(index)
        if report.passed and tightening < 1.0:
            tighter = msgspec.structs.replace(
                report,
                tolerance=report.tolerance * tightening,
                rms_tolerance=report.rms_tolerance * tightening,
            )
            if not tighter.passed:
                raise hardly_depends(self._reference.spread)
            return tighter
        if report.passed:
            self._tell_share(name, expected, found, "")
            return report
        if parity.is_counted(expected[0]):
            return self._tied(name, expected, found, report)
        return self._allowed(index, name, expected, found, report)

    def _allowed(
        self,
        index: int,
        name: str,
        expected: list[Array],
        found: list[Array],
        report: ParityReport,
    ) -> ParityReport:
        """Return the report with what rounding, approximation and the order of rows allow."""
        allowance = self._rounding(index)
        report = compare_output(name, expected, found, allowance)
        if not report.passed:
            report = self._approximated(index, expected, found, allowance) or report
        if not report.passed:
            matched = self._matched(name, expected, found)
            if matched is not None and matched.passed:
                return matched
        return report

    @cached_property
    def _approximated_results(self) -> list[list[Array]] | None:
        """What the graph gives with MNN's approximations; None in other stages, or without any."""
        if self._name != "mnn" or self._graph is None:
            return None
        return approximations.approximated_results(self._graph, self._reference.samples)

    def _rounding(self, index: int) -> float:
        most = MOST_HALF_ROUNDING if self._reference.half else MOST_ROUNDING
        rounding = self._reference.rounding
        return min(most, _ROUNDINGS * rounding[index]) if rounding else 0.0

    def _approximated(
        self, index: int, expected: list[Array], found: list[Array], allowance: float
    ) -> ParityReport | None:
        """Return the report if MNN's approximations explain the difference, and they alone."""
        close = self._approximated_results
        if close is None:
            return None
        name = self._reference.outputs[index].name
        near = [sample[index] for sample in close]
        if not compare_output(name, near, found, allowance).passed:
            return None
        effect = compare_output(name, expected, near).relative_error
        self.remarks.append(approximations.APPROXIMATED.format(effect=effect))
        usual = parity.tolerance(expected[0])
        return compare_output(name, expected, found, effect + max(usual, allowance))

    def _tied(
        self, name: str, expected: list[Array], found: list[Array], report: ParityReport
    ) -> ParityReport:
        """Return the report of integers or booleans without the elements that are ties."""
        even = None
        if self._graph is not None:
            even = ties(self._graph, name, self._reference.samples, expected, found)
        if even is not None:
            settled = [
                np.where(tie, ours, theirs.reshape(ours.shape))
                for tie, ours, theirs in zip(even, expected, found, strict=True)
            ]
            excused = compare_output(name, expected, settled)
            if excused.passed:
                self._tell_share(name, expected, found, _TIED)
                return excused
        matched = self._matched(name, expected, found)
        return matched if matched is not None and matched.passed else report

    def _matched(self, name: str, expected: list[Array], found: list[Array]) -> ParityReport | None:
        """Return the report of an output whose rows an operator chooses, paired row by row."""
        chooser = chooses_rows(self._graph) if self._graph is not None else None
        if chooser is None:
            return None
        assert self._graph is not None
        sides = picked_rows(self._graph, name, self._reference.samples, expected, found)
        expected, found = sides or (expected, found)
        pairs = [match_rows(*pair) for pair in zip(expected, found, strict=True)]
        if any(pair is None for pair in pairs):
            return None
        matched = [pair for pair in pairs if pair is not None]
        even = tied_scores(self._graph, name, self._reference.samples)
        if even is not None and not all(even) and any(even):
            # Boxes of equal scores suppress one another in either order.
            expected = [array for array, tie in zip(expected, even, strict=True) if not tie]
            matched = [pair for pair, tie in zip(matched, even, strict=True) if not tie]
            names = [p.name for p, tie in zip(self._reference.probes, even, strict=True) if tie]
            self.remarks.append(f"{name}: not judged for equal scores: {', '.join(names)}")
        rows, lost = sum(m.rows for m in matched), sum(m.unmatched for m in matched)
        report = compare_output(name, expected, [m.found for m in matched])
        if lost > parity.MOST_DIFFERING * rows:
            self.unmatched = f"{lost} of {rows} rows of {name} have no equal on the other side"
            return msgspec.structs.replace(
                report, relative_error=lost / rows, tolerance=parity.MOST_DIFFERING
            )
        self._reordered.add(name)
        self.remarks.append(
            f"{name}: rows that {chooser} chooses come in another order; they were matched"
        )
        return report

    def _tell_share(self, name: str, expected: list[Array], found: list[Array], why: str) -> None:
        """Say of an integer or boolean output how many elements differ, if any do."""
        if not parity.is_counted(expected[0]):
            return
        differing = sum(
            int(np.count_nonzero(ours.ravel() != theirs.ravel()))
            for ours, theirs in zip(expected, found, strict=True)
        )
        if differing:
            elements = sum(output.size for output in expected)
            self.remarks.append(f"{differing} of {elements} elements of {name} differ{why}")


def _require_variation(reference: Reference, where: Difference) -> None:
    """Raise NumericsError where the output that differs is the same for all inputs: proves nothing.

    A share of no deviation is no measure; a saturated sigmoid is the usual case.
    """
    spec = reference.outputs[where.output]
    if np.dtype(spec.dtype).kind == "f" and where.place is not None:
        outputs = [sample[where.output] for sample in reference.results]
        if all(float(np.ptp(output)) == 0.0 for output in outputs) and parity.is_same_for_all(
            reference.results, where.output
        ):
            raise NumericsError(
                f"{spec.name} is {where.expected} everywhere for all inputs that were tried, and a "
                f"difference ({where.found} in the {where.stage} stage) proves nothing",
                "give samples on which the model answers something: --inputs FILE.npz",
            )


def _more(clause: str) -> str:
    return clause and f"; {clause}"


def _measure(report: ParityReport, part: Part | None) -> str:
    if part is not None:
        return (
            f"a part that is small beside the rest by {part.error:.1e} of its own deviation "
            f"({PART_TOLERANCE:.0e} allowed)"
        )
    found, allowed, which = report.relative_error, report.tolerance, "by"
    if report.rms_error / report.rms_tolerance > found / allowed:
        found, allowed, which = report.rms_error, report.rms_tolerance, "in the mean of squares by"
    return (
        f"{which} {found:.1e} of the outputs' deviation ({allowed:.0e} allowed), argmax agrees on "
        f"{report.argmax_agreement:.0%} of {report.samples} inputs"
    )
