"""A runner that a phone of the lab gets: it reports what a real one does, and sleeps as long.

Twelve phones of a lab share this machine, which must not be what limits them. So this runner loads
no engine. It hashes the model, tells the phone how far it is, and lives for ``LAUNCH_S`` seconds.
Its times follow from that and from the phone's clock. It notices if another one runs on its phone.
"""

from __future__ import annotations

import _socket
import fcntl
import json
import os
import sys
import time
from _hashlib import openssl_sha256
from itertools import pairwise

LAUNCH_S = 1.0
_CONTROL = "ASYMM_PHONE_CONTROL"
_MAC_PER_S = 4e10


def main(argv: list[str]) -> None:
    """Do one launch."""
    given = dict(pairwise(argv))
    cores = [] if given["--cpu"] == "none" else [int(core) for core in given["--cpu"].split(",")]
    runs, core = int(given["--runs"]), next(iter(cores), None)
    control = os.environ[_CONTROL]
    mine = os.open(f"{control}.runs", os.O_RDWR | os.O_CREAT, 0o600)
    overlaps = False
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        overlaps = True
    phone = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    phone.connect(control)

    def tell(event: str, **fields: object) -> dict[str, object]:
        phone.sendall(json.dumps({"event": event, **fields}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            part = phone.recv(2**16)
            if not part:
                return {}
            line += part
        return dict(json.loads(line))

    def say(kind: str, **fields: object) -> None:
        os.write(1, json.dumps({"type": kind, **fields}).encode() + b"\n")

    orders = tell("start", pid=os.getpid(), argv=argv, overlaps=overlaps)
    with open(given["--model"], "rb") as file:  # noqa: PTH123 - pathlib takes longer than all else
        content = file.read()
    sha256 = openssl_sha256(content).hexdigest()
    say(
        "hello",
        protocol=1,
        runner="lab",
        runner_version="1",
        engine="mnn",
        engine_version="3.6.1",
        abi="arm64-v8a",
        pid=os.getpid(),
    )
    obey(orders)
    obey(tell("model"))
    say(
        "model",
        sha256=sha256,
        input_shape=[1, 3, 16, 16],
        init_ns=1_000_000,
        memory_mb=20.0,
        precision=given["--precision"],
        threads=int(given["--threads"]),
    )
    say("cpu", asked=cores, before=core, after=core)
    run_ns = int(1e9 * LAUNCH_S / runs)
    began = time.monotonic()
    shares = tell("looped").get("shares", (1.0, 1.0))
    time.sleep(max(0.0, LAUNCH_S - (time.monotonic() - began)))
    say("calibration", before_mac_per_s=_MAC_PER_S, after_mac_per_s=_MAC_PER_S)
    jitter = os.urandom(2 * runs)  # of 1 % at most, so that no two launches have the same times
    ns = [run_ns - jitter[2 * i] * 256 - jitter[2 * i + 1] for i in range(runs)]
    wall_ns = sum(ns)
    say("samples", ns=ns, wall_ns=wall_ns, cpu_ns=wall_ns, waited_ns=0, steal_ns=0)
    obey(tell("samples", shares=shares))
    say("output", sha256=sha256)
    say("done", count=runs)
    tell("done")


def obey(orders: dict[str, object]) -> None:
    """Die or hang, where the phone says so."""
    if number := orders.get("kill"):
        os.kill(os.getpid(), int(str(number)))
    while orders.get("hang"):
        time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
