"""The phone's state, and the files that show it."""

from __future__ import annotations

import os
import re
import shlex
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.phone import printed, tools
from tests.phone.heat import Heat
from tests.phone.profiles import Policy, Profile

TMP = "/data/local/tmp"
_CPU = "sys/devices/system/cpu"
_THERMAL = "sys/class/thermal"
_IDLE_S = 0.02
"""The most that a while without a launch counts for, however long it takes on this machine: else a
program that starts slowly here would look like a core that something holds down."""

# Paths that lie in the phone's folder. /proc/PID stays the kernel's: processes here are real, but
# /proc/self/status would tell of this machine's cores. A name before the path means that it is the
# end of another one.
_PATH = re.compile(
    r"(?<![\w.\-/}*?])"
    r"/(?=(?:data|sdcard|sys|system|vendor|storage|"
    r"proc/(?:sys|self/status|cpuinfo|stat|uptime|version|meminfo))(?:[^\w.\-]|$))"
)

# At the start of a line: a program of the phone's own processor that brings its loader.
_LOADER = re.compile(r"^/\S+/ld-linux-aarch64\.so\.1(?= )", re.MULTILINE)


class World:
    """A phone's present state; set its attributes, and the next command sees them."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self.profile = profile
        self.root = folder / "root"
        self.state = folder / "state"
        self.bin = folder / "bin"
        self.abilist = profile.abilist
        self.battery_percent = 75
        self.battery_tenths_c = 280
        self.usb_powered = True
        self.thermal_status = 0
        self.zones_c: dict[str, float] = {
            **{f"cpu-0-{core}-usr": 33.8 for core in range(4)},
            **{f"cpu-1-{core}-usr": 34.5 for core in range(8)},
            "cpuss-0-usr": 34.1,
            "battery": 28.0,
            "quiet-therm": 31.2,
        }
        self.thermal_hal_ready = True
        self.screen_on = True
        self.emulator: tuple[str, ...] = ()
        """Starts what was built for the phone's processor, where this machine has another."""
        self.disk_kb, self.free_kb = 113_260_508, 79_989_816
        self.boot_completed = True
        self.denied: set[str] = set()
        """Of ``thermal`` (its files), ``thermalservice``, ``battery``, ``power``, ``cpufreq``."""
        self.allowed = frozenset(range(profile.cores))
        """The cores that the shell's cpuset has."""
        self.offline: frozenset[int] = frozenset()
        """Cores that are switched off."""
        self.unreadable: frozenset[int] = frozenset()
        """Policies, by their first core, whose highest clock the shell may not read."""
        self.heat: Heat | None = None
        """How long launches warm it; None: not at all."""
        self.hurry = 1.0
        """How many of a long launch's seconds pass in one of ours."""
        self.unseen_s = 0.0
        """How long launches have warmed it since the last command."""
        self._caps_khz: dict[int, int] = {}
        self._busy: list[frozenset[int]] = []
        self._spent_s = {p.first: dict.fromkeys(p.khz, 0.0) for p in profile.policies}
        self._counted_at = time.monotonic()
        self._idled_s = dict.fromkeys(self._spent_s, 0.0)
        self._shown: dict[str, tuple[str, int]] = {}
        self._aside = str(self.state / "aside")
        self._make_folders()
        tools.install(self.bin, self.state)
        self.boot()

    # What tests set and ask.

    @property
    def low_power(self) -> bool:
        """Power-save mode."""
        return self.setting("low_power") == "1"

    @low_power.setter
    def low_power(self, on: bool) -> None:
        self.put_setting("low_power", "1" if on else "0")

    def setting(self, name: str) -> str | None:
        """Return one of ``settings global``; None where it isn't set."""
        try:
            return (self.state / "settings" / name).read_text().rstrip("\n")
        except FileNotFoundError:
            return None

    def put_setting(self, name: str, value: str | None) -> None:
        """Set one of ``settings global``; None deletes it."""
        path = self.state / "settings" / name
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(value + "\n")

    def cap(self, policy: int, khz: int | None) -> None:
        """Lower a policy's scaling_max_freq; None gives the hardware's back."""
        self.count()
        if khz is None:
            self._caps_khz.pop(policy, None)
        else:
            self._caps_khz[policy] = khz

    def work(self, seconds: float, share: float) -> None:
        """Have passed so many seconds, of which the prime core worked for a share: it warms up."""
        if self.heat is None:
            return
        self.heat.work(seconds, share)
        self.unseen_s += seconds
        skin_c = self.heat.skin_c
        self.battery_tenths_c = round(10 * (skin_c - 5))
        for zone in self.zones_c:
            self.zones_c[zone] = skin_c if zone == "quiet-therm" else skin_c + 8
        self.zones_c["battery"] = skin_c - 5
        self.cap(7, self.heat.cap_khz)
        self.thermal_status = self.heat.status

    def cool(self) -> None:
        """No caps and no thermal status any more."""
        for policy in self.profile.policies:
            self.cap(policy.first, None)
        self.thermal_status = 0

    def cap_khz(self, policy: Policy) -> int:
        return self._caps_khz.get(policy.first, policy.khz[-1])

    def policy_of(self, core: int) -> Policy:
        return next(policy for policy in self.profile.policies if core in policy.cores)

    def clock_share(self, core: int) -> float:
        """Return how fast a core may be, as a share of what its hardware can do."""
        policy = self.policy_of(core)
        return self.cap_khz(policy) / policy.khz[-1]

    def boot(self) -> None:
        """Restart: another boot_id, with uptime and clocks from 0."""
        self.boot_id = str(uuid.uuid4())
        self.booted_at = time.monotonic()
        self._counted_at = self.booted_at
        for policy in self.profile.policies:
            self._spent_s[policy.first] = dict.fromkeys(policy.khz, 0.0)

    def busy(self, cores: Iterable[int]) -> frozenset[int]:
        """Note that something runs on ``cores`` until ``idle``: their clocks go up."""
        self.count()
        claim = frozenset(cores)
        self._busy.append(claim)
        return claim

    def idle(self, claim: frozenset[int]) -> None:
        self.count()
        with suppress(ValueError):
            self._busy.remove(claim)

    # Paths.

    def inward(self, command: str) -> str:
        """Return a command with the phone's paths turned into ours."""
        ours = _PATH.sub(lambda _match: f"{self.root}/", command)
        if not self.emulator:
            return ours
        return _LOADER.sub(lambda match: shlex.join([*self.emulator, match[0]]), ours)

    # Showing.

    def count(self) -> None:
        """Add the time since the last call to the clocks that the cores ran at."""
        now = time.monotonic()
        for policy in self.profile.policies:
            passed_s = now - self._counted_at
            if self._is_busy(policy):
                self._idled_s[policy.first] = 0.0
            else:
                passed_s = min(passed_s, _IDLE_S - self._idled_s[policy.first])
                self._idled_s[policy.first] += passed_s
            self._spent_s[policy.first][self._clock_khz(policy)] += passed_s
        self._counted_at = now

    def show(self) -> None:
        """Write every file whose content has changed."""
        if (self.state / "woken").exists():
            (self.state / "woken").unlink()
            self.screen_on = True
        self.count()
        for policy in self.profile.policies:
            self._show_policy(policy)
        self._show_cores()
        zone_mode = 0o000 if "thermal" in self.denied else 0o444
        for number, (kind, temperature_c) in enumerate(self.zones_c.items()):
            zone = f"{_THERMAL}/thermal_zone{number}"
            self._write(f"{zone}/type", f"{kind}\n", zone_mode)
            self._write(f"{zone}/temp", f"{round(1000 * temperature_c)}\n", zone_mode)
        up_s = max(0.0, time.monotonic() - self.booted_at)
        self._write("proc/uptime", f"{up_s:.2f} {up_s * self.profile.cores:.2f}\n")
        self._write("proc/stat", printed.proc_stat(self, up_s))
        self._write("proc/sys/kernel/random/boot_id", f"{self.boot_id}\n")
        self._show_state()

    def _show_policy(self, policy: Policy) -> None:
        mode = 0o000 if "cpufreq" in self.denied else 0o444
        place = f"{_CPU}/cpufreq/policy{policy.first}"
        fixed = 0o000 if policy.first in self.unreadable else 0o444
        self._write(f"{place}/cpuinfo_max_freq", f"{policy.khz[-1]}\n", fixed)
        self._write(f"{place}/scaling_max_freq", f"{self.cap_khz(policy)}\n", mode)
        self._write(f"{place}/scaling_cur_freq", f"{self._clock_khz(policy)}\n", mode)
        lines = (
            f"{khz} {int(spent_s / printed.TICK_S)}\n"
            for khz, spent_s in self._spent_s[policy.first].items()
        )
        self._write(f"{place}/stats/time_in_state", "".join(lines), mode)

    def _show_cores(self) -> None:
        usable = self.allowed - self.offline
        online = set(range(self.profile.cores)) - self.offline
        mask = sum(1 << core for core in usable)
        self._write(f"{_CPU}/online", f"{printed.core_list(online)}\n")
        self._write(
            "proc/self/status",
            f"Name:\tcat\nState:\tR (running)\nUid:\t2000\t2000\t2000\t2000\n"
            f"Cpus_allowed:\t{mask:x}\nCpus_allowed_list:\t{printed.core_list(usable)}\n",
        )
        self._write_state("mask", f"{mask:x}\n")

    def _show_state(self) -> None:
        self._write_state("disk", f"{self.disk_kb} {self.disk_kb - self.free_kb} {self.free_kb}\n")
        self._write_state("props/ro.product.cpu.abilist", f"{self.abilist}\n")
        self._write_state("props/ro.product.cpu.abi", f"{self.abilist.split(',')[0]}\n")
        self._write_state("props/sys.boot_completed", "1\n" if self.boot_completed else "\n")
        for service, text in (
            ("battery", printed.battery(self)),
            ("thermalservice", printed.thermalservice(self)),
            ("power", printed.power(self)),
        ):
            refusal = (
                f"Permission Denial: can't dump {service} from pid=4711, uid=2000 "
                "due to missing android.permission.DUMP permission\n"
            )
            self._write_state(f"dumpsys/{service}", refusal if service in self.denied else text)

    def _clock_khz(self, policy: Policy) -> int:
        """Return the cap if something runs there, else the lowest clock."""
        return self.cap_khz(policy) if self._is_busy(policy) else policy.khz[0]

    def _is_busy(self, policy: Policy) -> bool:
        return any(claim & set(policy.cores) for claim in self._busy)

    def say_properties(self, profile: Profile) -> None:
        """Have getprop speak for ``profile``, as where another phone takes this one's address."""
        for name, value in printed.props(profile).items():
            self._write_state(f"props/{name}", f"{value}\n")

    # Files that never change.

    def _make_folders(self) -> None:
        profile = self.profile
        for folder in ("props", "settings", "dumpsys"):
            (self.state / folder).mkdir(parents=True)
        for path in (TMP, "/sdcard", "/system/bin", "/vendor", "/storage"):
            (self.root / path.lstrip("/")).mkdir(parents=True)
        cores = f"0-{profile.cores - 1}\n"
        for name in ("possible", "present"):
            self._write(f"{_CPU}/{name}", cores)
        for policy in profile.policies:
            self._make_policy(policy)
        self._write("proc/cpuinfo", printed.cpuinfo(profile))
        self._write("proc/version", "Linux version 4.14.276 (android-build@host) #1 SMP PREEMPT\n")
        self._write("proc/meminfo", "MemTotal:        5730548 kB\nMemFree:          812644 kB\n")
        self._write_state("release", "4.14.276-g8ae7b4ca8564-ab8715030\n")
        self.say_properties(profile)
        self.put_setting("stay_on_while_plugged_in", "0")
        self.put_setting("low_power", "0")
        # The shell user may pass through, and neither look around nor write.
        for path in ("data/local", "data"):
            (self.root / path).chmod(0o111)

    def _make_policy(self, policy: Policy) -> None:
        place = f"{_CPU}/cpufreq/policy{policy.first}"
        listed = " ".join(map(str, policy.cores)) + "\n"
        for name, text in (
            ("related_cpus", listed),
            ("affected_cpus", listed),
            ("cpuinfo_min_freq", f"{policy.khz[0]}\n"),
            ("scaling_min_freq", f"{policy.khz[0]}\n"),
            ("scaling_governor", "schedutil\n"),
            ("scaling_available_governors", "schedutil performance powersave\n"),
            ("scaling_available_frequencies", " ".join(map(str, policy.khz)) + " \n"),
            ("scaling_driver", "qcom-cpufreq-hw\n"),
        ):
            self._write(f"{place}/{name}", text)
        self._write(f"{place}/cpuinfo_cur_freq", f"{policy.khz[0]}\n", 0o000)  # root's only
        for core in policy.cores:
            own = self.root / _CPU / f"cpu{core}"
            own.mkdir()
            (own / "cpufreq").symlink_to(f"../cpufreq/policy{policy.first}")
            self._write(f"{_CPU}/cpu{core}/online", "1\n")

    def _write(self, path: str, text: str, mode: int = 0o444) -> None:
        self._put(f"{self.root}/{path}", text, mode)

    def _write_state(self, path: str, text: str) -> None:
        self._put(f"{self.state}/{path}", text, 0o644)

    def _put(self, path: str, text: str, mode: int) -> None:
        """Replace a file at once, so that a running command reads either the old or the new one.

        With plain strings and descriptors, since this is done before every command.
        """
        if self._shown.get(path) == (text, mode):
            return
        if path not in self._shown:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._shown[path] = (text, mode)
        file = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(file, text.encode())
        os.fchmod(file, mode)
        os.close(file)
        os.rename(self._aside, path)  # noqa: PTH104 - as above
