"""What a runner prints that was asked for another back end than the CPU."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.backends.backends_message import BackendsUsed
from asymm_deploy.safe import excerpt

_ORDER = (*wire.LAUNCH_ORDER[:-2], BackendsUsed, *wire.LAUNCH_ORDER[-2:])


def parse_stream_elsewhere(stream: bytes) -> wire.RunnerReport:
    """Return what a runner reported, which has to say where operators ran.

    Raises WireError unless the stream is complete and sane.
    """
    *others, used, output, done = wire.messages_in(stream, _ORDER)
    assert isinstance(used, BackendsUsed)
    if used.session != used.asked and used.asked in used.operators:
        where = excerpt(used.asked)
        raise wire.WireError(
            f"the runner says that operators ran on {where}, in a session on "
            f"{excerpt(used.session)}: one of them can't be"
        )
    return msgspec.structs.replace(wire.report_of([*others, output, done]), backends=used)
