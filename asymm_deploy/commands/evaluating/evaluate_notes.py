"""What ``evaluate`` says beside its rows: which samples are in no figure, and what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.lane_answers import LaneAnswers
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.subject import MOST_LISTED, Subject
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted


def tell_unreadable(model: str, noun: str, found: Sequence[Evaluation[Any]]) -> None:
    """List what is in no figure, with the reasons."""
    bad = list({each.image: each for lane in found for each in lane.unreadable}.values())
    if not bad:
        return
    reasons = Counter(each.reason for each in bad)
    are = "is" if len(bad) == 1 else "are"
    samples = counted(len(bad), noun)
    console.say(f"{model}: {samples} can't be decoded or run, and {are} in no figure:")
    for each in bad[:MOST_LISTED]:
        console.say(f"  {excerpt(each.image)}: {excerpt(each.reason)}")
    if len(bad) > MOST_LISTED:
        told = "; ".join(f"{count} x {excerpt(why)}" for why, count in reasons.most_common(5))
        console.say(f"  ... all are in the Parquet file. In all: {told}")


def tell_remarks(model: str, subject: Subject, found: Mapping[Lane, LaneAnswers]) -> None:
    """Say what is odd about the lanes' answers, such as that they are no numbers."""
    for lane, answers in found.items():
        for remark in subject.remarks(answers.evaluation.predictions):
            console.say(f"{model}: {lane.text} {remark}")
