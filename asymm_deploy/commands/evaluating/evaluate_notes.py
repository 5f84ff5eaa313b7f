"""What ``evaluate`` says beside its rows: which images there are, and which are in no figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.lane_answers import LaneAnswers
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.image_folder import ImageFolder
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import NO_CLASS
from asymm_deploy.safe import excerpt

_MOST_LISTED = 10


def tell_of_folder(folder: ImageFolder, count: int) -> None:
    """Say which images there are, how many of them count, and what was left out."""
    chosen = "" if count == len(folder.images) else f"{count} of "
    images = _numbered(len(folder.images), "image")
    console.say(f"{chosen}{images} of {_numbered(len(folder.classes), 'class')}")
    if folder.empty:
        console.say(f"without an image: {_some(folder.empty)}")
    if folder.other_files:
        console.say(f"left out, not images by their names: {_numbered(folder.other_files, 'file')}")
    if folder.unseen:
        console.say(f"folders that could not be listed: {_some(folder.unseen)}")


def tell_unreadable(model: str, found: Sequence[Evaluation]) -> None:
    """List what is in no figure, with the reasons."""
    bad = list({each.image: each for lane in found for each in lane.unreadable}.values())
    if not bad:
        return
    reasons = Counter(each.reason for each in bad)
    are = "is" if len(bad) == 1 else "are"
    images = _numbered(len(bad), "image")
    console.say(f"{model}: {images} can't be decoded or run, and {are} in no figure:")
    for each in bad[:_MOST_LISTED]:
        console.say(f"  {excerpt(each.image)}: {excerpt(each.reason)}")
    if len(bad) > _MOST_LISTED:
        told = "; ".join(f"{count} x {excerpt(why)}" for why, count in reasons.most_common(5))
        console.say(f"  ... all are in the Parquet file. In all: {told}")


def tell_of_nan(model: str, found: Mapping[Lane, LaneAnswers]) -> None:
    """Say which lanes answer what is no number."""
    for lane, answers in found.items():
        count = sum(each.top1 == NO_CLASS for each in answers.evaluation.predictions)
        if count:
            images = _numbered(count, "image")
            console.say(f"{model}: {lane.text} answers NaN alone for {images}: counted as wrong")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(excerpt, names[:_MOST_LISTED]))
    return shown + (f" and {len(names) - _MOST_LISTED} more" if names[_MOST_LISTED:] else "")


def _numbered(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "es" if what.endswith("s") else "s")
