"""What a live comparison says on stderr while it runs, and the one device it runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asymm_deploy.bench.device import Device
from asymm_deploy.bench.find_devices import device_makers, only_device
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.check.live.block_taker import BlockSpoilt
from asymm_deploy.check.live.procedure import SeriesProgress, SeriesSettled
from asymm_deploy.check.live.time_pairs import CheckResumed, LiveEvent
from asymm_deploy.commands import console
from asymm_deploy.signals import ending_like_ctrl_c


def single_device(name: str | None, runner: Path | None, allow: Sequence[str]) -> Device:
    """Return the device that ``name`` means; raise UsageError if it means several."""
    names = [name] if name is not None else []
    makers = device_makers(names, runner, PhoneOptions(allow=tuple(allow)), console.say)
    return only_device(makers, console.say)


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


class _BlockCount:
    """Puts events into words and moves the bar."""

    def __init__(self, advance: console.Advance) -> None:
        self._advance = advance
        self._done = 0

    def show(self, event: LiveEvent) -> None:
        if isinstance(event, CheckResumed):
            console.say(
                f"{event.kept} launches were measured before and are kept (--fresh repeats them)"
            )
        elif isinstance(event, BlockSpoilt):
            lost = event.discarded
            then = "it is repeated" if event.redone else "that was the last try"
            console.say(f"{lost.model}, block {lost.block}, does not count: {lost.reason}; {then}")
        elif isinstance(event, SeriesProgress):
            self._done += 1
            place = event.place
            what = f"{place.model}, {'confirming ' * place.series}block {place.block}"
            if event.estimate is not None:
                what += f", {100 * event.estimate:+.1f} %"
            self._advance(what, self._done + event.left)
        else:
            _settled(event)


def _settled(event: SeriesSettled) -> None:
    blocks = len(event.outcome.blocks)
    verdict = event.outcome.verdict
    if verdict == "regressed" and event.series == 0:
        console.say(f"{event.model}: slower in {blocks} blocks; to be confirmed by fresh ones")
    else:
        console.say(f"{event.model}: {verdict} after {blocks} blocks")
