"""What tests share: one thread for torch, so that they don't fight for cores, a launch, a browser,
and what counts instructions, if `make emulator` has set it up. And how Python's garbage is
collected."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.bench.records import Calibration, DeviceFacts, LaunchRecord
from asymm_deploy.errors import HarnessError
from tests.headless_browser import Browser, running_browser

os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")

# Collecting thousands of tests makes millions of objects that all stay. Going through them again
# and again took a third of that time, and some of each test's.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was made until here out of account, and collect garbage from now on."""
    gc.freeze()
    gc.enable()


for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        # A script's ``make test &`` or ``nohup make test``: processes started here would ignore the
        # signal too, and some tests send it to them. A handler that does nothing is not inherited,
        # and leaves pytest itself deaf.
        signal.signal(number, lambda _number, _frame: None)


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """The one in the data folder of who runs the tests; those that need it are skipped without it.

    It is looked for before any test points ``XDG_DATA_HOME`` elsewhere: pytest makes fixtures of a
    session before those of a test. Its paths are absolute.
    """
    try:
        return find_emulator()
    except HarnessError as error:
        pytest.skip(f"{error.what}; {error.hint}")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one browser of all tests; they are skipped where none is installed."""
    with running_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share: what takes long is made there once."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def good() -> LaunchRecord:
    """A launch with nothing wrong: 100 runs of 10 ms, on a core that does 40 G MAC/s."""
    return LaunchRecord(
        model="net",
        network="asymmnet",
        scale="large",
        multiplier=1.0,
        madds=200_000_000,
        params=5_000_000,
        floor_madds=100_000_000,
        artifact_file="model.mnn",
        artifact_sha256="0" * 64,
        device="here",
        device_facts=DeviceFacts(
            device="here", soc="chip", cpu_max_khz=3_000_000, cores=2, abi="x86_64", os="Linux 6"
        ),
        cpu=1,
        cpus=(1,),
        cpu_before=1,
        cpu_after=1,
        engine="mnn",
        engine_version="3.6.1",
        runner="python",
        runner_version="0.1.0",
        precision="fp32",
        precision_in_force="fp32",
        threads=1,
        plan_id="plan",
        attempt=0,
        launch=0,
        launches_planned=3,
        runs=100,
        warmup=20,
        samples_ns=tuple(10_000_000 + 1000 * i for i in range(100)),
        init_ns=30_000_000,
        peak_memory_mb=60.0,
        calibration=Calibration(4e10, 4e10),
        wall_ns=1_010_000_000,
        off_core_ns=0,
        waited_ns=0,
        steal_ns=0,
        output_sha256="b" * 64,
        output_error=1e-6,
        valid=True,
        flags=(),
        allowed=(),
        error=None,
        exit_code=0,
        started_at="2026-01-01T00:00:00+00:00",
    )
