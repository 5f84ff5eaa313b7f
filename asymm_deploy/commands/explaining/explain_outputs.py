"""What ``explain`` prints and writes of its explanations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.commands import console
from asymm_deploy.errors import HarnessError, NumericsError, UsageError
from asymm_deploy.explain.against.against_rows import (
    AGAINST_COLUMNS,
    against_rows,
    against_sentences,
    against_table,
)
from asymm_deploy.explain.against.differences import differences
from asymm_deploy.explain.explained_store import Explained, latest_explained
from asymm_deploy.explain.explanation import (
    EXPLAIN_COLUMNS,
    MOST_OVER_DEVIATION,
    Explanation,
    OperatorError,
)
from asymm_deploy.explain.views.explain_rows import (
    KIND_COLUMNS,
    MODULE_COLUMNS,
    ExplainRow,
    explain_csv,
    explain_json,
    kind_rows_of,
    module_rows_of,
    operator_rows_of,
)
from asymm_deploy.explain.views.explain_table import explain_table
from asymm_deploy.explain.views.graph_file import cost_node_data, error_node_data
from asymm_deploy.explain.views.trace_file import trace_json
from asymm_deploy.explain.views.what_to_see import named_operator
from asymm_deploy.files import is_special, read_regular, unwritable, write_whole
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from asymm_deploy.commands.explaining.explain_steps import ExplainRequest

EXPLAIN_CSV = "explain.csv"
_VIEWS = ({"traceEvents", "displayTimeUnit"}, {"name", "results", "gradient"})
"""The keys of the JSON that a trace and a graph are."""


def write_views(
    asked: ExplainRequest, explanations: Sequence[Explanation], baseline: Explanation | None
) -> str:
    """Write the files that were asked for, say what has to be said; return what goes to stdout."""
    good = [each for each in explanations if each.error is None]
    for each in good:
        _tell(each)
    if asked.trace is not None:
        _write(asked.trace, trace_json(good))
    if asked.graph is not None and good:
        _write_graphs(asked.graph, good[0])
    if baseline is not None and good:
        return _against(asked, baseline, good[0])
    if asked.output_format == "table":
        return "\n\n".join(explain_table(each, asked.by, asked.depth) for each in good)
    rows: list[ExplainRow] = []
    columns: Sequence[str] = EXPLAIN_COLUMNS
    for each in good:
        if asked.by == "operator":
            rows += operator_rows_of(each)
        elif asked.by == "module":
            rows, columns = [*rows, *module_rows_of(each, asked.depth)], MODULE_COLUMNS
        else:
            rows, columns = [*rows, *kind_rows_of(each)], KIND_COLUMNS
    return explain_json(rows) if asked.output_format == "json" else explain_csv(rows, columns)


def write_explain_csv(out: Path, folder: Explained) -> None:
    """Write explain.csv of all that the folder has explanations of, a row for each operator.

    If there is nothing new since the last time, it stays as it is.
    """
    path = out / EXPLAIN_CSV
    rows = [row for each in latest_explained(folder.records) for row in operator_rows_of(each)]
    if rows and (folder.has_grown or not path.exists()):
        _write(path, explain_csv(rows, EXPLAIN_COLUMNS))


def complain_of_accused(explanation: Explanation, reference: Path | None) -> None:
    """Name the first operator whose own error is above its limit, and say what to do about it."""
    first = explanation.first_accused
    if first is None or first.own is None or first.own_limit is None:
        return
    where = f"{first.node_type or first.type} {first.node or first.name}"
    where += f" (and of {', '.join(first.also)}, computed with it)" if first.also else ""
    console.complain(
        NumericsError(
            f"{explanation.model}: {excerpt(named_operator(first))} "
            f"{_off(first.own, first.own_limit)}",
            f"what comes before it is right: compare the weights and attributes of "
            f"{excerpt(where)} in the model and in {reference}"
            if reference is not None
            else "what comes before it is right, and MNN computes it otherwise: export the model "
            "again with --force; if that changes nothing, replace this operator",
        )
    )


def _off(own: OperatorError, limit: float) -> str:
    if own.over_deviation >= MOST_OVER_DEVIATION:
        return "by itself makes another shape than the reference has, or NaN or infinities"
    return (
        f"is off by {own.over_deviation:.2g} of the deviation by itself, and {limit:.2g} is "
        f"allowed ({own.snr_db:.1f} dB)"
    )


def complain_of_failure(explanation: Explanation) -> None:
    """Say why a model could not be explained, and what to try."""
    if explanation.error is not None:
        console.complain(
            HarnessError(
                f"{explanation.model} can't be explained: {explanation.error}",
                "`asymm-deploy bench` times it as a whole; if its file is damaged, export it again "
                "with --force",
            )
        )


def require_writable(trace: Path | None, graph: Path | None) -> None:
    """Raise UsageError if a file that is asked for can't be written, before anything is done.

    Nor may one replace the other, or a file that is something else, like a model or a manifest.
    """
    asked = [path for path in (trace, graph) if path is not None and not is_special(path)]
    written = [*asked, *(_beside(path) for path in asked if path is graph)]
    for path in written:
        folder = path.absolute().parent
        if not folder.is_dir():
            raise UsageError(
                f"can't write {path}: there is no folder {folder}", "make the folder first"
            )
        if path.is_file() and not _is_view(path):
            raise UsageError(
                f"{excerpt(str(path))} is there, and is no trace or graph of explain: it would be "
                "replaced",
                "give another name, or remove the file",
            )
    if len({path.resolve() for path in written}) < len(written):
        raise UsageError(
            f"--trace {trace} and --graph {graph} would go to the same file",
            "give each a name of its own; --graph writes NAME.error.json as well",
        )


def _is_view(path: Path) -> bool:
    """Whether a file is what ``--trace`` or ``--graph`` wrote, or an empty .json."""
    try:
        content = read_regular(path)
        if not content:
            return path.suffix.lower() == ".json"
        return msgspec.json.decode(content, type=dict).keys() in _VIEWS
    except (OSError, ValueError, RecursionError):
        return False


def _beside(graph: Path) -> Path:
    """Return the file of own errors, beside that of times."""
    return graph.with_name(f"{graph.stem}.error{graph.suffix}")


def _tell(explanation: Explanation) -> None:
    """Say what a reader has to know: flags, what was taken out, notes."""
    for name in explanation.flags:
        console.say(f"{explanation.model}: {name}: {flags.FLAGS[name].meaning}")
    taken_out = explanation.taken_out_percent
    if taken_out is not None:
        cost = f"{taken_out:.1f} % on top" if taken_out > 0 else "less than the noise"
        console.say(
            f"{explanation.model}: watching the operators cost {cost}, which is not in the times"
        )
    for note in explanation.notes:
        console.say(f"{explanation.model}: {excerpt(note, 400)}")


def _against(asked: ExplainRequest, baseline: Explanation, candidate: Explanation) -> str:
    found = differences(baseline, candidate, asked.by, asked.depth)
    if asked.output_format == "table":
        return against_table(baseline, candidate, found, asked.by)
    for sentence in against_sentences(baseline, candidate, found, asked.by):
        console.say(sentence)
    rows = against_rows(baseline, candidate, found, asked.by)
    if asked.output_format == "json":
        return explain_json(rows)
    return explain_csv(rows, AGAINST_COLUMNS)


def _write_graphs(path: Path, explanation: Explanation) -> None:
    costs, errors = cost_node_data(explanation), error_node_data(explanation)
    if costs is None and errors is None:
        raise UsageError(
            f"--graph {path}: no node of the ONNX graph is known to any operator",
            "give the ONNX file that the model was made from, with --reference",
        )
    if costs is not None:
        _write(path, costs)
    if errors is not None:
        _write(_beside(path) if costs is not None else path, errors)


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise unwritable(
            str(path),
            error,
            "make it writable, with space left, and repeat the command: nothing is explained again",
        ) from error
    console.say(f"wrote {path}")
