"""Kills export, bench and check at random moments, and counts what was lost.

Each command is started in folders of its own, and killed: the process itself, any one of those that
it started, by SIGTERM, by Ctrl-C, by Ctrl-C twice. The same command then goes on where that one
stopped; after a few kills it may end. Exits 1 if anything was lost: a finished launch, half a file
in the place of a whole one, a result that is not the one of an undisturbed run, a process that
lives on, a temporary file. The seed tells a run again, as far as the machine lets it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.export.manifest import MANIFEST_NAME
from asymm_deploy.files import sha256_of

_COMMAND = str(Path(sysconfig.get_path("scripts")) / "asymm-deploy")
_MARK = "ASYMM_DEPLOY_KILLED"
"""Set for every process that a trial starts, so that those that outlive it are found."""
_END_S = 60.0  # a launch that is cut short ends sooner
_GRACE_S = 5.0  # for what the kernel and Python's trackers tidy up
_IN_A_ROW = 5
_LOCKS = {".lock", ".bench.lock"}
_SHARED = Path("/dev/shm")
_ALLOW = [f"--allow={flag}" for flag in ("bimodal", "launch-spread", "stolen-time", "busy")]
_FEW = ("--runs=60", "--warmup=2")
_SHAPE = ("--input-shape", "1,3,16,16")
_MODELS = """\
from torch import nn

def small(activation=nn.ReLU, wide=8):
    return nn.Sequential(
        nn.Conv2d(3, wide, 3, padding=1), activation(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, 10),
    )

def wide():
    return small(wide=16)
"""
KINDS = ("SIGKILL", "SIGKILL of a child", "SIGTERM", "Ctrl-C", "Ctrl-C twice")


@dataclass
class Tally:
    """What became of one command's kills."""

    command: str
    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    """Runs that were left to end."""
    kept: int = 0
    """Launches, or models, that were finished when a kill came."""
    too_early: int = 0
    """Of the kills, those while Python itself started: nothing of ours ran that could be lost."""
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """A command in folders of its own."""

    arguments: tuple[str, ...]
    codes: frozenset[int]
    """With which it may end if it is left alone."""
    out: Path
    finished: Callable[[Path], list[str]]
    """What is finished in ``out``, in the order in which it was; lines that must stay."""
    wrong: Callable[[Path], list[str]]
    """What is wrong with a run that was left to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of each command (50)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments")
    parser.add_argument("--commands", nargs="+", choices=_TRIALS, default=list(_TRIALS))
    options = parser.parse_args(argv)
    # A shell has its background jobs ignore Ctrl-C, and they would hand that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        _prepare(folder)
        tallies = [
            _killed(command, options.kills, f"{options.seed}/{command}", folder)
            for command in options.commands
        ]
    print(f"seed {options.seed}")
    print("| command | " + " | ".join(KINDS) + " | left to end | finished before a kill | lost |")
    print("|---|" + "--:|" * (len(KINDS) + 3))
    for tally in tallies:
        counts = [tally.kills[kind] for kind in KINDS] + [tally.ended, tally.kept, len(tally.lost)]
        print(f"| {tally.command} | " + " | ".join(map(str, counts)) + " |")
    for tally in tallies:
        if tally.too_early:
            print(f"{tally.command}: {tally.too_early} of them came while Python itself started")
    for tally in tallies:
        for what in tally.lost:
            print(f"{tally.command}: {what}", file=sys.stderr)
    return 1 if any(tally.lost for tally in tallies) else 0


def _prepare(folder: Path) -> None:
    """Write the models, and export what bench and check take."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    for out, activation in (("new", "ReLU6"), ("old", "ReLU")):
        (folder / "killed_models.py").write_text(_MODELS.replace("nn.ReLU", f"nn.{activation}"))
        _to_the_end(folder, ("export", "killed_models:small", *_SHAPE, "--out", out))


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        _MARK: str(folder),
    }


def _to_the_end(folder: Path, arguments: Sequence[str]) -> None:
    subprocess.run(
        [_COMMAND, *arguments],
        cwd=folder,
        env=_environment(folder),
        check=True,
        stdout=subprocess.DEVNULL,
    )


# trials


def _export_trial(folder: Path, out: Path) -> Trial:
    del folder  # the models are imported from where the command runs
    models = ("killed_models:small", "killed_models:wide")
    arguments = ("export", *models, *_SHAPE, "--jobs=2", "--out", str(out))
    return Trial(arguments, frozenset((0,)), out, _whole_exports, _missing_exports)


