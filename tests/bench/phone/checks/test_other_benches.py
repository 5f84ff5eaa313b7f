"""Two benches on one phone: each of their rows says that it was not alone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.phone.conftest import Bench, lines_in
from tests.phone.faults import Hangs
from tests.phone.phone import Phone


def test_a_bench_that_shares_a_phone_and_the_one_it_shares_with_are_both_flagged(
    bench: Bench,
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    tmp_path: Path,
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process("--out", str(tmp_path / "other"), "--launch-timeout", "12")
    deadline = time.monotonic() + 120
    while not phone.launches and time.monotonic() < deadline:
        time.sleep(0.01)
    shared = bench("--allow", "busy", "--launches", "1")
    assert shared.code == 0, shared.err
    assert all("busy" in record.flags for record in shared.lines)
    assert all(record.valid for record in shared.lines)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)


def test_a_bench_that_another_one_joins_is_flagged_though_it_allowed_nothing(
    bench: Bench,
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    tmp_path: Path,
) -> None:
    many = ("--runs", "80", "--launches", "40")
    process = bench_process("--out", str(tmp_path / "other"), *many)
    deadline = time.monotonic() + 120
    while not phone.launches and time.monotonic() < deadline:
        time.sleep(0.01)
    bench("--allow", "busy")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    flagged = [record for record in lines_in(tmp_path / "other") if "busy" in record.flags]
    assert flagged
    assert not any(record.valid for record in flagged)


def test_a_bench_that_is_alone_is_not_busy_even_where_that_is_allowed(
    bench: Bench, phone: Phone
) -> None:
    ended = bench("--allow", "busy")
    assert ended.code == 0, ended.err
    assert not any("busy" in record.flags for record in ended.lines)
