"""What a launch's output comes to: its error, what is plainly wrong with it, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.backends.fallback import CPU
from asymm_deploy.bench.backends.output_words import output_words, words_without_reference
from asymm_deploy.bench.backends.shown_precision import with_shown_precision
from asymm_deploy.bench.judge.output_error import compare_with_reference
from asymm_deploy.bench.records import LaunchRecord


def is_looked_at(record: LaunchRecord, artifact: Artifact, first: LaunchRecord | None) -> bool:
    """Whether the values of a launch's output are of use; ``first`` is as in ``launch``.

    On other back ends than the CPU those of each launch are, with a reference or without one.
    """
    return record.backend != CPU or (artifact.reference is not None and first is None)


def with_output(
    record: LaunchRecord, artifact: Artifact, values: Mapping[str, bytes]
) -> LaunchRecord:
    """Return the record with what its output's values, little-endian float32 by name, come to."""
    if artifact.reference is None:
        return msgspec.structs.replace(record, output_words=words_without_reference(values))
    output = compare_with_reference(
        artifact.reference,
        values,
        artifact.output_limits,
        record.precision,
        artifact.settled_otherwise,
        record.backend,
    )
    compared = msgspec.structs.replace(
        record,
        output_error=output.error,
        output_tolerance=output.tolerance,
        output_words=output_words(artifact.reference, values),
    )
    return with_shown_precision(compared, artifact.reference, values)