def _whole_exports(out: Path) -> list[str]:
    """Return the models whose manifest is there, and of which that have not the files it names."""
    found = []
    for path in sorted(out.glob(f"*/{MANIFEST_NAME}")):
        try:
            files = json.loads(path.read_bytes())["files"]
            whole = all(sha256_of(path.with_name(name)) == sha256 for name, sha256 in files.items())
        except (ValueError, KeyError, OSError) as error:
            found.append(f"{path.parent.name} broken: {error!r}")
            continue
        found.append(path.parent.name + ("" if whole else " broken: other bytes"))
    return found


def _missing_exports(out: Path) -> list[str]:
    found = _whole_exports(out)
    wanted = ["killed_models.small", "killed_models.wide"]
    return [] if found == wanted else [f"exports are {found}"]


def _bench_trial(folder: Path, out: Path) -> Trial:
    arguments: tuple[str, ...] = (
        "bench",
        str(folder / "old" / "killed_models.small" / "model.mnn"),
        *_FEW,
    )
    arguments += ("--launches=8", "--out", str(out), *_ALLOW)
    return Trial(arguments, frozenset((0, 3, 4)), out, _lines, _wrong_bench)


def _lines(out: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return (out / "runs.jsonl").read_text().splitlines(keepends=True)
    return []


def _wrong_bench(out: Path) -> list[str]:
    launches = Counter(
        record["launch"] for record in map(json.loads, _lines(out)) if record["error"] is None
    )
    wrong = [] if launches == Counter(range(8)) else [f"launches are {dict(launches)}"]
    rows = (out / "latency.csv").read_text().splitlines()
    return wrong if len(rows) == 2 else [*wrong, f"latency.csv has {len(rows)} lines"]


def _check_trial(folder: Path, out: Path) -> Trial:
    arguments: tuple[str, ...] = (
        "check",
        "--baseline",
        str(folder / "old"),
        "--candidate",
        str(folder / "new"),
    )
    arguments += (*_FEW, "--max-blocks=8", "--out", str(out), *_ALLOW, "--json")
    return Trial(
        (*arguments, str(out / "check.json")), frozenset((0, 1, 4)), out, _lines, _wrong_check
    )


def _wrong_check(out: Path) -> list[str]:
    verdict = json.loads((out / "check.json").read_bytes())["verdict"]
    known = {"pass", "improved", "regressed", "inconclusive", "unstable"}
    wrong = [] if verdict in known else [f"the verdict is {verdict}"]
    count = len(_lines(out))
    for line in (out / "blocks.jsonl").read_text().splitlines():
        block = json.loads(line)
        if max(block["launches"], default=0) >= count:
            wrong.append(f"block {block['block']} names launches that runs.jsonl lacks")
    return wrong


_TRIALS = {"export": _export_trial, "bench": _bench_trial, "check": _check_trial}


# kills


def _killed(command: str, kills: int, seed: str, folder: Path) -> Tally:
    """Kill the command so often, in folder after folder, and let it end in each."""
    chance = random.Random(seed)
    tally = Tally(command)
    number = 0
    longest_s = 0.0
    while sum(tally.kills.values()) < kills:
        trial = _TRIALS[command](folder, folder / f"{command}-{number}")
        number += 1
        if not longest_s:  # first undisturbed: moments are drawn from what that takes
            longest_s = _left_to_end(trial, folder, tally, [])
            continue
        kept: list[str] = []
        for _again in range(_IN_A_ROW):
            if sum(tally.kills.values()) == kills:
                break
            kind = KINDS[sum(tally.kills.values()) % len(KINDS)]
            kept = _one_kill(trial, folder, kind, chance, longest_s, kept, tally)
        _left_to_end(trial, folder, tally, kept)
    return tally


def _start(trial: Trial, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_COMMAND, *trial.arguments],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that a Ctrl-C reaches all of its group, and not us
    )


def _left_to_end(trial: Trial, folder: Path, tally: Tally, kept: list[str]) -> float:
    """Run the trial to its end, and return how many seconds that took."""
    start = time.monotonic()
    with _start(trial, folder) as process:
        said = process.communicate(timeout=10 * _END_S)[1]
    tally.ended += 1
    lost = []
    if process.returncode not in trial.codes or "Traceback" in said:
        lost.append(f"the next run ended with {process.returncode}: {said[-300:]!r}")
    try:
        lost += trial.wrong(trial.out)
    except (OSError, ValueError, KeyError) as error:
        lost.append(f"the next run left {error!r}")
    lost += _gone(trial, kept) + _left_over(folder)
    hidden = {path.name for path in trial.out.rglob(".*")} - _LOCKS
    lost += [f"{name} is left in {trial.out.name}" for name in sorted(hidden)]
    tally.lost += lost
    return time.monotonic() - start


