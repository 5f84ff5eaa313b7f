"""What answers to a task are worth, as rows of tasks.csv: one for each engine and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asymm_deploy.evaluate.accuracy import wilson
from asymm_deploy.evaluate.accuracy_rows import UNSET, EvaluatedSetting
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.prediction import ENGINES, AnswerT
from asymm_deploy.models.tasks import Task
from asymm_deploy.text import ListRow

TASKS_CSV = "tasks.csv"
TASKS = KeptRows(
    TASKS_CSV,
    (
        *("model", "variant", "engine", "precision", "task", "data", "samples", "unreadable"),
        *("metric", "percent", "low_percent", "high_percent"),
        *("agreement_percent", "compared_with", "became_wrong", "became_right", "mcnemar_p"),
        *("ms_per_run", "weights", "preprocess", "key"),
    ),
    ("model", "variant", "engine", "precision", "metric"),
)
_SHOWN = (
    *("model", "engine", "samples", "metric", "percent", "low_percent", "high_percent"),
    *("agreement_percent", "ms_per_run"),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one engine, in percent."""

    metric: str
    percent: float | None
    """None where the data has nothing to judge it by."""
    low: float | None = None
    """Of Wilson's 95 % interval, where the figure is a share of right answers."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TaskAgreement:
    """How one engine's answers compare with another's."""

    percent: float | None
    """None where there is nothing to compare."""
    became_wrong: int | None = None
    became_right: int | None = None
    p: float | None = None
    """Of McNemar's exact test; None where answers are neither right nor wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What rows say of the data, beside the setting."""

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
    found: Evaluation[AnswerT],
    measures: Callable[[Sequence[AnswerT]], Sequence[Measure]],
    agreement: Callable[[Sequence[AnswerT], Sequence[AnswerT]], TaskAgreement],
) -> list[ListRow]:
    """Return a row for each metric of each engine that has answers."""
    there = [engine for engine in ENGINES if found.predictions.get(engine)]
    rows: list[ListRow] = []
    for engine in there:
        mine = found.predictions[engine]
        other = None if engine == there[0] else there[0]
        against = (
            TaskAgreement(None) if other is None else agreement(found.predictions[other], mine)
        )
        rows += [
            {
                "model": setting.model,
                "variant": setting.variant,
                "engine": engine,
                "precision": "fp32",
                "task": judged.task,
                "data": judged.data,
                "samples": str(judged.samples),
                "unreadable": str(len(found.unreadable)),
                "metric": each.metric,
                "percent": _cell(each.percent),
                "low_percent": _cell(each.low),
                "high_percent": _cell(each.high),
                "agreement_percent": _cell(against.percent),
                "compared_with": other or UNSET,
                "became_wrong": _cell(against.became_wrong),
                "became_right": _cell(against.became_right),
                "mcnemar_p": UNSET if against.p is None else f"{against.p:.3g}",
                "ms_per_run": f"{1000 * found.seconds[engine] / max(1, judged.runs):.3f}",
                "weights": setting.weights,
                "preprocess": setting.preprocess,
                "key": setting.key[:16],
            }
            for each in measures(mine)
        ]
    return rows


def figures(rows: Sequence[ListRow]) -> list[ListRow]:
    """Return what of rows people see at once: not those of a single class, ``ap07 bird``."""
    return [
        {column: row[column] for column in _SHOWN} for row in rows if " " not in str(row["metric"])
    ]


def _cell(value: float | int | None) -> str:
    if value is None:
        return UNSET
    return str(value) if isinstance(value, int) else f"{value:.3f}"
