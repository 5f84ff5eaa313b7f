"""What a phone's tools and /proc print, from the state that its world is in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.phone.profiles import Profile

if TYPE_CHECKING:
    from tests.phone.world import World

TICK_S = 0.01
"""The kernel's unit of processor time."""


def battery(world: World) -> str:
    """``dumpsys battery``."""
    return (
        "Current Battery Service state:\n"
        "  AC powered: false\n"
        f"  USB powered: {'true' if world.usb_powered else 'false'}\n"
        "  Wireless powered: false\n"
        "  Max charging current: 500000\n"
        "  Max charging voltage: 5000000\n"
        "  Charge counter: 2816840\n"
        f"  status: {2 if world.usb_powered else 3}\n"
        "  health: 2\n"
        "  present: true\n"
        f"  level: {world.battery_percent}\n"
        "  scale: 100\n"
        "  voltage: 4120\n"
        f"  temperature: {world.battery_tenths_c}\n"
        "  technology: Li-ion\n"
    )


def thermalservice(world: World) -> str:
    """``dumpsys thermalservice``."""
    hal = "".join(
        f"\tTemperature{{mValue={temperature_c:.6f}, mType={kind}, mName={name}, mStatus=0}}\n"
        for name, temperature_c in world.zones_c.items()
        for kind in (2 if name == "battery" else 0,)
    )
    ready = world.thermal_hal_ready
    return (
        "IsStatusOverride: false\n"
        f"Thermal Status: {world.thermal_status}\n"
        "Cached temperatures:\n"
        f"HAL Ready: {'true' if ready else 'false'}\n"
        + (f"Current temperatures from HAL:\n{hal}" if ready else "")
        + "Current cooling devices from HAL:\n"
        + "\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-7}\n" * ready
    )


def power(world: World) -> str:
    """``dumpsys power``."""
    awake = world.screen_on
    stay_on = world.setting("stay_on_while_plugged_in") or "0"
    saver = "true" if world.low_power else "false"
    return (
        "POWER MANAGER (dumpsys power)\n\n"
        "Power Manager State:\n"
        "  mDirty=0x0\n"
        f"  mWakefulness={'Awake' if awake else 'Asleep'}\n"
        "  mWakefulnessChanging=false\n"
        f"  mIsPowered={'true' if world.usb_powered else 'false'}\n"
        f"  mPlugType={2 if world.usb_powered else 0}\n"
        f"  mBatteryLevel={world.battery_percent}\n"
        f"  mStayOn={'true' if stay_on != '0' and world.usb_powered else 'false'}\n"
        f"  mDeviceIdleMode=false\n"
        f"Settings and Configuration:\n"
        f"  mStayOnWhilePluggedInSetting={stay_on}\n"
        f"  mScreenOffTimeoutSetting=30000\n\n"
        f"Display Power: state={'ON' if awake else 'OFF'}\n\n"
        "Battery saver state machine:\n"
        f"  Enabled={saver}\n"
        f"    full={saver}\n"
    )


def proc_stat(world: World, up_s: float) -> str:
    """/proc/stat."""
    ticks = int(up_s / TICK_S)
    lines = [f"cpu  {world.profile.cores} 0 0 {ticks * world.profile.cores} 0 0 0 0 0 0"]
    lines += [f"cpu{core} 1 0 0 {ticks} 0 0 0 0 0 0" for core in range(world.profile.cores)]
    return "\n".join(lines) + "\n"


def props(profile: Profile) -> dict[str, str]:
    """``getprop``, by key."""
    found = {
        "ro.product.model": profile.model,
        "ro.product.name": profile.product,
        "ro.product.device": profile.device,
        "ro.build.fingerprint": profile.fingerprint,
        "ro.build.version.release": profile.android,
        "ro.build.version.sdk": str(profile.sdk),
        "ro.board.platform": profile.platform,
        "ro.hardware": profile.hardware,
        "ro.serialno": "9A191FFBA000AB",
    }
    if profile.soc_model is not None:
        found |= {"ro.soc.model": profile.soc_model, "ro.soc.manufacturer": "QTI"}
    return found


def cpuinfo(profile: Profile) -> str:
    """/proc/cpuinfo."""
    features = (
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp"
    )
    blocks = "".join(
        f"processor\t: {core}\nBogoMIPS\t: 38.40\nFeatures\t: {features}\n"
        "CPU implementer\t: 0x51\nCPU architecture: 8\nCPU variant\t: 0xd\n"
        f"CPU part\t: {'0x805' if core < 4 else '0x804'}\nCPU revision\t: 14\n\n"
        for core in range(profile.cores)
    )
    return (
        f"Processor\t: AArch64 Processor rev 14 (aarch64)\n{blocks}"
        "Hardware\t: Qualcomm Technologies, Inc SM8150\n"
    )


def core_list(cores: Iterable[int]) -> str:
    """Cores as the kernel lists them: ``0-3,7``."""
    spans: list[list[int]] = []
    for core in sorted(cores):
        if spans and spans[-1][-1] == core - 1:
            spans[-1].append(core)
        else:
            spans.append([core])
    return ",".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans)