def _one_kill(
    trial: Trial,
    folder: Path,
    kind: str,
    chance: random.Random,
    longest_s: float,
    kept: list[str],
    tally: Tally,
) -> list[str]:
    """Start the trial, kill it, and add to the tally; return what was finished by then."""
    after_s = chance.uniform(0.0, longest_s)
    which = chance.random()
    with _start(trial, folder) as process:
        time.sleep(after_s)
        before = [x for x in trial.finished(trial.out) if not x.startswith("{") or x[-1] == "\n"]
        if process.poll() is None:
            tally.kills[kind] += 1
            tally.kept += len(before)
            _kill(process, kind, which)
        try:
            said = process.communicate(timeout=_END_S)[1]
        except subprocess.TimeoutExpired:
            tally.lost.append(f"{kind} after {after_s:.2f} s: it did not end")
            process.kill()
            said = process.communicate()[1]
    story = f"{kind} after {after_s:.2f} s, exit code {process.returncode}"
    lost = _gone(trial, kept) + _gone(trial, before) + _left_over(folder)
    if kind.startswith("Ctrl-C") and is_of_pythons_start(process.returncode, said):
        tally.too_early += 1
    elif "Traceback" in said and kind != "SIGKILL of a child":
        lost.append(f"a traceback: {said[-300:]!r}")
    elif process.returncode == 1 and "check" not in trial.arguments:
        lost.append(f"exit code 1, which means regression: {said[-300:]!r}")
    tally.lost += [f"{story}: {what}" for what in lost]
    return before


def is_of_pythons_start(code: int, said: str) -> bool:
    """Whether a Ctrl-C came while Python itself started: no line of ours has run, nor could it.

    Then SIGINT ends it, with a traceback or without; or 1, while it imports its ``site`` module.
    """
    ours = re.search(r'^  File "[^"]*/asymm_deploy/', said, re.MULTILINE)
    dies = code == -signal.SIGINT and said.rstrip().endswith("KeyboardInterrupt")
    silent = code == -signal.SIGINT and not said
    fatal = code == 1 and (
        said.startswith("Fatal Python error: init_import_site")
        or said.strip() == "KeyboardInterrupt"
    )
    return ours is None and (dies or silent or fatal)


def _kill(process: subprocess.Popen[str], kind: str, which: float) -> None:
    with suppress(ProcessLookupError):
        if kind == "SIGKILL":
            process.kill()
        elif kind == "SIGTERM":
            process.terminate()
        elif kind == "SIGKILL of a child":
            started = _descendants(process.pid)
            if started:
                os.kill(started[int(which * len(started))], signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGINT)
            if kind == "Ctrl-C twice":
                time.sleep(which)  # up to a second: before, while and after it puts things back
                os.killpg(process.pid, signal.SIGINT)


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found


# what is lost


def _gone(trial: Trial, kept: list[str]) -> list[str]:
    """Return what was finished and is not now, or not as it was."""
    now = trial.finished(trial.out)
    lost = [f"was finished and is gone: {line[:80]}" for line in kept if line not in now]
    return lost + [line for line in now if " broken: " in line[:60]]


def _left_over(folder: Path) -> list[str]:
    """Return the processes and temporary files that are there after the grace."""
    deadline = time.monotonic() + _GRACE_S
    while left := _strays(folder) + _temporary(folder):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    _sweep(folder)  # what one kill left is not told of again
    return left


def _strays(folder: Path) -> list[str]:
    mark = f"{_MARK}={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # of another user, or gone meanwhile
            if mark in path.read_bytes().split(b"\0"):
                line = path.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(f"process {path.parent.name} lives on: {line[:200]}")
    return found


def _temporary(folder: Path) -> list[str]:
    places = [folder / "home", folder / "tmp"]
    return [f"{path.name} is left" for place in places for path in place.rglob("*")]


def _sweep(folder: Path) -> None:
    for name in ("home", "tmp"):
        for path in sorted((folder / name).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


if __name__ == "__main__":
    sys.exit(main())
