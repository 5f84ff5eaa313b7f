"""Times that the runner of a live comparison can't have measured: no block of them counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from asymm_deploy.bench import flags, store
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.check.copies import first_copy
from asymm_deploy.check.live.launched_block import ARM_NAMES, BlockLaunches
from asymm_deploy.check.live.procedure import ModelStopped
from asymm_deploy.errors import ExitCode


def made_up(
    counted: Sequence[BlockLaunches], newest: BlockLaunches, allow: Collection[str]
) -> ModelStopped | None:
    """Return why nothing can have measured the launches of a model's blocks; None if it may have.

    ``counted`` are those before the ``newest``, in which nothing was found. Of each arm, not all
    runs take equally long; and no launch is another one, of either arm, with changes or without.
    """
    launches = [launched for block in (*counted, newest) for launched in block]
    if "no-variance" not in allow:
        for arm, name in ARM_NAMES.items():
            samples = [ns for of, record in launches if of == arm for ns in record.samples_ns]
            if plausibility.is_invariant(samples):
                return _failed(f"The {name} failed: {flags.FLAGS['no-variance'].meaning}")
    if "repeated-samples" in allow:
        return None
    found = first_copy([record.samples_ns for _, record in launches], len(launches) - len(newest))
    if found is None:
        return None
    (of, one), (of_other, other) = launches[found.one], launches[found.other]
    arms = dict.fromkeys((ARM_NAMES[of], ARM_NAMES[of_other]))
    # A check numbers its launches by the lines of the file, from 0.
    lines = f"{one.launch + 1} and {other.launch + 1} of {store.NAME}"
    return _failed(
        f"The {' and the '.join(arms)} failed: the launches in lines {lines} {found.how}"
    )


def _failed(why: str) -> ModelStopped:
    return ModelStopped(
        "failed",
        f"{why}: the runner does not measure, or {store.NAME} was edited. "
        "Start anew with --fresh, or with another --runner.",
        ExitCode.HARNESS,
    )
