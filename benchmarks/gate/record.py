"""Record real launches of real models, for judge.py: on an idle machine, in about 40 minutes.

python -m benchmarks.gate.record            writes benchmarks/gate/data/launches.npz
python -m benchmarks.gate.record --minutes 1 --out /tmp/try.npz
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from asymm_deploy.bench import artifact, flags, launch, measure, store
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from benchmarks.gate.recording import ARMS, SCENARIOS, Recording, save
from benchmarks.gate.variants import INPUT_SHAPE, NETWORK

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_VARIANTS = "benchmarks.gate.variants"
_SHARES = {"quiet": 0.75, "other core loaded": 0.125, "same core loaded": 0.125}
_BUSY = "while True: sum(range(10**6))"
_MODULES = {"base": "base", "again": "base", "plus5": "plus5", "plus10": "plus10"}


def main() -> int:
    """Export, record and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--runs", type=int, default=100, help="of a launch")
    parser.add_argument("--out", type=Path, default=_HERE / "data" / "launches.npz")
    parser.add_argument("--cpu", type=int, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arms = exported(_VARIANTS, _MODULES, INPUT_SHAPE, folder / "artifacts")
        plan = Plan(runs=given.runs, launches=1, cpu=given.cpu)
        device = HostDevice()
        with store.opened(folder / "results", print, "check") as runs:
            bench = measure.prepare(device, plan, runs, "check")
        recordings = []
        with device.held(bench.cpus, []):
            for scenario in SCENARIOS:
                seconds = 60 * given.minutes * _SHARES[scenario]
                with disturbed(scenario, bench.cpus[0]):
                    recordings.append(_recorded(scenario, seconds, arms, bench))
                save(recordings, given.out)
                print(f"{scenario}: {len(recordings[-1].samples_ns)} rounds", flush=True)
    print(f"{given.out}: {given.out.stat().st_size / 1e3:.0f} kB")
    return 0


def exported(
    variants: str, modules: dict[str, str], input_shape: str, folder: Path
) -> dict[str, Artifact]:
    """Export each arm's function in the module ``variants`` by the command, as a user does."""
    models = [f"{variants}:{name}" for name in dict.fromkeys(modules.values())]
    shape = ["--input-shape", input_shape]
    command = [sys.executable, "-m", "asymm_deploy.cli", "export", *models, *shape]
    subprocess.run(
        [*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL, cwd=_ROOT
    )
    return {
        arm: artifact.exported(folder / f"{variants}.{module}", "mnn")
        for arm, module in modules.items()
    }


@contextmanager
def disturbed(scenario: str, cpu: int) -> Iterator[None]:
    """Have a busy process on the core that is timed, or on another one, meanwhile."""
    if scenario not in {"other core loaded", "same core loaded"}:
        yield
        return
    others = sorted(set(range(os.cpu_count() or 1)) - {cpu})
    core = cpu if scenario == "same core loaded" else others[0]
    text = f"import os; os.sched_setaffinity(0, {{{core}}})\n{_BUSY}"
    busy = subprocess.Popen([sys.executable, "-c", text])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def _recorded(scenario: str, seconds: float, arms: dict[str, Artifact], bench: Bench) -> Recording:
    rounds: list[dict[str, list[LaunchRecord]]] = []
    first: dict[str, LaunchRecord] = {}
    order = random.Random(scenario)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        half = order.sample(ARMS, len(ARMS))
        launched: dict[str, list[LaunchRecord]] = {arm: [] for arm in ARMS}
        for arm in (*half, *reversed(half)):
            blank = launch.blank(bench, arms[arm], 0, 0)
            record, _ = launch.put_and_launch(bench, blank, arms[arm], None, first.get(arm))
            if record.error is not None:
                raise SystemExit(f"{arm}: {record.error}")
            first.setdefault(arm, record)
            launched[arm].append(record)
        rounds.append(launched)
    wall_s = time.monotonic() - began
    return Recording(
        scenario,
        np.array([[[r.samples_ns for r in of[arm]] for arm in ARMS] for of in rounds]),
        np.array([[[invalid(r) for r in of[arm]] for arm in ARMS] for of in rounds]),
        {
            "network": NETWORK,
            "machine": f"{bench.facts.soc}, {bench.facts.cores} cores, {platform.platform()}",
            "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_a_launch": f"{wall_s / (8 * len(rounds)):.2f}",
        },
    )


def invalid(record: LaunchRecord) -> str:
    """Return the flags that void a launch, by spaces."""
    return " ".join(name for name in record.flags if flags.FLAGS[name].invalidates)


if __name__ == "__main__":
    sys.exit(main())
