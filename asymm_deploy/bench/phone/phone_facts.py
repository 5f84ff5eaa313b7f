"""What a phone is: its make, its chip and its cores. Read once, when a bench begins."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.bench.phone import cpufreq
from asymm_deploy.bench.phone.checks.required_tools import TOOLS_COMMAND, missing_tools
from asymm_deploy.bench.phone.cpufreq import FrequencyPolicy
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse import proc
from asymm_deploy.bench.phone.parse.properties import properties
from asymm_deploy.bench.records import CorePolicy, DeviceFacts
from asymm_deploy.safe import excerpt

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
_POLICY_FILES = ("related_cpus", "cpuinfo_max_freq", "scaling_max_freq")


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone's make and its cores; what it doesn't say is None."""

    serial: str
    soc: str | None
    product: str | None
    android: str | None
    fingerprint: str | None
    abis: tuple[str, ...]
    """The ABIs it runs, its native one first; empty if it doesn't say."""
    cores: tuple[int, ...]
    """Those that a program of ours may run on."""
    core_count: int
    policies: tuple[FrequencyPolicy, ...]
    present: tuple[int, ...] = ()
    """All that the chip has; empty if it can't be read."""
    offline: tuple[int, ...] = ()
    """Those of them that are switched off at the moment."""
    missing_tools: tuple[str, ...] = ()
    """What our commands need and its shell does not have."""

    @property
    def every_core(self) -> tuple[int, ...]:
        """Each core that the phone is known to have, whether we may use it or not."""
        named = (core for policy in self.policies for core in policy.cpus)
        return tuple(sorted({*self.present, *self.cores, *named}))

    @property
    def best_core(self) -> int | None:
        """The prime core, or the first of the fastest; the last one where clocks are unknown."""
        best = cpufreq.best_core(self.policies, self.cores)
        return best if best is not None else max(self.cores, default=None)

    def policy_of(self, core: int | None) -> FrequencyPolicy | None:
        """Return the frequency policy that a core belongs to."""
        return next((policy for policy in self.policies if core in policy.cpus), None)

    def policy_folder(self, core: int | None) -> str | None:
        """Return the folder on the phone that describes the clock of ``core``."""
        policy = self.policy_of(core)
        return f"{CPUFREQ}/{policy.name}" if policy else None

    def facts(self, core: int | None) -> DeviceFacts:
        """Return the phone's part of a record, with the clock of ``core``."""
        policy = self.policy_of(core)
        return DeviceFacts(
            device=self.serial,
            soc=self.soc,
            cpu_max_khz=policy.max_khz if policy else None,
            cores=self.core_count,
            abi=next(iter(self.abis), "unknown"),
            os=f"Android {self.android}" if self.android else "Android",
            product=self.product,
            fingerprint=self.fingerprint,
            policies=tuple(CorePolicy(each.cpus, each.max_khz) for each in self.policies),
        )


def read_phone(link: Link) -> Phone:
    """Ask a phone what it is.

    Each section is read by its own parser, but for ``machine``, which is ``aarch64``.
    """
    files = " ".join(f"{CPUFREQ}/policy*/{name}" for name in _POLICY_FILES)
    said = link.run_sections(
        {
            "properties": "getprop",
            "machine": "uname -m",
            "policies": f"grep -H . {files}",
            "status": "grep Cpus_allowed_list /proc/self/status",
            "present": "cat /sys/devices/system/cpu/present",
            "online": "cat /sys/devices/system/cpu/online",
            "cpuinfo": "cat /proc/cpuinfo",
            "tools": TOOLS_COMMAND,
        }
    )
    known = properties(said["properties"].text)
    present = proc.cpu_list(said["present"].text)
    online = proc.cpu_list(said["online"].text)
    offline = tuple(core for core in present if online and core not in online)
    allowed = proc.allowed_cpus(said["status"].text) or present
    cores = tuple(core for core in allowed if core not in offline)
    abis = known.get("ro.product.cpu.abilist") or known.get("ro.product.cpu.abi") or ""
    machine = said["machine"].text.strip()
    if not abis and machine == "aarch64":
        abis = "arm64-v8a"
    soc = known.get("ro.soc.model") or known.get("ro.board.platform")
    return Phone(
        serial=link.serial,
        soc=_word(soc) or proc.soc(said["cpuinfo"].text),
        product=_word(known.get("ro.product.model")),
        android=_word(known.get("ro.build.version.release")),
        fingerprint=_word(known.get("ro.build.fingerprint")),
        abis=tuple(excerpt(abi, 40) for abi in abis.split(",")[:16] if abi.strip()),
        cores=cores,
        core_count=len(present) or len(cores) or 1,
        policies=cpufreq.policies(said["policies"].text),
        present=present,
        offline=offline,
        missing_tools=missing_tools(said["tools"].text),
    )


def _word(text: str | None) -> str | None:
    """Return a property as one printable line; None where it is missing or empty."""
    return excerpt(text) or None if text else None
