"""Explanations as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing; pure.

The Trace Event Format: an array of events, of which "X" is a slice with a start and a duration in
microseconds, and "M" names a process or a thread. Slices of one thread are nested by their times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.explain_rows import operator_rows_of

_US_PER_MS = 1e3
_US_PER_INSN = 1e-3
"""A thousand instructions are shown as a microsecond, where nothing was timed."""


def trace_json(explanations: Sequence[Explanation]) -> str:
    """Return a process for each model, its operators end to end, in slices of their modules.

    Operators are drawn in the order of the run, each as long as its part of the median.
    """
    events = []
    for pid, explanation in enumerate(explanations, start=1):
        unit = "" if explanation.median_ms is not None else " (1 us = 1000 instructions)"
        name = f"{explanation.model} on {explanation.device}, {explanation.precision}{unit}"
        events += [_named("process_name", pid, name), _named("thread_name", pid, "operators")]
        events += _slices(pid, explanation)
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})


def _named(what: str, pid: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": what, "pid": pid, "tid": 1, "args": {"name": name}}


def _slices(pid: int, explanation: Explanation) -> Iterator[dict[str, object]]:
    """Yield each module when it begins, before what is in it, and each operator."""
    operators = explanation.operators
    ends = [0.0]
    for each in operators:
        ends.append(ends[-1] + _microseconds(each))
    paths = [tuple(each.module.split(".")) if each.module else () for each in operators]
    rows = operator_rows_of(explanation)
    open_path: tuple[str, ...] = ()
    for place, (each, path, row) in enumerate(zip(operators, paths, rows, strict=True)):
        same = _common(open_path, path)
        for depth in range(same + 1, len(path) + 1):
            last = place
            while last + 1 < len(paths) and paths[last + 1][:depth] == path[:depth]:
                last += 1
            yield _slice(pid, path[depth - 1], "module", ends[place], ends[last + 1], {})
        open_path = path
        told = {key: cell for key, cell in row.items() if cell not in (None, "")}
        name = f"{each.node_type or each.type}: {each.kind}"
        yield _slice(pid, name, each.kind, ends[place], ends[place + 1], told)


def _slice(
    pid: int, name: str, category: str, start: float, end: float, args: Mapping[str, object]
) -> dict[str, object]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": pid,
        "tid": 1,
        "ts": round(start, 3),
        "dur": round(round(end, 3) - round(start, 3), 3),  # so that neighbours meet exactly
        "args": args,
    }


def _microseconds(operator: ExplainedOperator) -> float:
    if operator.time_ms is not None:
        return operator.time_ms * _US_PER_MS
    return (operator.insn or 0) * _US_PER_INSN


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
