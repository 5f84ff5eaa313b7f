"""What the user asked ``check`` to compare, and the refusals that both comparisons share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench import store
from asymm_deploy.bench.records import Precision
from asymm_deploy.check import folders
from asymm_deploy.check.baseline import baseline_file
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BLOCKS_FILE
from asymm_deploy.errors import UsageError
from asymm_deploy.files import resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Which versions to compare, and which of what they have; None leaves a choice open."""

    baseline: Path
    candidate: Path
    models: tuple[str, ...] = ()
    """Globs or parts of names; empty means all."""
    device: str | None = None
    """Whose results to compare. A live comparison is told its device by its caller."""
    precision: Precision | None = None
    threads: int | None = None
    sentinel: str | None = None
    allow: tuple[str, ...] = ()
    ignore_missing: bool = False
    inconclusive_fails: bool = True
    same_file: bool = False
    """Whether the same model file on both sides is meant."""
    out: Path = Path("check-results")
    timing_options: tuple[str, ...] = ()
    """Options the user gave that say how to time, such as ``--runs``."""


def refuse_out(request: CheckRequest, *, timing: bool = True) -> None:
    """Raise UsageError if what is written would join what is compared, or launches of a bench.

    Only ``timing`` adds launches.
    """
    out = resolved(request.out)
    compared = [resolved(folder) for folder in (request.baseline, request.candidate)]
    if out in compared or baseline_file.is_baseline(out) or folders.is_model(out):
        raise UsageError(
            f"--out {request.out} is one of the folders to compare, or a baseline: their files "
            "must stay as they are",
            "give another folder",
        )
    if timing and (out / store.NAME).exists() and not _is_of_check(out):
        raise UsageError(
            f"--out {request.out} holds the launches of a bench, and those of this check would "
            "replace them in its reports",
            "give another folder",
        )


def _is_of_check(out: Path) -> bool:
    """Whether a check wrote all launches in ``out``.

    Where they don't say so: a check plans one launch at a time and numbers it by its line.
    """
    has_blocks = (out / BLOCKS_FILE).exists()
    return all(
        record.written_by == "check"
        or (
            record.written_by is None
            and has_blocks
            and (record.launches_planned, record.launch) == (1, line)
        )
        for line, record in enumerate(store.load(out))
    )


def chosen_pairs(request: CheckRequest) -> tuple[list[Pair], tuple[str, ...]]:
    """Return which models to compare, and remarks on those left out.

    Raises UsageError if there is none, or one can't be compared.
    """
    pairs, *only = folders.pairs(request.baseline, request.candidate)
    folders.require_matches({pair.model for pair in pairs}.union(*only), request.models)
    pairs = [pair for pair in pairs if folders.matches(pair.model, request.models)]
    only = [[name for name in names if folders.matches(name, request.models)] for names in only]
    ignored = missing_models(request, *only)
    if not pairs:
        raise nothing_in_both(request)
    for pair in pairs:
        folders.require_comparable_pair(pair)
    return pairs, ignored


def missing_models(
    request: CheckRequest, only_baseline: Sequence[str], only_candidate: Sequence[str]
) -> tuple[str, ...]:
    """Return remarks on models that only one folder has; raise UsageError unless that is fine."""
    found = [
        f"{', '.join(names)} only in {folder}"
        for names, folder in (
            (only_baseline, request.baseline),
            (only_candidate, request.candidate),
        )
        if names
    ]
    if found and not request.ignore_missing:
        raise UsageError(
            f"not every model is in both folders: {'; '.join(found)}",
            "give --ignore-missing to compare the others, or --models PATTERN",
        )
    return tuple(f"Ignored: {text}." for text in found)


def nothing_in_both(request: CheckRequest) -> UsageError:
    """Return what to raise if no model is left to compare."""
    which = f" that matches {' or '.join(request.models)}" if request.models else ""
    return UsageError(
        f"{request.baseline} and {request.candidate} have no model in common{which}",
        "compare two versions of the same models; the names of their folders tell which those are",
    )
