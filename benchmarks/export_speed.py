"""How long exporting takes, ours with every comparison and the obvious chain without any.

Both sides start from nothing in fresh processes, one after the other on an idle machine, without a
network. Exits 1 beyond a limit; the limits are for all 30 models of the paper's Table 5 on two
cores, and for the largest of them alone.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.errors import ExitCode
from asymm_deploy.models import names

_LONGEST_S = 45.0
_LONGEST_ALONE_S = 6.0
_LONGEST_UNCHANGED_S = 1.5
_LEAST_RATIO = 2.0

_ALONE = "asymmnet_large_100"

_TIMEOUT_S = 3600.0
_CHAIN = Path(__file__).resolve().parent / "obvious_chain.py"
_COMMAND = Path(sysconfig.get_path("scripts")) / "asymm-deploy"
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxsim", "onnxruntime", "MNN", "asymm-deploy")


class FailedError(Exception):
    """One of the sides did not do its work, so there is nothing to compare."""


@dataclass(frozen=True)
class Times:
    """Wall seconds of each side."""

    ours_s: float
    alone_s: float
    """Of one model, which pays for all that several share."""
    unchanged_s: float
    default_chain_s: float
    older_chain_s: float

    @property
    def ratio(self) -> float:
        """How many times longer the chain with torch's default exporter takes."""
        return self.default_chain_s / self.ours_s

    @property
    def older_ratio(self) -> float:
        """How many times longer the chain with torch's older exporter takes."""
        return self.older_chain_s / self.ours_s

    def beyond(self) -> list[str]:
        """Return a line for each limit that is not kept."""
        limits = (
            (self.ours_s <= _LONGEST_S, f"from nothing: more than {_LONGEST_S} s"),
            (self.alone_s <= _LONGEST_ALONE_S, f"one model: more than {_LONGEST_ALONE_S} s"),
            (
                self.unchanged_s <= _LONGEST_UNCHANGED_S,
                f"unchanged: more than {_LONGEST_UNCHANGED_S} s",
            ),
            (self.ratio >= _LEAST_RATIO, f"less than {_LEAST_RATIO:.0f} times as fast"),
        )
        return [text for kept, text in limits if not kept]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help="only these, instead of all of Table 5"
    )
    parser.add_argument(
        "--report-only", action="store_true", help="exit 0 beyond a limit, for noisy machines"
    )
    options = parser.parse_args(argv)
    try:
        print(_machine(), flush=True)
        with tempfile.TemporaryDirectory(prefix="export-speed-") as folder:
            times = _measure(options.models, Path(folder))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except FailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.HARNESS
    print(_table(times, len(options.models or names.table_models(5))))
    for line in times.beyond():
        print(f"beyond the limit: {line}")
    return 1 if times.beyond() and not options.report_only else 0


def _measure(models: Sequence[str] | None, folder: Path) -> Times:
    wanted = tuple(models or names.table_models(5))
    what = ("--table", "5") if models is None else wanted
    alone = _without_network()
    # One model each, not timed: from here on every side finds its packages in the file cache.
    _ours(alone, wanted[:1], wanted[:1], folder / "warm")
    for exporter in ("default", "older"):
        _chain(alone, exporter, wanted[:1], folder / f"warm-{exporter}")
    return Times(
        ours_s=_ours(alone, what, wanted, folder / "ours"),
        alone_s=_ours(alone, (_ALONE,), (_ALONE,), folder / "alone"),
        unchanged_s=_ours(alone, what, wanted, folder / "ours", status="unchanged"),
        default_chain_s=_chain(alone, "default", wanted, folder / "default"),
        older_chain_s=_chain(alone, "older", wanted, folder / "older"),
    )


def _ours(
    alone: Sequence[str],
    what: Sequence[str],
    wanted: Sequence[str],
    out: Path,
    status: str = "exported",
) -> float:
    """Time ``asymm-deploy export``; every model of ``wanted`` must come out as ``status``."""
    seconds, printed = _timed([*alone, str(_COMMAND), "export", *what, "--out", str(out)])
    rows = [line.split()[:2] for line in printed.splitlines()]
    for name in wanted:
        if [name, status] not in rows:
            raise FailedError(f"asymm-deploy export did not report {name} as {status}:\n{printed}")
        if not (out / name / "model.mnn").stat().st_size:
            raise FailedError(f"{out / name / 'model.mnn'} is empty")
    return seconds


def _chain(alone: Sequence[str], exporter: str, wanted: Sequence[str], out: Path) -> float:
    """Time ``obvious_chain.py``, which fails where a file does not come out."""
    out.mkdir()
    script = [sys.executable, str(_CHAIN), "--exporter", exporter, "--out", str(out), *wanted]
    seconds, _printed = _timed([*alone, *script])
    made = {file.stem for file in out.glob("*.mnn") if file.stat().st_size}
    if made != set(wanted):
        raise FailedError(f"the chain made no file of: {', '.join(sorted(set(wanted) - made))}")
    return seconds


def _timed(command: Sequence[str]) -> tuple[float, str]:
    """Run ``command`` and return its wall seconds and what it printed; Ctrl-C ends it whole."""
    start = time.perf_counter()
    completed = HostDevice(None).run(command, timeout_s=_TIMEOUT_S)
    seconds = time.perf_counter() - start
    if completed.returncode != 0:
        raise FailedError(
            f"{' '.join(command)}\nended with {completed.returncode}:\n"
            + completed.stderr.decode(errors="replace")[-4000:]
        )
    return seconds, completed.stdout.decode(errors="replace")


def _without_network() -> tuple[str, ...]:
    """Return what starts a command in a namespace without interfaces, where that is allowed."""
    prefix = ("unshare", "--net", "--map-root-user")
    if shutil.which(prefix[0]) is None:
        return ()
    allowed = subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False)
    return prefix if allowed.returncode == 0 else ()


def _machine() -> str:
    facts = HostDevice(None).facts(())
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{facts.soc or facts.abi}, {facts.cores} cores, {facts.os}\n"
        f"Python {platform.python_version()}, {versions}"
    )


def _table(times: Times, count: int) -> str:
    """Return the figures in the order of the limits."""
    rows = (
        ("asymm-deploy export, from nothing, compared", times.ours_s, f"limit {_LONGEST_S:.0f}"),
        ("the same again, unchanged", times.unchanged_s, f"limit {_LONGEST_UNCHANGED_S}"),
        (f"{_ALONE} alone, from nothing", times.alone_s, f"limit {_LONGEST_ALONE_S:.0f}"),
        ("obvious chain, default exporter, not compared", times.default_chain_s, ""),
        ("obvious chain, older exporter, not compared", times.older_chain_s, ""),
    )
    ratios = (
        ("default chain / ours", times.ratio, f"at least {_LEAST_RATIO:.0f}"),
        ("older chain / ours", times.older_ratio, ""),
    )
    lines = [f"{f'{count} models':46} {'seconds':>8}"]
    lines += [f"{label:46} {value:8.2f}  {limit}".rstrip() for label, value, limit in rows]
    lines += [f"{label:46} {value:7.2f}x  {limit}".rstrip() for label, value, limit in ratios]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
