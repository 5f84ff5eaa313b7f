"""A results folder gets paired launches among its others, as ``bench --paired`` leaves them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord, PairedRuns

PARTNER = "partner_of_{}"


def add_paired_launches(path: Path) -> int:
    """Put one behind each line of a runs.jsonl; return how many. Each takes three seconds."""
    added = []
    records = store.load_file(path)
    for number, record in enumerate(records):
        added += [record, *_paired_launch(record, number)]
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in added))
    return len(records)


def _paired_launch(record: LaunchRecord, number: int) -> tuple[LaunchRecord, LaunchRecord]:
    """Both models take twice as long as ``record``: whoever counts them will notice."""
    started = datetime.fromisoformat(record.started_at) + timedelta(seconds=10)
    partner = PARTNER.format(record.model)
    sha256 = "f" * 64

    def one(model: str, own: str, other: str, others: str, more_ns: int) -> LaunchRecord:
        samples = tuple(2 * ns + number + more_ns for ns in record.samples_ns)
        return msgspec.structs.replace(
            record,
            schema_version=2,
            model=model,
            artifact_sha256=own,
            launch=number % 8,
            launches_planned=8,
            samples_ns=samples,
            started_at=started.isoformat(timespec="milliseconds"),
            process_ns=3 * 10**9,
            wall_ns=None,
            paired=PairedRuns(
                partner=other,
                partner_sha256=others,
                loaded_first=more_ns == 0,
                runs_first=more_ns == 0,
                cpu_ns=None,
                start_ns=tuple(3 * ns * i for i, ns in enumerate(samples)),
            ),
        )

    return (
        one(record.model, record.artifact_sha256, partner, sha256, 0),
        one(partner, sha256, record.model, record.artifact_sha256, 1_000_003),
    )
