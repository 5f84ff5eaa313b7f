"""Kills parts of a lab at random moments, and counts what that lost.

A lab of three hosts with four simulated phones each runs on this machine; see tests/lab/bed.py. In
turns a host's agent, a whole host, a worker, the scheduler and the client are killed, and started
again within two seconds. With ``--rough`` cables are pulled as well, and phones are taken by a
bench on their host. Exits 1 if anything is lost, measured twice or at the same time on a phone, or
left behind. The seed tells a run again, as far as the machine lets it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tests.lab

from asymm_deploy.errors import ExitCode
from tests.lab.bed import LabBed, make_models
from tests.lab.killing import KINDS, MORE_KINDS, Killing, KillTally
from tests.phone.fixtures import missing


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many (50)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments")
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--phones", type=int, default=4, help="of each host")
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--launches", type=int, default=4, help="of each model on each phone")
    parser.add_argument("--launch-s", type=float, default=1.0, help="how long each lasts")
    parser.add_argument("--pause-s", type=float, default=10.0, help="the longest between two kills")
    parser.add_argument("--rough", action="store_true", help="pull cables and steal phones, too")
    parser.add_argument("--keep", type=Path, help="an empty folder for results and logs")
    options = parser.parse_args(argv)
    if reason := missing():
        print(f"error: {reason}", file=sys.stderr)
        return ExitCode.USAGE
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        folder = options.keep or Path(name)
        models = make_models(folder / "models", options.models)
        with LabBed(
            folder, hosts=options.hosts, phones=options.phones, launch_s=options.launch_s
        ) as bed:
            bed.await_phones()
            tally = Killing(
                bed,
                models,
                launches=options.launches,
                seed=str(options.seed),
                longest_s=options.pause_s,
                kinds=(*KINDS, *MORE_KINDS) if options.rough else KINDS,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            ).go(options.kills)
    _show(options, tally, time.monotonic() - start)
    return 1 if tally.wrong else 0


def _show(options: argparse.Namespace, tally: KillTally, took_s: float) -> None:
    print(
        f"seed {options.seed}: {options.hosts} hosts with {options.phones} phones each, "
        f"{took_s:.0f} s"
    )
    print("| killed | times |\n|---|--:|")
    for kind, times in tally.kills.items():
        print(f"| {kind} | {times} |")
    print("\n| | |\n|---|--:|")
    for what, figure in (
        ("benches brought to their end", tally.rounds),
        ("commands that took", tally.commands),
        ("launches planned", tally.planned),
        ("of them recorded once, and valid", tally.recorded),
        ("records of launches that failed and were repeated", tally.failed),
        ("launches that began on phones", tally.started),
        ("agents that found no scheduler, and were started again", tally.restarted),
        ("wrong", len(tally.wrong)),
    ):
        print(f"| {what} | {figure} |")
    for what in tally.wrong:
        print(f"error: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
