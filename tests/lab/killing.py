"""Kills parts of a lab at random moments while a bench runs, and looks at what that lost.

Each part is started again soon after, as a supervisor would. The bench is repeated, as its user
would, until it says that it is done. Then every launch must be there once, no two may have run at
the same time on a phone, and nothing may be left anywhere.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import ExitCode
from tests.lab.bed import LabBed, LabHost
from tests.lab.supervised import Supervised, eventually_dead
from tests.phone.phone import Phone

KINDS = ("agent", "power of a host", "worker", "scheduler", "client")
MORE_KINDS = ("cable", "thief")
"""What is no kill: a cable that is out for a while, a bench of somebody else's on the host."""
_RUNS = 5
"""Timed runs a launch."""
_BENCH_S = 240.0
_CLEAN_S = 30.0
_TRIES = 8
_CUT_S = 1.0


@dataclass
class KillTally:
    """What was done to a lab, and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    """Benches that were brought to their end."""
    commands: int = 0
    """How often a bench was started for that."""
    codes: Counter[int] = field(default_factory=Counter)
    """With which benches ended that were not killed."""
    planned: int = 0
    recorded: int = 0
    """Valid launches in use."""
    failed: int = 0
    """Records of launches that failed; later ones replace them."""
    started: int = 0
    """Launches that began on phones, those included that a kill cut short."""
    restarted: int = 0
    """Agents that ended by themselves, as those do that find no scheduler when they start."""
    wrong: list[str] = field(default_factory=list)


class Killing:
    """One bed's kills, drawn from a seed."""

    def __init__(
        self,
        bed: LabBed,
        models: Sequence[Path],
        *,
        launches: int,
        seed: str,
        longest_s: float,
        kinds: Sequence[str] = KINDS,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Draw pauses between kills of up to ``longest_s``."""
        self.tally = KillTally()
        self._bed = bed
        self._models = models
        self._launches = launches
        self._chance = random.Random(seed)
        self._longest_s = longest_s
        self._kinds = kinds
        self._say = say
        self._client: Supervised
        self._thieves: list[Supervised] = []
        self._seen: dict[tuple[str, str], set[int]] = defaultdict(set)
        """By host and file of its cache: the files that have had this name."""

    def go(self, kills: int) -> KillTally:
        """Kill so often, let the last bench end, and return what was found."""
        self._start_bench()
        while sum(self.tally.kills.values()) < kills:
            time.sleep(self._chance.uniform(0.0, self._longest_s))
            if self._client.code is None:
                self._kill_one(self._kinds[sum(self.tally.kills.values()) % len(self._kinds)])
            else:
                self._ended()
            self._supervise()
            self._look_at_caches()
        self._to_the_end()
        self._look_at_caches()
        self._count_deliveries()
        self._end_lab()
        self.tally.started = sum(len(phone.launches) for phone in self._bed.phones)
        self.tally.wrong += self._bed.overlaps()
        return self.tally

    # The bench.

    @property
    def _results(self) -> Path:
        return self._bed.folder / f"results-{self.tally.rounds}"

    def _start_bench(self) -> None:
        phones = len(self._bed.phones)
        self._client = self._bed.client(
            self._bed.bench(
                self._models,
                self._results,
                *("--device", "any", "--count", str(phones), "--wait"),
                *("--runs", str(_RUNS * self._launches), "--launches", str(self._launches)),
                *("--cool-down", "0.1", "--patience", "20", "--launch-timeout", "30"),
            ),
            self._bed.folder / f"client-{self.tally.commands}.log",
        )
        self._client.start()
        self.tally.commands += 1

    def _ended(self) -> None:
        """Note how the bench ended, and start it again, or the next one."""
        code = self._client.code
        assert code is not None
        self._note_end(code)
        if code == 0:
            self._judge()
            self.tally.rounds += 1
        self._start_bench()

    def _note_end(self, code: int) -> None:
        self.tally.codes[code] += 1
        self._say(f"the bench ended with {code}: {self._client.printed()[-300:]!r}")
        if code not in {0, 3}:
            self.tally.wrong.append(f"a bench ended with {code}: {self._client.printed()[-300:]!r}")

    def _to_the_end(self) -> None:
        for _try in range(_TRIES):
            deadline = time.monotonic() + _BENCH_S
            while (code := self._client.code) is None:
                if time.monotonic() > deadline:
                    said = self._client.printed()[-300:]
                    self.tally.wrong.append(f"a bench went on for {_BENCH_S:g} s: {said!r}")
                    self._client.kill_all()
                    return
                time.sleep(0.2)
                self._supervise()
            self._note_end(code)
            if code == 0:
                self._judge()
                self.tally.rounds += 1
                return
            self._start_bench()
        self.tally.wrong.append(f"the bench did not end well in {_TRIES} tries")

    def _supervise(self) -> None:
        """Start agents again that have ended by themselves, as systemd's Restart=always does."""
        for host in self._bed.hosts:
            if host.agent.code is not None:
                self.tally.restarted += 1
                host.agent.start()

    # Kills.

    def _kill_one(self, kind: str) -> None:
        self.tally.kills[kind] += 1
        host = self._chance.choice(self._bed.hosts)
        which = self._chance.random()
        pause_s = self._chance.uniform(0.0, 1.5)
        self._say(f"{sum(self.tally.kills.values())}: {kind} {host.name}")
        if kind == "agent":
            left = host.agent.children()
            host.agent.kill()
            time.sleep(pause_s)
            host.agent.start()
            if left := eventually_dead(left, 20.0):
                self.tally.wrong.append(f"{len(left)} processes outlived the agent of {host.name}")
        elif kind == "power of a host":
            host.lose_power()
            time.sleep(pause_s)
            host.get_power()
        elif kind == "worker":
            host.agent.kill_child(which)
        elif kind == "scheduler":
            self._bed.scheduler.kill_all()
            time.sleep(pause_s)
            self._bed.scheduler.start()
        elif kind == "client":
            self._client.kill_all()
            time.sleep(pause_s)
            self._start_bench()
        elif kind == "cable":
            self._chance.choice(host.phones).cut(_CUT_S)
        else:
            self._steal(host)

    def _steal(self, host: LabHost) -> None:
        results = self._bed.folder / f"thief-{len(self._thieves)}"
        phone = self._chance.choice(host.phones)
        self._thieves.append(host.steal(phone, self._models[0], self._bed.runner, results))

    # Judging.

    def _judge(self) -> None:
        """Every launch of the plan must be there once, made on the phone that it names."""
        lines = (self._results / "runs.jsonl").read_bytes().splitlines()
        records = [msgspec.json.decode(line, type=LaunchRecord) for line in lines]
        good = [record for record in records if record.error is None and record.valid]
        self.tally.planned += len(self._models) * len(self._bed.phones) * self._launches
        self.tally.recorded += len(good)
        self.tally.failed += len(records) - len(good)
        wrong = wrong_records(
            good,
            models=[path.stem for path in self._models],
            phones=self._bed.phones,
            launches=self._launches,
        )
        self.tally.wrong += [f"round {self.tally.rounds}: {what}" for what in wrong]

    def _look_at_caches(self) -> None:
        for host in self._bed.hosts:
            for name, number in host.cached().items():
                self._seen[host.name, name].add(number)

    def _count_deliveries(self) -> None:
        """What was sent must be on each host once, and have been written once."""
        for path in (*self._models, self._bed.runner):
            content = path.read_bytes()
            for host in self._bed.hosts:
                folder = host.folder / "cache"
                same = [name for name in host.cached() if (folder / name).read_bytes() == content]
                written = [len(self._seen[host.name, name]) for name in same]
                if path != self._bed.runner and written != [1]:
                    self.tally.wrong.append(f"{path.name} was written {written} on {host.name}")

    def _end_lab(self) -> None:
        """Ask everything to end: no phone may be left locked or awake, and no process may live."""
        for thief in self._thieves:
            thief.wait(_BENCH_S)
        deadline = time.monotonic() + _CLEAN_S
        while self._bed.dirty() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.tally.wrong += [f"after the bench, {what}" for what in self._bed.dirty()]
        for host in self._bed.hosts:
            code = host.agent.stop()
            if code != ExitCode.INTERRUPTED:
                self.tally.wrong.append(f"the agent of {host.name} ended with {code}")
            if left := eventually_dead(host.agent.children(), 10.0):
                self.tally.wrong.append(f"{len(left)} processes of {host.name} live on")
        self._bed.scheduler.stop()
        self.tally.wrong += [f"after the lab, {what}" for what in self._bed.dirty()]
        logs = [*self._bed.folder.glob("*.log"), *self._bed.folder.glob("*/agent.log")]
        for log in logs:
            text = log.read_text(errors="replace")
            if "Traceback" in text or "a bug in" in text:
                self.tally.wrong.append(f"a traceback in {log.name} of {log.parent.name}")


def wrong_records(
    good: Sequence[LaunchRecord], *, models: Sequence[str], phones: Sequence[Phone], launches: int
) -> list[str]:
    """Return which launches of a plan are not there once, or name a phone that was another."""
    times = Counter((record.model, record.device, record.launch) for record in good)
    wanted = {
        (model, phone.serial, launch)
        for model in models
        for phone in phones
        for launch in range(launches)
    }
    wrong = [f"{launch} is missing" for launch in sorted(wanted - times.keys())]
    wrong += [f"{launch} is there {n} times" for launch, n in times.items() if n != 1]
    wrong += [f"{launch} was not asked for" for launch in times.keys() - wanted]
    products = {phone.serial: phone.profile.model for phone in phones}
    return wrong + [
        f"{record.device} is said to be {record.device_facts.product}"
        for record in good
        if record.device_facts.product != products.get(record.device)
    ]
