"""How ``check`` goes through the house: what is there, compare it, say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import store
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.phone.options import Conduct
from asymm_deploy.bench.plan import Plan
from asymm_deploy.check import folders, static
from asymm_deploy.check.baseline import baseline_file
from asymm_deploy.check.baseline.baseline_file import Baseline
from asymm_deploy.check.baseline.keep import applied
from asymm_deploy.check.findings import Change, Report
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live import latency_change, procedure, take
from asymm_deploy.check.policy import FLOOR_MS, LEAST_BLOCKS, Policy
from asymm_deploy.check.recorded import compare
from asymm_deploy.check.recorded.arms import Choice
from asymm_deploy.commands import benching, console
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.bench.records import LaunchRecord, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to compare, and where; None leaves it open."""

    baseline: Path
    candidate: Path
    models: tuple[str, ...] = ()
    """Globs or parts of names; none is all."""
    device: str | None = None
    runner: Path | None = None
    precision: Precision | None = None
    threads: int | None = None
    sentinel: str | None = None
    allow: tuple[str, ...] = ()
    ignore_missing: bool = False
    inconclusive_fails: bool = True
    out: Path = Path("check-results")
    of_timing: tuple[str, ...] = ()
    """Options that were given and say how to time."""


def compared(request: Request, plan: Plan, policy: Policy) -> Report:
    """Compare and return the report, with what the baseline accepts. Progress goes to stderr.

    Live where both folders have exported models, else from the results that they have. Raises
    UsageError where they can't be compared, and HarnessError where the device fails.
    """
    folders.require(request.baseline, "--baseline")
    folders.require(request.candidate, "--candidate")
    both = (request.baseline, request.candidate)
    saved = _baseline_of(request.baseline)
    _refuse_out(request)
    if all(map(folders.has_models, both)):
        report = _live(request, plan, policy)
    elif all(map(folders.has_results, both)):
        report = _recorded(request, policy)
    else:
        models, results = sorted(both, key=folders.has_models, reverse=True)
        raise UsageError(
            f"{models} has exported models and {results} has only results",
            "give two folders that export wrote, or two that bench wrote",
        )
    return report if saved is None else applied(report, saved)


def _baseline_of(folder: Path) -> Baseline | None:
    """Return the saved baseline that ``folder`` is, or one model's part of, or the launches of."""
    for place in (folder, folder.resolve().parent):
        if baseline_file.is_baseline(place):
            return baseline_file.load(place)
    return None


def _refuse_out(request: Request) -> None:
    """Raise UsageError where the launches would be added to what is compared, or to a bench's."""
    out = request.out.resolve()
    compared = [folder.resolve() for folder in (request.baseline, request.candidate)]
    if out in compared or baseline_file.is_baseline(out) or folders.is_model(out):
        raise UsageError(
            f"--out {request.out} holds what is compared, or a baseline: its files must stay as "
            "they are",
            "give another folder",
        )
    # Launches of a check are each their plan's only one.
    if (out / store.NAME).exists() and any(r.launches_planned > 1 for r in store.load(out)):
        raise UsageError(
            f"--out {request.out} has the launches of a bench, which those of check would replace "
            "in its reports",
            "give another folder",
        )


def crept(
    files: Sequence[Path],
    policy: Policy,
    models: Sequence[str],
    allow: Sequence[str],
    *,
    inconclusive_fails: bool,
) -> Report:
    """Return whether models became slower over the commits whose launches ``files`` are."""
    from asymm_deploy.check.history import creep

    with console.waiting("looking for new levels"):
        return creep.judged(
            files,
            policy,
            models=models,
            allow=allow,
            inconclusive_fails=inconclusive_fails,
        )


def _live(request: Request, plan: Plan, policy: Policy) -> Report:
    if request.sentinel is not None:
        raise UsageError(
            "--sentinel is for recorded results", "leave it out: a live comparison needs none"
        )
    started_at = _now()
    pairs, *only = folders.pairs(request.baseline, request.candidate)
    folders.require_fitting({pair.model for pair in pairs}.union(*only), request.models)
    pairs = [pair for pair in pairs if folders.fits(pair.model, request.models)]
    only = [[name for name in names if folders.fits(name, request.models)] for names in only]
    notes = _missing(request, *only)
    if not pairs:
        raise _nothing_in_both(request)
    for pair in pairs:
        folders.require_comparable(pair)
    device = _device(request)
    with store.opened(request.out, console.say) as runs:
        first = len(pairs) * LEAST_BLOCKS
        with console.progress("comparing", first) as advance, benching.ended_like_ctrl_c():
            teller = _Teller(advance)
            found = take.run(device, pairs, plan, policy, runs, request.out, teller.hear)
    changes = [latency_change.change(model, outcome) for model, outcome in found.outcomes.items()]
    changes += [
        change
        for pair in pairs
        for change in static.counted(pair.model, pair.baseline, pair.candidate, policy.thresholds)
    ]
    launches = {
        model: [(each.baseline, each.candidate) for each in series]
        for model, series in found.launches.items()
    }
    for metric in static.LAUNCH_METRICS:
        changes += static.from_launches(metric, launches, policy.thresholds)
    return Report(
        mode="live",
        device=found.bench.facts.device,
        circumstances=(
            *_circumstances(
                [r for series in launches.values() for arms in series for r in arms[1]][:1]
            ),
            *_bounds(policy),
            f"blocks of 4 launches in random order, seed {policy.seed}, at most "
            f"{policy.max_blocks} blocks a model",
        ),
        baseline=str(request.baseline),
        candidate=str(request.candidate),
        changes=_by_model([pair.model for pair in pairs], changes),
        discarded=found.discarded,
        notes=(*notes, *found.notes, *_same_files(pairs), *teller.notes),
        started_at=started_at,
        inconclusive_fails=request.inconclusive_fails,
    )


