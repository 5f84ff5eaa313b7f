"""Gives every parser hostile examples for as long as you like, and prints what was found.

The parsers, and how examples are drawn, are those of tests/fuzz. Each parser has a process of its
own, so that a crash in native code is a finding too. Exits 1 if there is any finding. The same
seed draws the same examples, as far as the time allows them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

from tests.fuzz.examples import examples
from tests.fuzz.limits import TooLongError, bounded, try_one
from tests.fuzz.parsers import PARSERS, Parser

_A_ROUND = 400
"""Examples that are drawn together; the time is looked at after each round."""
_GRACE_S = 120.0  # for making a finding small, and for imports


def main() -> int:
    """Try every parser; return the exit code."""
    options = _options()
    if options.only is not None:
        print(json.dumps(_tried(PARSERS[options.only], options.seconds, options.seed)))
        return 0
    total, findings = 0, 0
    for number, parser in enumerate(PARSERS):
        examples_tried, found = _apart(number, options.seconds, options.seed)
        total += examples_tried
        findings += len(found)
        print(f"{parser.name:28} {examples_tried:8} examples {len(found):3} findings", flush=True)
        for one in found:
            print(f"    {one}", flush=True)
    print(f"{len(PARSERS)} parsers, {total} examples, {findings} findings")
    return 1 if findings else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=12.0, help="for each parser [12]")
    parser.add_argument("--seed", type=int, default=0, help="which examples are drawn [0]")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _apart(number: int, seconds: float, seed_of_run: int) -> tuple[int, list[str]]:
    """Try one parser in a process of its own; return how many examples, and the findings."""
    command = [sys.executable, __file__, f"--only={number}", f"--seconds={seconds}"]
    try:
        ended = subprocess.run(
            [*command, f"--seed={seed_of_run}"],
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 0, ["it never ended, and heard no signal"]
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["nothing"])[-1]
        return 0, [f"its process ended with {ended.returncode}: {last}"]
    count, found = json.loads(ended.stdout.splitlines()[-1])
    return count, found


def _tried(parser: Parser, seconds: float, first_seed: int) -> tuple[int, list[str]]:
    """Draw examples in rounds until the time is up; a kind of finding is told once."""
    warnings.simplefilter("error")  # as the tests have it: a warning is something left unsaid
    warnings.simplefilter("ignore", HypothesisWarning)  # of long examples, when one is a finding
    count, until = 0, time.monotonic() + seconds
    findings: dict[str, str] = {}
    drawn = examples(parser.samples())
    with tempfile.TemporaryDirectory() as folder, bounded():
        at = Path(folder) / "example"
        last: list[bytes] = []
        round_ = 0
        while time.monotonic() < until:

            @seed(first_seed * 1_000_003 + round_)
            @settings(
                max_examples=_A_ROUND,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )
            @given(drawn)
            def never_otherwise(example: bytes) -> None:
                nonlocal count
                count += 1
                last[:] = [example]
                try_one(parser, example, at)

            try:
                never_otherwise()
            except (Exception, SystemExit, TooLongError) as error:
                findings.setdefault(_where(error), f"{_where(error)}: {error!r:.200}, for "
                                    f"{last[0][:300]!r} ({len(last[0])} bytes)")  # fmt: skip
            round_ += 1
    return count, list(findings.values())


def _where(error: BaseException) -> str:
    """Return what was raised, and where in our own code."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "/asymm_deploy/" in frame.filename
    ]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "elsewhere"
    return f"{type(error).__name__} at {place}"


if __name__ == "__main__":
    raise SystemExit(main())
