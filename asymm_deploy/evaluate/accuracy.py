"""Predictions to accuracies: how many are right, between which limits, and what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.evaluate.prediction import ImagePrediction

ACCURACY_CSV = "accuracy.csv"
ACCURACY_COLUMNS = (
    "model",
    "variant",
    "engine",
    "device",
    "precision",
    "images",
    "unreadable",
    "top1_percent",
    "top1_low_percent",
    "top1_high_percent",
    "top5_percent",
    "agreement_percent",
    "compared_with",
    "became_wrong",
    "became_right",
    "mcnemar_p",
    "ms_per_image",
    "weights",
    "classes",
    "preprocess",
    "key",
    "input_shape",
)
"""Columns of accuracy.csv; the interval is Wilson's, of 95 %."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often an engine was right."""

    images: int
    top1: int
    top5: int | None
    """None for a model of fewer than six classes, where it says nothing."""
    low: float
    """Of the share that ``top1`` is, by Wilson's interval of 95 %."""
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one engine's answers compare with another's on the same images."""

    agreeing: int
    images: int
    became_wrong: int
    became_right: int
    p: float
    """Of McNemar's exact test: as large a difference by chance, where neither is better."""


def accuracy_of(predictions: Sequence[ImagePrediction], classes: int) -> Accuracy:
    """Return the accuracy of at least one prediction."""
    right = sum(each.top1 == each.label for each in predictions)
    low, high = wilson(right, len(predictions))
    among_5 = sum(each.label in each.top5 for each in predictions)
    return Accuracy(
        len(predictions),
        right,
        among_5 if classes > 5 else None,
        low,
        high,
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of ``count``, at least 1."""
    from scipy import stats

    interval = stats.binomtest(right, count).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def mcnemar(worse: int, better: int) -> float:
    """Return how likely so large a difference of changes is by chance: McNemar's exact test."""
    from scipy import stats

    return float(stats.binomtest(worse, worse + better).pvalue) if worse + better else 1.0


def agreement_of(before: Sequence[ImagePrediction], after: Sequence[ImagePrediction]) -> Agreement:
    """Return how ``after`` compares with ``before`` on the images that both have."""
    known = {each.image: each for each in before}
    pairs = [(known[each.image], each) for each in after if each.image in known]
    worse = sum(a.top1 == a.label != b.top1 for a, b in pairs)
    better = sum(b.top1 == b.label != a.top1 for a, b in pairs)
    agreeing = sum(a.top1 == b.top1 for a, b in pairs)
    return Agreement(agreeing, len(pairs), worse, better, mcnemar(worse, better))
