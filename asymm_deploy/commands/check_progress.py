"""What a live comparison says on stderr while it runs, and the one device it runs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import flags
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.find_devices import device_makers, only_device
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.check.live.block_taker import BlockSpoilt
from asymm_deploy.check.live.procedure import SeriesProgress, SeriesSettled
from asymm_deploy.check.live.time_pairs import CheckResumed, LiveEvent
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_progress import kept_text
from asymm_deploy.signals import ending_like_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.bench.records import LaunchRecord
    from asymm_deploy.lab.client.lab_request import LabRequest


@contextmanager
def device_to_check_on(
    name: str | None,
    lab: LabRequest | None,
    runner: Path | None,
    allow: Sequence[str],
    earlier: Callable[[], Sequence[LaunchRecord]] = tuple,
) -> Iterator[Callable[[], Device]]:
    """Yield what makes the device that ``name`` means; a phone of a lab is given back in the end.

    Of a lab the phone with most of the ``earlier`` launches is preferred.
    That raises UsageError if the name means several, or HarnessError if there is no such device.
    """
    options = PhoneOptions(allow=tuple(allow))
    with ExitStack() as kept:

        def make() -> Device:
            if lab is not None:
                from asymm_deploy.lab.client.lab_request import lab_phone

                return kept.enter_context(lab_phone(lab, options, console.say, earlier()))
            names = [name] if name is not None else []
            return only_device(device_makers(names, runner, options, console.say), console.say)

        yield make


class CheckProgress:
    """Shows people how a live comparison is going; a ``LiveWatcher``."""

    def remark(self, text: str) -> None:
        """Print a line."""
        console.say(text)

    @contextmanager
    def watching(self, blocks: int) -> Iterator[Callable[[LiveEvent], None]]:
        """Show a bar of at least so many ``blocks``; let SIGTERM end the timing as Ctrl-C does."""
        with console.progress("comparing", blocks) as advance, ending_like_ctrl_c():
            yield _BlockCount(advance).show


_TOLD_IN_FULL = 2
"""Blocks that a cause spoils; of more, only how many there are is told, once all is done."""
_SATURATED = 3
"""Tries in a row, all spoilt: what disturbs them does not go away by itself."""


_SERIES = ("block", "confirming block", "short launches")
"""What a block is called, by the number of its series."""


class _BlockCount:
    """Puts events into words and moves the bar."""

    def __init__(self, advance: console.Advance) -> None:
        self._advance = advance
        self._done = 0
        self._spoilt: Counter[str] = Counter()
        self._in_a_row = 0
        self._advised: set[str] = set()

    def show(self, event: LiveEvent) -> None:
        if isinstance(event, CheckResumed):
            console.say(kept_text(event.kept))
        elif isinstance(event, BlockSpoilt):
            if not event.earlier:
                self._show_spoilt(event)
        elif isinstance(event, SeriesProgress):
            self._done += 1
            self._in_a_row = 0  # a block is lost after three tries, which were told
            place = event.place
            what = f"{place.model}, {_SERIES[place.series]} {place.block}"
            if event.estimate is not None:
                what += f", {100 * event.estimate:+.1f} %"
            self._advance(what, self._done + event.left)
        else:
            _settled(event)

    def _show_spoilt(self, event: BlockSpoilt) -> None:
        lost = event.discarded
        cause = lost.cause or lost.reason
        self._spoilt[cause] += 1
        self._in_a_row += 1
        if self._spoilt[cause] <= _TOLD_IN_FULL:
            then = "it is repeated" if event.redone else "that was the last try"
            console.say(f"{lost.model}, block {lost.block}, does not count: {lost.reason}; {then}")
        elif self._spoilt[cause] == _TOLD_IN_FULL + 1:
            console.say(f"more that do not count because of this are told in the report: {cause}")
        if self._in_a_row >= _SATURATED and cause not in self._advised:
            self._advised.add(cause)
            console.say(_advice(event, self._in_a_row))


def _advice(event: BlockSpoilt, in_a_row: int) -> str:
    """Say that this does not go away by itself, and what to do."""
    if "stolen-time" in event.flags:
        cores = "+".join(map(str, event.cpus))
        where = f"core {cores}" if cores else "this machine"
        other = ", or choose another core with --cpu N" if cores else ""
        return (
            f"{where} is saturated: something else ran on it in each of the last {in_a_row} tries. "
            f"End that program{other}. Ctrl-C keeps what is finished."
        )
    names = [name for name in event.flags if not flags.leave_valid([name], ())]
    return (
        f"each of the last {in_a_row} tries was spoilt, by {' '.join(names) or 'a failure'}: if "
        f"that goes on, {event.discarded.model} will be unstable. Ctrl-C keeps what is finished."
    )


def _settled(event: SeriesSettled) -> None:
    if event.outcome.cannot_pair is not None:
        console.say(
            f"{event.model}: {event.outcome.cannot_pair.why}; so each version gets launches of its "
            "own, which takes longer"
        )
        return
    counted = event.outcome.counted
    verdict = event.outcome.verdict
    if not event.outcome.blocks:
        console.say(f"{event.model}: {verdict}, and none of its launches counts")
    elif verdict == "regressed" and event.series == 0:
        console.say(f"{event.model}: slower in {counted}; to be confirmed by fresh ones")
    else:
        console.say(f"{event.model}: {verdict} after {counted}")
