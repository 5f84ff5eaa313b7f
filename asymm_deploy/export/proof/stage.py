"""One stage's outputs against the reference: a report, or the error that ends the export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.proof import approximations, parity
from asymm_deploy.export.proof.decisions import picked_rows, ties
from asymm_deploy.export.proof.matched_rows import chooses_rows, match_rows
from asymm_deploy.export.proof.parity import ParityReport, compare_output, worst_of
from asymm_deploy.export.proof.reference import Reference, hardly_depends

if TYPE_CHECKING:
    import onnx

StageName: TypeAlias = Literal["onnx", "simplified", "mnn"]

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


@dataclass(frozen=True)
class Difference:
    """Where a stage is furthest from the reference."""

    stage: StageName
    output: int
    probe: int
    place: tuple[int, ...] | None
    """The element; None where the shapes differ."""
    expected: str
    found: str


Explain: TypeAlias = Callable[[Difference], tuple[str, str]]
"""Returns which operator differs first, as a clause of the message or empty, and a hint."""

_USUAL_HINT = (
    "operators that depend on the input's values in Python are frozen while exporting; if the "
    "model has none, compare its layers' outputs one by one to find the operator"
)


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
        raise NumericsError(
            f"the {name} stage gives other outputs than {reference.name}: {error}",
            "the conversion changed the graph's outputs; please report it with the model",
        ) from error
    report = worst_of(each, len(reference.results))
    if not report.passed:
        wrong = max(range(len(each)), key=lambda i: (not each[i].passed, each[i].strain))
        where = _difference(name, reference, results, wrong)
        _require_variation(reference, where)
        clause, hint = explain(where) if explain else ("", _USUAL_HINT)
        raise NumericsError(
            f"the {name} stage differs from {reference.name}: {_measure(report)}; "
            f"{_told(reference, where)}{_more(found.unmatched)}{_more(clause)}",
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
        self.unmatched = ""
        """Which rows have no partner, if they were looked for in vain."""

    def compared(self) -> list[ParityReport]:
        """Return a report for each output; raise ValueError where their shapes differ."""
        ours, theirs = self._reference.results, self._results
        parity.require_same_outputs(ours, theirs)
        reports = []
        for index in range(len(ours[0])):
            expected = [sample[index] for sample in ours]
            found = [sample[index] for sample in theirs]
            reports.append(self._output(index, expected, found))
        return reports

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
                raise hardly_depends(parity.spread(self._reference.common_results))
            return tighter
        if report.passed:
            self._tell_share(name, report, "")
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
        if not report.passed and self._name == "mnn" and self._graph is not None:
            report = self._approximated(index, expected, found, allowance) or report
        if not report.passed:
            matched = self._matched(name, expected, found)
            if matched is not None and matched.passed:
                return matched
        return report

    def _rounding(self, index: int) -> float:
        most = MOST_HALF_ROUNDING if self._reference.half else MOST_ROUNDING
        rounding = self._reference.rounding()
        return min(most, _ROUNDINGS * rounding[index]) if rounding else 0.0

    def _approximated(
        self, index: int, expected: list[Array], found: list[Array], allowance: float
    ) -> ParityReport | None:
        """Return the report if MNN's approximations explain the difference, and they alone."""
        assert self._graph is not None
        close = approximations.approximated_results(self._graph, self._reference.samples)
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
                self._tell_share(name, report, "; all of them pick or compare equal numbers")
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
        rows, lost = sum(m.rows for m in matched), sum(m.unmatched for m in matched)
        report = compare_output(name, expected, [m.found for m in matched])
        if lost > parity.MOST_DIFFERING * rows:
            self.unmatched = f"{lost} of {rows} rows of {name} have no equal on the other side"
            return msgspec.structs.replace(
                report, relative_error=lost / rows, tolerance=parity.MOST_DIFFERING
            )
        self.remarks.append(
            f"{name}: rows that {chooser} chooses come in another order; they were matched"
        )
        return report

    def _tell_share(self, name: str, report: ParityReport, why: str) -> None:
        """Say of an integer or boolean output how many elements differ, if any do."""
        spec = next(spec for spec in self._reference.outputs if spec.name == name)
        if np.dtype(spec.dtype).kind not in "iub" or report.relative_error == 0.0:
            return
        elements = sum(
            sample[index].size
            for sample in self._reference.results
            for index, output in enumerate(self._reference.outputs)
            if output.name == name
        )
        differing = round(report.relative_error * elements)
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


def _measure(report: ParityReport) -> str:
    found, allowed, which = report.relative_error, report.tolerance, "by"
    if report.rms_error / report.rms_tolerance > found / allowed:
        found, allowed, which = report.rms_error, report.rms_tolerance, "in the mean of squares by"
    return (
        f"{which} {found:.1e} of the outputs' deviation ({allowed:.0e} allowed), argmax agrees on "
        f"{report.argmax_agreement:.0%} of {report.samples} inputs"
    )


def _difference(
    name: StageName, reference: Reference, results: Sequence[Sequence[Array]], output: int
) -> Difference:
    """Return the probe and the element where an output is furthest from the reference."""
    worst, place, values = -1.0, None, ("", "")
    probe = 0
    for number, (ours, theirs) in enumerate(zip(reference.results, results, strict=True)):
        expected, found = ours[output], theirs[output]
        if expected.size != found.size:
            return Difference(name, output, number, None, str(expected.shape), str(found.shape))
        if expected.size == 0:
            continue
        shown = found.reshape(expected.shape)
        apart = np.abs(expected.astype(np.float64) - shown.astype(np.float64))
        apart = np.where(np.isfinite(apart), apart, np.inf)
        if float(apart.max()) > worst:
            worst, probe = float(apart.max()), number
            place = tuple(int(axis) for axis in np.unravel_index(apart.argmax(), apart.shape))
            values = (f"{expected[place]:.6g}", f"{shown[place]:.6g}")
    return Difference(name, output, probe, place, *values)


def _told(reference: Reference, where: Difference) -> str:
    name, probe = reference.outputs[where.output].name, reference.probes[where.probe].name
    if where.place is None:
        return f"{name} has shape {where.found} for the {probe} input, not {where.expected}"
    at = f"[{', '.join(map(str, where.place))}]" if where.place else ""
    return f"{name}{at} is {where.found} for the {probe} input, not {where.expected}"
