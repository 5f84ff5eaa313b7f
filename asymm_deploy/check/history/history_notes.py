"""What people should know beside the verdicts of a history: what does not count, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.history.gate_point import GatePoint
from asymm_deploy.check.history.model_histories import HistoryWays
from asymm_deploy.text import counted


def discarded_in_history(
    histories: Mapping[str, Sequence[GatePoint]],
) -> Iterator[DiscardedBlock]:
    """Yield each launch that does not count."""
    for name, points in histories.items():
        for point in points:
            for launch, what in point.discarded:
                yield DiscardedBlock(
                    model=name,
                    block=launch,
                    reason=f"commit {point.commit}, launch {launch}: {what}",
                    side=f"commit {point.commit}",
                    cause=what,
                )


def history_notes(
    commits: Sequence[str], histories: Mapping[str, Sequence[GatePoint]], ways: HistoryWays
) -> Iterator[str]:
    """Yield sentences on the order of the files, on launches left out, and on empty commits."""
    longest = max(histories.values(), key=len)
    times = [point.started_at for point in longest if point.counts]
    if times != sorted(times) and not ways.in_store:
        yield (
            "The files are not in the order of their launches; the order given counts. Begin their "
            "names with a date."
        )
    counting = {point.commit for points in histories.values() for point in points if point.counts}
    spoilt: dict[str, list[str]] = {commit: [] for commit in commits}
    for name, points in histories.items():
        for point in points:
            if not point.counts:
                spoilt[point.commit].append(name)
    for name, points in histories.items():
        left_out = sum(point.left_out for point in points)
        if left_out:
            yield (
                f"{name}: {counted(left_out, 'launch')} of other files or plans "
                f"{'is' if left_out == 1 else 'are'} left out: of each commit "
                "what was measured last counts."
            )
    for commit, names in spoilt.items():
        if commit not in counting:
            yield f"Commit {commit}: no launch counts."
        elif names:
            yield f"Commit {commit}: no launch of {', '.join(names)} counts."