def _recorded(request: Request, policy: Policy) -> Report:
    for option in request.of_timing:
        raise UsageError(f"{option} is for live comparisons", "leave it out: nothing is timed here")
    choice = Choice(
        request.device, request.precision, request.threads, request.models, request.allow
    )
    found = compare.compare(request.baseline, request.candidate, choice, policy, request.sentinel)
    notes = _missing(request, found.only_baseline, found.only_candidate)
    if not found.changes:
        raise _nothing_in_both(request)
    return Report(
        mode="recorded",
        device=found.launch.device,
        circumstances=(*_circumstances([found.launch]), *_bounds(policy)),
        baseline=str(request.baseline),
        candidate=str(request.candidate),
        changes=found.changes,
        discarded=found.discarded,
        notes=(
            "Recorded at two different times, which is the weaker comparison: what changed between "
            "them besides the models counts as theirs. Give folders of exported models to compare "
            "live.",
            "The size of the .mnn is not compared: results don't have it.",
            *found.notes,
            *notes,
        ),
        started_at=_now(),
        inconclusive_fails=request.inconclusive_fails,
    )


def _missing(
    request: Request, only_baseline: Sequence[str], only_candidate: Sequence[str]
) -> tuple[str, ...]:
    """Return what to say of models in one folder only; raise UsageError unless that is allowed."""
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
            f"not every model is in both: {'; '.join(found)}",
            "give --ignore-missing to compare the others, or --models PATTERN",
        )
    return tuple(f"Ignored: {text}." for text in found)


def _nothing_in_both(request: Request) -> UsageError:
    which = f" that {' or '.join(request.models)} means" if request.models else ""
    return UsageError(
        f"{request.baseline} and {request.candidate} have no model in common{which}",
        "compare two versions of the same models, by the names of their folders",
    )


def _device(request: Request) -> Device:
    names = [request.device] if request.device is not None else []
    makers = benching.devices(names, request.runner, Conduct(allow=request.allow))
    if len(makers) > 1:
        raise UsageError(
            f"a comparison is made on one device, and these are meant: {', '.join(makers)}",
            f"choose with --device {next(iter(makers))}",
        )
    (make,) = makers.values()
    return make(console.say)


def _same_files(pairs: Sequence[Pair]) -> tuple[str, ...]:
    same = [pair.model for pair in pairs if pair.baseline.sha256 == pair.candidate.sha256]
    return (f"The same file in both: {', '.join(same)}.",) if same else ()


def _circumstances(of: Sequence[LaunchRecord]) -> tuple[str, ...]:
    """Return how a launch was made, in short lines; nothing where there is none."""
    return tuple(
        line
        for record in of
        for line in (
            f"core {'+'.join(map(str, record.cpus)) or 'not pinned'}, {record.precision}, "
            f"{record.threads} thread{'s' * (record.threads > 1)}",
            f"{record.engine} {record.engine_version}, runner {record.runner} "
            f"{record.runner_version}",
            f"{record.runs} runs a launch, after {record.warmup} to warm up",
        )
    )


def _bounds(policy: Policy) -> tuple[str, ...]:
    allowed = policy.thresholds["latency"]
    return (f"{allowed:g} % slower is allowed, and at least {1000 * FLOOR_MS:g} us",)


def _by_model(models: Sequence[str], changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(change for model in models for change in changes if change.model == model)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Teller:
    """Puts what the comparison tells into words."""

    def __init__(self, advance: console.Advance) -> None:
        self._advance = advance
        self._done = 0
        self.notes: list[str] = []
        """What belongs into the report, too."""

    def hear(self, event: take.Event) -> None:
        if isinstance(event, take.Resumed):
            console.say(f"{event.kept} launches were measured before and are kept (--fresh redoes)")
            self.notes.append(f"{event.kept} launches are from an earlier run of this command.")
        elif isinstance(event, take.Spoilt):
            lost = event.discarded
            then = "it is done again" if event.redone else "that was the last time"
            console.say(f"{lost.model}, block {lost.block}, does not count: {lost.reason}; {then}")
        elif isinstance(event, procedure.Progress):
            self._done += 1
            place = event.place
            what = f"{place.model}, {'confirming ' * place.series}block {place.block}"
            if event.estimate is not None:
                what += f", {100 * event.estimate:+.1f} %"
            self._advance(what, self._done + event.left)
        else:
            self._settled(event)

    def _settled(self, event: procedure.Settled) -> None:
        blocks = len(event.outcome.blocks)
        verdict = event.outcome.verdict
        if verdict == "regressed" and event.series == 0:
            console.say(f"{event.model}: slower in {blocks} blocks; to be confirmed by fresh ones")
        else:
            console.say(f"{event.model}: {verdict} after {blocks} blocks")
