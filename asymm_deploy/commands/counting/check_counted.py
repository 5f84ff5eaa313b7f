"""What ``check`` does where it counts instead of timing, or beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.commands import console
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.signals import ending_like_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.bench.artifact import Artifact
    from asymm_deploy.bench.emulated.counts import CostRecord
    from asymm_deploy.bench.records import Precision
    from asymm_deploy.check.counted.model_counter import CountedCheck, ModelCounter

_INSTEAD = {
    "--threshold": "--insn-threshold says how many more instructions are allowed",
    "--threads": "leave it out: one thread is counted",
}
_LEAVE_OUT = "leave it out: counts are the same on every run, so one is made and nothing is timed"


class CountProgress:
    """Shows people how the counting is going; a ``CountWatcher``."""

    def remark(self, text: str) -> None:
        """Print a line."""
        console.say(text)

    @contextmanager
    def counting(self, models: int) -> Iterator[Callable[[str], None]]:
        """Show a bar of so many ``models``; let SIGTERM end the counting as Ctrl-C does."""
        with console.progress("counting", models) as advance, ending_like_ctrl_c():
            yield advance


def counted_check(
    device: str | None,
    precision: Precision,
    *,
    as_witness: bool,
    jobs: int | None,
    out: Path,
    fresh: bool,
    timing: Sequence[str],
    counting: Sequence[str],
) -> CountedCheck | None:
    """Return how to count; None if nothing is to be counted.

    What is counted is kept in ``out``, and with ``fresh`` counted again. ``timing`` and
    ``counting`` are options that the user gave, on how to time and on how to count. Raises
    UsageError for those that mean nothing here.
    """
    from asymm_deploy.bench.find_devices import EMULATED

    alone = device == EMULATED
    for option in timing if alone else ():
        raise UsageError(
            f"{option} is for timing, and --device {EMULATED} counts",
            _INSTEAD.get(option, _LEAVE_OUT),
        )
    if not alone and not as_witness:
        for option in counting:
            raise UsageError(
                f"{option} is about counts, and nothing is counted",
                f"add --cost, or --device {EMULATED} to count alone",
            )
        return None
    from asymm_deploy.check.counted.kept_counter import KeptCounter
    from asymm_deploy.check.counted.model_counter import CountedCheck

    def make_counter() -> ModelCounter:
        return KeptCounter(
            counter=emulated_counter(precision, jobs), folder=out, fresh=fresh, remark=console.say
        )

    return CountedCheck(alone, make_counter, CountProgress())


def emulated_counter(precision: Precision, jobs: int | None = None) -> ModelCounter:
    """Return the emulator that is set up, ready to count; raise HarnessError if there is none."""
    from asymm_deploy.bench.emulated.emulator_home import find_emulator
    from asymm_deploy.check.counted.emulated_counter import EmulatedCounter

    return EmulatedCounter(
        emulator=find_emulator(), precision=precision, jobs=jobs or os.cpu_count() or 1
    )


def counts_to_keep(artifacts: Sequence[Artifact]) -> Sequence[CostRecord]:
    """Return the counts of each model for a baseline; none, with a remark, without an emulator."""
    progress = CountProgress()
    try:
        counter = emulated_counter("fp32")
        with progress.counting(len(artifacts)) as on_counted:
            return counter.count_all(artifacts, lambda record: on_counted(record.model))
    except HarnessError as error:
        console.say(f"counts are not kept: {error.what} ({error.hint})")
        return ()
