"""What a phone is: read once, when a bench begins."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from asymm_deploy.bench.phone import adb_text, cpufreq
from asymm_deploy.bench.phone.adb_text import Section
from asymm_deploy.bench.phone.cpufreq import Policy
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.records import CorePolicy, DeviceFacts

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
_POLICY_FILES = ("related_cpus", "cpuinfo_max_freq", "scaling_max_freq")


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone's make and its cores."""

    serial: str
    soc: str | None
    product: str | None
    android: str | None
    fingerprint: str | None
    abis: tuple[str, ...]
    """What it runs, its own first; empty if it doesn't say."""
    cores: tuple[int, ...]
    """Those that a program of ours may run on."""
    core_count: int
    policies: tuple[Policy, ...]

    @property
    def best_core(self) -> int | None:
        """The prime core, or the first of the fastest; the last one where clocks are unknown."""
        best = cpufreq.best_core(self.policies, self.cores)
        return best if best is not None else max(self.cores, default=None)

    def policy_of(self, core: int | None) -> Policy | None:
        """Return the frequency policy that a core belongs to."""
        return next((policy for policy in self.policies if core in policy.cpus), None)

    def policy_folder(self, core: int | None) -> str | None:
        """Return where the phone tells of the clock of ``core``."""
        policy = self.policy_of(core)
        return f"{CPUFREQ}/{policy.name}" if policy else None

    def facts(self, core: int | None) -> DeviceFacts:
        """Return what a record tells of the phone, with the clock of ``core``."""
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


def read(link: Link) -> Phone:
    """Ask a phone what it is."""
    files = " ".join(f"{CPUFREQ}/policy*/{name}" for name in _POLICY_FILES)
    said = sections(
        link,
        {
            "properties": "getprop",
            "machine": "uname -m",
            "policies": f"grep -H . {files}",
            "status": "grep Cpus_allowed_list /proc/self/status",
            "present": "cat /sys/devices/system/cpu/present",
            "cpuinfo": "cat /proc/cpuinfo",
        },
    )
    properties = adb_text.properties(said["properties"].text)
    cores = cpufreq.allowed_cpus(said["status"].text) or ()
    present = cpufreq.cpu_list(said["present"].text)
    abis = properties.get("ro.product.cpu.abilist") or properties.get("ro.product.cpu.abi") or ""
    machine = said["machine"].text.strip()
    if not abis and machine == "aarch64":
        abis = "arm64-v8a"
    soc = properties.get("ro.soc.model") or properties.get("ro.board.platform")
    return Phone(
        serial=link.serial,
        soc=_word(soc) or adb_text.soc(said["cpuinfo"].text),
        product=_word(properties.get("ro.product.model")),
        android=_word(properties.get("ro.build.version.release")),
        fingerprint=_word(properties.get("ro.build.fingerprint")),
        abis=tuple(adb_text.shown(abi, 40) for abi in abis.split(",")[:16] if abi.strip()),
        cores=tuple(cores) or tuple(present),
        core_count=len(present) or len(cores) or 1,
        policies=cpufreq.policies(said["policies"].text),
    )


def sections(link: Link, commands: Mapping[str, str]) -> dict[str, Section]:
    """Run several commands in one go; return what each printed, if only nothing."""
    mark = secrets.token_hex(8)
    return in_sections(link.sure(marked(mark, commands)).stdout, mark, commands)


def marked(mark: str, commands: Mapping[str, str]) -> str:
    """Return one command that runs several and tells where the output of each ends."""
    return "; ".join(
        f"{{ {command}; }} 2>&1; echo {shlex.quote(mark)} {name} $?"
        for name, command in commands.items()
    )


def in_sections(said: bytes, mark: str, names: Iterable[str]) -> dict[str, Section]:
    """Return what the commands that ``marked`` has joined printed; as failed what isn't there."""
    found = adb_text.sections(said.decode("utf-8", "replace"), mark)
    return {name: found.get(name, Section("", 255)) for name in names}


def _word(text: str | None) -> str | None:
    return adb_text.shown(text) or None if text else None
