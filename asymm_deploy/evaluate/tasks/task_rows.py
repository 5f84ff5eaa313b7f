"""What answers to a task are worth, as rows of tasks.csv: one for each lane and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.evaluate.accuracy import wilson
from asymm_deploy.evaluate.accuracy_rows import UNSET, EvaluatedSetting
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.lane import HERE, Lane
from asymm_deploy.evaluate.prediction import AnswerT
from asymm_deploy.evaluate.prediction_table import lane_columns
from asymm_deploy.evaluate.subject import NOT_MEASURED
from asymm_deploy.models.tasks import Task
from asymm_deploy.text import ListRow

TASKS_CSV = "tasks.csv"
TASKS = KeptRows(
    TASKS_CSV,
    (
        *("model", "variant", "engine", "device", "precision", "task", "data", "samples"),
        *("unreadable", "metric", "percent", "low_percent", "high_percent"),
        *("agreement_percent", "compared_with", "became_wrong", "became_right", "mcnemar_p"),
        *("ms_per_run", "weights", "preprocess", "key", "input_shape"),
    ),
    ("model", "variant", "engine", "device", "precision", "task"),
    newer=1,
)
_SHOWN = (
    *("model", "variant", "engine", "device", "precision", "samples", "metric"),
    *("percent", "low_percent", "high_percent", "agreement_percent", "ms_per_run"),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one lane, in percent."""

    metric: str
    percent: float | None
    """None where the data has nothing to judge it by."""
    low: float | None = None
    """Of Wilson's 95 % interval, where the figure is a share of right answers."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TaskAgreement:
    """How one lane's answers compare with another's."""

    percent: float | None
    """None where there is nothing to compare."""
    became_wrong: int | None = None
    became_right: int | None = None
    p: float | None = None
    """Of McNemar's exact test; None where answers are neither right nor wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a lane's rows say of the data, beside the setting."""

    task: Task
    data: str
    """A known set of data, whole; or nothing."""
    samples: int
    runs: int
    """How often a model ran for all of them."""


def share_of(metric: str, right: int, count: int) -> Measure:
    """Return the share of right answers with its interval; ``count`` is at least 1."""
    low, high = wilson(right, count)
    return Measure(metric, 100 * right / count, 100 * low, 100 * high)


def task_rows(
    setting: EvaluatedSetting,
    judged: Judged,
    lane: Lane,
    key: str,
    found: Evaluation[AnswerT],
    measures: Sequence[Measure],
    against: tuple[Lane, TaskAgreement] | None,
) -> list[ListRow]:
    """Return a row for each of a lane's measures."""
    other, agreement = against or (None, TaskAgreement(None))
    shared = _unset(setting, lane, judged.task) | {
        "data": judged.data,
        "samples": str(judged.samples),
        "unreadable": str(len(found.unreadable)),
        "agreement_percent": _cell(agreement.percent),
        "compared_with": UNSET if other is None else other.engine,
        "became_wrong": _cell(agreement.became_wrong),
        "became_right": _cell(agreement.became_right),
        "mcnemar_p": UNSET if agreement.p is None else f"{agreement.p:.3g}",
        "key": key[:16],
    }
    if found.seconds is not None and judged.runs:
        shared["ms_per_run"] = f"{1000 * found.seconds / judged.runs:.3f}"
    return [
        shared
        | {
            "metric": each.metric,
            "percent": _cell(each.percent),
            "low_percent": _cell(each.low),
            "high_percent": _cell(each.high),
        }
        for each in measures
    ]


def unmeasured_task_row(setting: EvaluatedSetting, lane: Lane, task: Task, metric: str) -> ListRow:
    """Return the row of a lane that can't be measured here: it has no figure."""
    return _unset(setting, lane, task) | {"metric": metric}


def _unset(setting: EvaluatedSetting, lane: Lane, task: Task) -> dict[str, str]:
    return dict.fromkeys(TASKS.columns, UNSET) | {
        **lane_columns(lane),
        "task": task,
        "weights": setting.weights,
        "preprocess": setting.preprocess,
        "input_shape": setting.input_shape,
    }


def figures(rows: Sequence[ListRow]) -> list[ListRow]:
    """Return what of rows people see at once: not those of a single class, ``ap07 bird``."""
    return [
        shown if row["samples"] else shown | {"percent": NOT_MEASURED}
        for row in rows
        if " " not in str(row["metric"])
        for shown in [{column: row[column] for column in _SHOWN}]
    ]


def shared_answers(
    one: Evaluation[AnswerT], other: Evaluation[AnswerT]
) -> list[tuple[AnswerT, AnswerT]]:
    """Return the answers of two lanes to the samples that both could read."""
    known = {each.image: each for each in one.predictions}
    return [(known[each.image], each) for each in other.predictions if each.image in known]


def trained_figures(rows: Sequence[ListRow], data: str) -> dict[str, dict[str, float]]:
    """Return what may stand in a table beside the paper's, by model and metric.

    That is MNN's on this machine, in fp32, of trained weights, on all of ``data``. Raises
    ValueError if a number is none.
    """
    found: dict[str, dict[str, float]] = {}
    usual = ("fp32", "mnn", HERE, "fp32", "trained", data)
    for row in rows:
        which = ("variant", "engine", "device", "precision", "weights", "data")
        if tuple(row[column] for column in which) == usual and row["percent"]:
            percent = float(row["percent"])
            if not 0 <= percent <= 100:
                raise ValueError(f"{row['percent']} is no percentage")
            found.setdefault(str(row["model"]), {})[str(row["metric"])] = percent
    return found


def _cell(value: float | int | None) -> str:
    if value is None:
        return UNSET
    return str(value) if isinstance(value, int) else f"{value:.3f}"
