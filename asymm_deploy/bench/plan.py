"""How a bench times its models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from asymm_deploy.bench import flags, wire
from asymm_deploy.bench.backends.refusals import require_possible
from asymm_deploy.bench.records import Backend, DeviceFacts, Engine, Precision
from asymm_deploy.bounds import DAY_S, MOST_CORES, require_within
from asymm_deploy.errors import UsageError
from asymm_deploy.text import counted

MOST_RUNS = 10_000_000
MOST_LAUNCHES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to time, for every model of a bench. Raises UsageError for impossible numbers."""

    engine: Engine = "mnn"
    precision: Precision = "fp32"
    backend: Backend = "cpu"
    """Where MNN is to run the operators."""
    runs: int = 1000
    """Timed runs per model, over all of its launches."""
    launches: int = 10
    warmup: int = 20
    """Runs before the timed ones, in each launch."""
    threads: int = 1
    cpu: int | None = None
    """The core to pin to; None lets the device choose."""
    allow: tuple[str, ...] = ()
    """Flags that leave a row valid."""
    launch_timeout_s: float = 300.0
    fresh: bool = False
    """Time everything again, even if there are results."""

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        require_within("--runs", self.runs, 1, MOST_RUNS, "each is kept, and counted in memory")
        require_within("--launches", self.launches, 1, MOST_LAUNCHES, "each is a process")
        require_within("--warmup", self.warmup, 0, wire.MAX_RUNS)
        require_within("--threads", self.threads, 1, MOST_CORES)
        if self.cpu is not None:
            require_within("--cpu", self.cpu, 0, MOST_CORES)
        require_within("--launch-timeout", self.launch_timeout_s, 0.001, DAY_S, "seconds")
        if self.launches > self.runs:
            raise UsageError(
                f"--runs {self.runs} is too few for {self.launches} launches",
                f"give --launches {self.runs} or fewer, or --runs {self.launches} or more",
            )
        if self.runs > self.launches * wire.MAX_RUNS:
            raise UsageError(
                f"{self.runs} runs are too many for {counted(self.launches, 'launch')}",
                f"give at most {wire.MAX_RUNS} runs per launch, or more --launches",
            )
        require_possible(self.backend, self.engine, self.threads)
        object.__setattr__(self, "allow", flags.check_allowed(self.allow))

    def runs_of(self, launch: int) -> int:
        """Return how many runs a launch times; the first launches take the remainder."""
        each, rest = divmod(self.runs, self.launches)
        return each + (launch < rest)


def plan_id(plan: Plan, facts: DeviceFacts, runner_identity: str) -> str:
    """Return a hash of everything but the model that timings depend on: equal ids may share a row.

    It leaves out the time-out, and what is allowed, which is judged afterwards.
    """
    circumstances = (
        [plan.engine, plan.precision, plan.runs, plan.launches, plan.warmup, plan.threads],
        plan.cpu,
        [facts.device, facts.soc, facts.cores, facts.abi],
        # For a phone: another one, or the same after an update, may answer at the same address.
        *([facts.product, facts.fingerprint] if facts.fingerprint else []),
        runner_identity,
        # On the CPU as before there were others: results of then are still kept.
        *([plan.backend] if plan.backend != "cpu" else []),
    )
    return hashlib.sha256(msgspec.json.encode(circumstances)).hexdigest()[:16]
