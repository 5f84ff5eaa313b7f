"""What ``baseline show`` prints: a row for each model, and remarks on the folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from asymm_deploy.check.baseline.baseline_file import (
    BASELINE_FILE,
    Accepted,
    Baseline,
    BaselineSetting,
)
from asymm_deploy.check.baseline.kept_counts import kept_counts
from asymm_deploy.export import manifest as manifests
from asymm_deploy.safe import log_line


def baseline_rows(baseline: Baseline) -> list[dict[str, str | int]]:
    """Return a row for each model."""
    return [
        {
            "model": log_line(model),
            "mnn_sha256": baseline.files[f"{model}/{manifests.MNN}"][:12],
            "accepted": "; ".join(
                log_line(_in_words(found)) for found in baseline.accepted if found.model == model
            ),
        }
        for model in baseline.models
    ]


def baseline_remarks(folder: Path, baseline: Baseline) -> list[str]:
    """Return what ``baseline show`` prints beside its rows, one remark per line."""
    lines = [f"saved {baseline.saved_at} by {baseline.program}", baseline_size(folder, baseline)]
    for setting in baseline.settings:
        cores = "+".join(map(str, setting.cpus))
        lines.append(
            f"launches: {setting.device} ({setting.soc or 'unknown chip'}), "
            f"{f'core {cores}' if cores else 'not pinned'}, {setting.engine} "
            f"{setting.engine_version or 'of unknown version'}, {setting.precision}, "
            f"threads {setting.threads}, {_runner_of(setting)}"
        )
    counted = Counter(record.key.text() for record in kept_counts(folder, baseline))
    lines += [f"counts of {_count(many, 'model')}: {key}" for key, many in counted.items()]
    return lines


def baseline_size(folder: Path, baseline: Baseline) -> str:
    """Return one line on how much the folder holds."""
    total = sum((folder / name).stat().st_size for name in (*baseline.files, BASELINE_FILE))
    return (
        f"{folder}: {_count(len(baseline.models), 'model')}, "
        f"{_count(baseline.launches, 'launch', 'launches')}, "
        f"{total / 1e6:.1f} MB"
    )


def _runner_of(setting: BaselineSetting) -> str:
    return f"runner {setting.runner or 'unknown'} {setting.runner_version or ''}".rstrip()


def _in_words(found: Accepted) -> str:
    if found.up_to_percent is not None:
        what = f"{found.metric} up to {found.up_to_percent:+g} %"
    else:
        what = "added" if found.former_sha256 is None else "files replaced"
    return f"{what}: {found.reason} ({found.by}, {found.at[:10]})"


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
