"""The pushed program itself; ``runner.make_runner`` puts an interpreter's name above it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_CONTROL = "ASYMM_PHONE_CONTROL"
_CORES = 8
_RUN_NS, _MORE_NS = 200_000, 2_000
"""What a run takes at the top clock, and how much more at most."""
_BETWEEN_NS = 500
_INIT_NS = 1_000_000
_READ_NS = 500_000
_MAC_PER_S = 4e10
_LONG_RUN_NS = 20_000_000
"""What a run takes at the top clock, of a launch that goes on for minutes."""


class _Phone:
    """The phone's end of the control socket; without one, nothing goes wrong."""

    def __init__(self) -> None:
        import _socket  # socket itself takes longer to import than a small model to run

        self._socket: Any = None
        if path := os.environ.get(_CONTROL):
            self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            self._socket.connect(path)

    def tell(self, event: str, **fields: object) -> dict[str, Any]:
        """Report how far the launch is; return what the phone orders it to do."""
        if self._socket is None:
            return {}
        self._socket.sendall(json.dumps({"event": event, **fields}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            part = self._socket.recv(2**16)
            if not part:  # the phone is gone, and a launch can do without it
                return {}
            line += part
        answer: dict[str, Any] = json.loads(line)
        return answer


class _Launch:
    """One launch on the phone: changes what it prints on its way out."""

    def __init__(self, argv: Sequence[str]) -> None:
        import random

        self._phone = _Phone()
        self._stream = 1
        orders = self._phone.tell("start", pid=os.getpid(), argv=list(argv))
        self._real = orders.get("cores") or sorted(os.sched_getaffinity(0))
        self._watches = "--by-operator" in argv
        self._rng = random.Random(orders.get("number", 0))
        self._asked: tuple[int, ...] = ()
        self._shares = (1.0, 1.0)
        self._precision: str | None = None
        self._models = 0
        self._elsewhere = "--backend" in argv
        self._fallen: int | None = 0
        self._software: str | None = None
        self._spoilt: float | None = None
        self._migrated: int | None = None
        self._share = 1.0
        self._khz: int | None = None
        self._obey(orders)

    def run(self, argv: Sequence[str]) -> int:
        from asymm_deploy.bench.runner import __main__ as program
        from asymm_deploy.bench.runner import cores

        take_stdout, launch = program._take_stdout, program._launch
        core_now, pin = cores.core_now, cores.pin

        def own_stdout() -> int:
            self._stream = take_stdout()
            return self._stream

        def own_launch(options: Any, send: Callable[[str, Mapping[str, object]], None]) -> None:
            self._asked = options.cpu
            launch(options, lambda kind, fields: self._send(kind, dict(fields), send))

        def own_pin(cpus: Sequence[int]) -> None:
            if not set(cpus) <= set(range(_CORES)):
                listed = ", ".join(map(str, cpus))
                raise cores.RefusedError(f"can't pin to core {listed}: Invalid argument")
            pin(sorted({self._place(cpu) for cpu in cpus}))

        if "--for-seconds" in argv:
            self._have_seconds()
        program._take_stdout = own_stdout
        program._launch = own_launch
        cores.core_now = lambda: self._name(core_now())
        cores.pin = own_pin
        code = program.main(argv)
        self._phone.tell("done")
        return code

    def _have_seconds(self) -> None:
        """Have the loop that lasts go by the phone's own clock, on which runs take what they do.

        Its seconds pass as quickly as the phone says.
        """
        from asymm_deploy.bench.runner import by_second

        launch = self

        class OwnLoop(by_second.Loop):
            def __init__(self, cpus: Sequence[int], send: Callable[..., None]) -> None:
                self._now = self._busy = 0
                super().__init__(
                    cpus,
                    send,
                    clock=lambda: self._now,
                    thread_clock=lambda: self._busy,
                    sleep=self._pause,
                )

            def _pause(self, seconds: float) -> None:
                self._now += round(seconds * 1e9)

            def go(
                self, run: Callable[[], None], for_ns: int, every_ns: int | None
            ) -> dict[str, object]:
                def timed() -> None:
                    run()
                    took = round((_LONG_RUN_NS + launch._rng.randrange(_MORE_NS)) / launch._share)
                    self._now += took
                    self._busy += took

                return super().go(timed, for_ns, every_ns)

            def khz(self) -> int | None:
                return launch._khz

        by_second.Loop = OwnLoop  # type: ignore[misc,assignment]

    def _run_ns(self) -> int:
        return _RUN_NS + self._rng.randrange(_MORE_NS)

    def _place(self, cpu: int) -> int:
        """Return the real core that stands for the phone's."""
        place: int = self._real[cpu % len(self._real)]
        return place

    def _name(self, place: int | None) -> int | None:
        """Return the phone's core that a real one stands for, one of those asked for if it can."""
        if place is None:
            return None
        every = (*self._asked, *range(_CORES))
        return next((cpu for cpu in every if self._place(cpu) == place), None)

    def _send(
        self,
        kind: str,
        fields: dict[str, Any],
        send: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        orders: dict[str, Any] = {}
        if kind == "hello":
            fields["abi"] = "arm64-v8a"
        elif kind == "model":
            self._models += 1
            if self._models == 1:  # of two, the second comes at once
                orders = self._phone.tell("model")
                self._precision = orders.get("precision")
                self._migrated = orders.get("migrated")
                self._share = orders.get("share", 1.0)
                self._khz = orders.get("khz")
            told = "untold" if self._elsewhere else fields["precision"]
            fields["precision"] = self._precision or told
            fields["init_ns"] = _INIT_NS + self._rng.randrange(_MORE_NS)
        elif kind == "cpu":
            self._shares = tuple(self._phone.tell("looped").get("shares", (1.0, 1.0)))
            if self._migrated is not None:
                fields["after"] = self._migrated
        elif kind == "calibration":
            for when, share in zip(("before", "after"), self._shares, strict=True):
                fields[f"{when}_mac_per_s"] = _MAC_PER_S * share
        elif kind == "stages":
            _set_times_of_stages(fields, self._run_ns)
            time.sleep(fields["wall_ns"] / 1e9)  # it has lived for that long
            orders = self._phone.tell("stages")
        elif kind in {"second", "sustained"}:
            fields.update(waited_ns=0, steal_ns=0)
            if kind == "second":
                fields["core"] = self._asked[0] if self._asked else None
                fields["khz"] = self._khz
                orders = self._phone.tell(
                    "second", at_ns=fields["at_ns"], wall_ns=fields["wall_ns"],
                    cpu_ns=fields["cpu_ns"],
                )  # fmt: skip
                self._share = orders.get("share", 1.0)
                self._khz = orders.get("khz")
                time.sleep(fields["wall_ns"] / 1e9 / orders.get("hurry", 1.0))
        elif kind in {"samples", "pairs"}:
            set_times = _set_times if kind == "samples" else _set_times_of_pairs
            set_times(fields, self._shares, self._run_ns)
            if self._watches:  # each run untimed, timed and watched
                fields["wall_ns"] *= 3
            time.sleep(fields["wall_ns"] / 1e9)  # it has lived for that long
            orders = self._phone.tell("samples")
            self._fallen = orders.get("fallen", 0)
            self._software = orders.get("driver")
            self._spoilt = orders.get("spoilt")
        elif kind == "backends":
            _set_backends(fields, self._fallen)
            if self._fallen is not None:
                driver = self._software or "Adreno (TM) 640"
                fields.update(driver=driver, driver_is_cpu=self._software is not None)
        elif kind == "output" and self._spoilt is not None:
            _spoil(fields, self._spoilt)
        elif kind == "operators":
            _set_times_of_operators(fields, self._run_ns)
        if "cut" in orders:
            line = json.dumps({"type": kind, **fields})
            os.write(self._stream, line[: len(line) // 2].encode())
            os._exit(orders["cut"])
        if "garbage" in orders:
            os.write(self._stream, bytes.fromhex(orders["garbage"]))
        send(kind, fields)
        self._obey(orders)

    def _obey(self, orders: Mapping[str, Any]) -> None:
        if "kill" in orders:
            os.kill(os.getpid(), orders["kill"])
        if "hang" in orders:
            while True:
                time.sleep(3600)


def _set_times(
    samples: dict[str, Any], shares: tuple[float, float], run_ns: Callable[[], int]
) -> None:
    """Have the first half run at the clock from before the loop, the second at the one after it."""
    half = len(samples["ns"]) // 2
    samples["ns"] = [round(run_ns() / shares[index >= half]) for index in range(len(samples["ns"]))]
    samples["wall_ns"] = sum(samples["ns"]) + _BETWEEN_NS * len(samples["ns"])
    samples.update(cpu_ns=samples["wall_ns"], waited_ns=0, steal_ns=0)


def _set_backends(backends: dict[str, Any], fallen: int | None) -> None:
    """Have the phone's own back end run the operators, but for so many, or for all if None."""
    total = sum(backends["operators"].values())
    elsewhere = total if fallen is None else fallen
    asked = backends["asked"]
    backends["session"] = asked if elsewhere < total else "cpu"
    counts = {asked: total - elsewhere, "cpu": elsewhere}
    backends["operators"] = {name: count for name, count in counts.items() if count}
    for listed in ("elsewhere_types", "elsewhere_names"):
        backends[listed] = backends[listed][:elsewhere]
    if fallen is None:
        backends["loading"] = 'dlopen failed: library "libMNN_Vulkan.so" not found'


def _spoil(output: dict[str, Any], value: float) -> None:
    """Have all that was computed be one number."""
    import base64
    import hashlib
    import struct

    one = struct.pack("<f", value)
    digest = hashlib.sha256()
    for name, encoded in output.get("values", {}).items():
        made = one * (len(base64.b64decode(encoded)) // 4)
        output["values"][name] = base64.b64encode(made).decode()
        digest.update(made)
    output["sha256"] = digest.hexdigest()


def _set_times_of_stages(stages: dict[str, Any], run_ns: Callable[[], int]) -> None:
    """Have the file take a while, the first run three times as long as the second."""
    second_ns = run_ns()
    own = {
        "read_ns": _READ_NS,
        "create_ns": _INIT_NS,
        "first_ns": 3 * second_ns,
        "second_ns": second_ns,
    }
    wall_ns = sum(own.values()) + _BETWEEN_NS
    stages.update({name.replace("_ns", "_cpu_ns"): ns for name, ns in own.items()})
    stages.update(own, wall_ns=wall_ns, cpu_ns=wall_ns, waited_ns=0, steal_ns=0)
    stages.update(resident=0, major_faults=0)


def _set_times_of_operators(operators: dict[str, Any], run_ns: Callable[[], int]) -> None:
    """Have each operator take its part of a run, and a little be between them."""
    count = len(operators["names"])
    operators["least_ns"] = [_RUN_NS // count - _BETWEEN_NS] * count
    operators["median_ns"] = [_RUN_NS // count] * count
    operators["gap_ns"] = [_BETWEEN_NS // 2] * (count + 1)
    operators["watched_ns"] = [run_ns() for _ in operators["watched_ns"]]


def _set_times_of_pairs(
    pairs: dict[str, Any], shares: tuple[float, float], run_ns: Callable[[], int]
) -> None:
    """Do so with both runs of each pair, which keep the turns that they had."""
    sides = sorted((pairs["first"], pairs["second"]), key=lambda side: side["start_ns"])
    half = len(pairs["first"]["ns"]) // 2
    now = 0
    for index in range(len(pairs["first"]["ns"])):
        for side in sides:
            side["start_ns"][index] = now
            side["ns"][index] = round(run_ns() / shares[index >= half])
            side["cpu_ns"][index] = side["ns"][index]
            now += side["ns"][index] + _BETWEEN_NS
    pairs.update(wall_ns=now, cpu_ns=now, waited_ns=0, steal_ns=0)


if __name__ == "__main__":
    _code = _Launch(sys.argv[1:]).run(sys.argv[1:])
    from asymm_deploy.bench.runner.__main__ import _leave

    _leave(_code)
