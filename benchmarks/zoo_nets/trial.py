"""One model of the zoo: exported by the command line, and run by MNN alone beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.zoo_nets.direct import RIGHT, RIGHT_SHARE

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 150.0
"""Wall seconds of one export, and of each step of the cross-check."""
NICE = 15
_COMMAND = Path(sysconfig.get_path("scripts")) / "asymm-deploy"
_CODES = (2, 3, 4, 5, 6)
_LOOK_S = 0.3
"""How often processes are looked at; what they compute after the last look is not counted."""
_SESSION, _USER_TIME, _SYSTEM_TIME = 3, 11, 12
"""Places in /proc/PID/stat, after the name."""
_running: set[int] = set()
"""Process groups that were started and have not ended."""


@dataclass(frozen=True)
class Task:
    """A model as a user names it."""

    name: str
    package: str
    model: str
    """The MODEL argument."""
    callable: str | None
    file: str | None
    inputs: tuple[str, ...]
    remark: str
    samples: str | None = None
    """The file of ``--inputs``, if there is one."""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int | None
    """None if it was stopped at the limit; negative for a signal."""
    wall_s: float
    cpu_s: float
    stdout: str
    stderr: str


def try_one(task: Task, work: Path) -> dict[str, Any]:
    """Export ``task``, cross-check, and return the record of both."""
    out = work / "artifacts" / task.name
    shutil.rmtree(out, ignore_errors=True)
    shapes = [part for text in task.inputs for part in ("--input-shape", text)]
    samples = ("--inputs", task.samples) if task.samples else ()
    command = [str(_COMMAND), "export", task.model, *shapes, *samples]
    command += ["--out", str(out), "--jobs", "1"]
    ended = start(command)
    record: dict[str, Any] = {**asdict(task), **judged(ended, out)}
    record["alone"] = alone(task, work)
    folder = next((path.parent for path in out.rglob("manifest.json")), None)
    if folder is not None:
        record["made"] = _of_made(folder, work / "alone" / task.name)
    shutil.rmtree(out, ignore_errors=True)
    return record


def judged(ended: Ended, out: Path) -> dict[str, Any]:
    """Return what the export's exit code, words and manifest say."""
    said = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in ended.stderr.splitlines()]
    errors = [line for line in said if "error: " in line]
    record: dict[str, Any] = {
        "code": ended.code,
        "wall_s": round(ended.wall_s, 1),
        "cpu_s": round(ended.cpu_s, 1),
        "error": " / ".join(dict.fromkeys(line.split("error: ", 1)[1] for line in errors)),
        "stderr": "\n".join(said)[-4000:],
        "stdout": ended.stdout[-2000:],
    }
    manifest = next(iter(out.rglob("manifest.json")), None)
    if ended.code is None:
        record |= {"result": "failed", "error": f"not done after {LIMIT_S:.0f} s"}
    elif "Traceback (most recent call last)" in ended.stderr + ended.stdout:
        last = [line for line in said if line and not line.startswith(" ")][-1:]
        record |= {"result": "failed", "error": "traceback: " + "".join(last)[:300]}
    elif ended.code == 0 and manifest is not None:
        made = json.loads(manifest.read_text())
        kept = ("stages", "api", "unused_inputs", "proven_inputs", "inputs", "outputs", "opset")
        record |= {"result": "passed"} | {key: made.get(key) for key in kept}
    elif ended.code in _CODES and errors:
        record["result"] = "refused"
    else:
        record |= {"result": "failed", "error": f"ended with {ended.code}: {' '.join(said[-2:])}"}
    return record


def alone(task: Task, work: Path) -> dict[str, Any]:
    """Return what MNN makes of the model without us; remembered, for it never changes."""
    folder = work / "alone" / task.name
    kept = folder / "alone.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        if {"samples": None, **found["task"]} == json.loads(json.dumps(asdict(task))):
            return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "task.json").write_text(json.dumps(asdict(task)))
    record: dict[str, Any] = {"task": asdict(task), "verdict": "right"}
    for step in ("graph", "convert", "run"):
        found = _step(step, folder)
        record |= {key: value for key, value in found.items() if key != "failed"}
        if "failed" in found:
            record |= {"verdict": "can't", "step": step, "reason": found["failed"]}
            break
    if record["verdict"] == "right":
        record["verdict"] = verdict(record)
    kept.write_text(json.dumps(record))
    (folder / "graph.mnn").unlink(missing_ok=True)
    (folder / "graph.onnx").unlink(missing_ok=True)
    return record


def verdict(found: dict[str, Any]) -> str:
    """Return ``right`` or ``differs``."""
    close = found["error"] <= RIGHT and found["share"] <= RIGHT_SHARE
    return "right" if close else "differs"


def _of_made(folder: Path, scratch: Path) -> dict[str, Any]:
    """Run the file that the export made on inputs of the given ranges."""
    (scratch / "made_task.json").write_text(json.dumps(str(folder)))
    found = _step("made", scratch)
    if "failed" in found:
        return {"verdict": "can't", "reason": found["failed"]}
    return {**found, "verdict": verdict(found)}


def _step(step: str, folder: Path) -> dict[str, Any]:
    answer = folder / f"{step}.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.zoo_nets.direct", step, str(folder)]
    ended = start(command)
    if answer.exists():
        found: dict[str, Any] = json.loads(answer.read_text())
        if "failed" in found and step == "convert":
            found["failed"] += ": " + _last_words(ended)
        return found
    how = "not done in time" if ended.code is None else f"ended with {ended.code}"
    return {"failed": f"{how}: {_last_words(ended)}"}


def _last_words(ended: Ended) -> str:
    lines = [line.strip() for line in (ended.stdout + "\n" + ended.stderr).splitlines()]
    told = [line for line in lines if line and "The device supports" not in line]
    return "; ".join(told[-3:])[:300]


def start(command: Sequence[str]) -> Ended:
    """Run ``command`` in the project's folder, offline, at low priority, within the limit."""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "COLUMNS": "400",
    }
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            ("nice", "-n", str(NICE), *command),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        _running.add(process.pid)
        code: int | None = None
        cpu: dict[str, float] = {}
        try:
            while code is None and time.monotonic() - begun < LIMIT_S:
                cpu |= _cpu_seconds(process.pid)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(_LOOK_S)
        finally:
            _end(process.pid)
            _running.discard(process.pid)
            process.wait()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(code, time.monotonic() - begun, sum(cpu.values()), *texts)


def _cpu_seconds(session: int) -> dict[str, float]:
    """Return the CPU seconds of each process of ``session``: its workers are nobody's children.

    Empty where there is no /proc.
    """
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[_SESSION]) == session:
            ticks = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
            found[file.parent.name] = ticks / os.sysconf("SC_CLK_TCK")
    return found


def end_all() -> None:
    """Kill what other threads are running, so that a program that is stopped leaves nothing."""
    for group in tuple(_running):
        _end(group)


def _end(group: int) -> None:
    """Kill what is left of a process group that we started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
