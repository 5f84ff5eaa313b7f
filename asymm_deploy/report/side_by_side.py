"""Our counts and latencies joined with what the paper prints, a line for each model of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.remarks import flags_cell

_MILLION = 1e6


def ours(
    models: Sequence[str], rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]
) -> pd.DataFrame:
    """Return what is known of each model, in the order of ``models``, which are the index.

    ``counts`` gives MAdds and params by a model's name. ``latency_ms`` is the mean over all runs,
    as in the paper's Table 5. Where ``rows`` have no row of a model, its ``latency_ms``, ``valid``
    and ``flags`` are missing values; of two rows of one model, the later counts.
    """
    timed = pd.DataFrame(
        {row.model: (row.latency_mean_ms, row.valid, flags_cell(row)) for row in rows},
        index=["latency_ms", "valid", "flags"],
        dtype=object,
    ).T
    frame = pd.DataFrame(
        [counts(model) for model in models], index=list(models), columns=["madds", "params"]
    )
    frame["madds_m"] = frame["madds"] / _MILLION
    frame["params_m"] = frame["params"] / _MILLION
    return frame.join(timed.astype({"latency_ms": float}))


def with_printed(frame: pd.DataFrame, number: int, keys: Sequence[str]) -> pd.DataFrame:
    """Return ``frame`` with the columns of the paper's Table ``number`` beside it, row by row.

    ``keys`` say what a row is and keep their names; the others get the prefix ``paper_``. Raises
    ValueError if the frame hasn't as many rows as the table.
    """
    printed = printed_table(number).set_axis(frame.index)
    figures = printed.columns.difference(list(keys), sort=False)
    return frame.join(printed.rename(columns={name: f"paper_{name}" for name in figures}))


def with_base(frame: pd.DataFrame, is_base: pd.Series[bool], on: Sequence[str]) -> pd.DataFrame:
    """Return ``frame`` with the columns of each row's base beside it, as ``base_...``.

    The bases are the rows where ``is_base`` holds, one for each value of ``on``. ``ratio`` is the
    row's latency over its base's. It is missing where a valid row has a base that is not: the
    ratio would look as good as the row, while half of it is a number that nobody vouches for.
    """
    bases = frame[is_base].set_index(list(on)).add_prefix("base_")
    frame = frame.join(bases, on=list(on))
    doubtful = frame["valid"].eq(True) & frame["base_valid"].eq(False)
    return frame.assign(ratio=(frame["latency_ms"] / frame["base_latency_ms"]).mask(doubtful))
