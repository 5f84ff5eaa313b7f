"""What the phone says of itself is what Android says, and follows its state."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.phone.conftest import Attached
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, OLD_PHONE, PROFILES, Profile
from tests.phone.server import AdbServer

CPUFREQ = "/sys/devices/system/cpu/cpufreq"


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.model))
def test_each_phone_says_what_it_is(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone], profile: Profile
) -> None:
    phone = new_phone(profile)
    adb_server.connect(phone)
    attached = Attached(adb_server, phone)
    listed = adb_server.adb("devices", "-l").stdout.decode()
    model = profile.model.replace(" ", "_")
    assert f"{phone.serial}        device product:{profile.product} model:{model} " in listed
    said = attached.shell("getprop ro.product.model; getprop ro.build.fingerprint").stdout
    assert said.decode().split() == [*profile.model.split(), profile.fingerprint]
    features = attached.adb("features").stdout.decode().split()
    assert ("shell_v2" in features) is (profile is not OLD_PHONE)


def test_the_chip_has_a_name_from_android_12_on(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone]
) -> None:
    phone = new_phone(MI_9)
    adb_server.connect(phone)
    said = Attached(adb_server, phone).text(
        "getprop ro.soc.model; getprop ro.board.platform; getprop ro.soc.model none"
    )
    assert said == "\nmsmnile\nnone\n"


def test_getprop_lists_all(pixel: Attached) -> None:
    assert "[ro.soc.model]: [SM8150]\n" in pixel.text("getprop")


def test_cores_are_told_by_policy(pixel: Attached) -> None:
    said = pixel.text(
        f"cd {CPUFREQ}; cat policy?/related_cpus policy7/cpuinfo_max_freq; "
        "cat /sys/devices/system/cpu/cpu5/cpufreq/affected_cpus; "
        "cat /sys/devices/system/cpu/online; grep -c 'CPU part.*0x804' /proc/cpuinfo; "
        "grep Cpus_allowed_list /proc/self/status; grep -m1 Hardware /proc/cpuinfo"
    )
    assert said.splitlines() == [
        "0 1 2 3", "4 5 6", "7", "2841600", "4 5 6", "0-7", "4",
        "Cpus_allowed_list:\t0-7", "Hardware\t: Qualcomm Technologies, Inc SM8150",
    ]  # fmt: skip


def test_a_cap_shows(pixel: Attached) -> None:
    pixel.phone.world.cap(7, 2131200)
    assert pixel.text(f"cat {CPUFREQ}/policy7/scaling_max_freq") == "2131200\n"
    pixel.phone.world.cool()
    assert pixel.text(f"cat {CPUFREQ}/policy7/scaling_max_freq") == "2841600\n"


def test_time_is_booked_to_the_clock_in_force(pixel: Attached) -> None:
    def ticks() -> dict[int, int]:
        lines = pixel.text(f"cat {CPUFREQ}/policy7/stats/time_in_state").splitlines()
        return {int(khz): int(count) for khz, count in map(str.split, lines)}

    def launched() -> None:
        claim = pixel.phone.world.busy((7,))
        time.sleep(0.05)
        pixel.phone.world.idle(claim)

    before = ticks()
    launched()
    time.sleep(0.1)
    idle = ticks()
    launched()
    busy = ticks()
    assert before[825600] < idle[825600] <= before[825600] + 5  # a pause is short on this phone
    assert idle[2841600] >= before[2841600] + 4
    assert busy[2841600] >= idle[2841600] + 4


def test_dumpsys_tells_the_state(pixel: Attached) -> None:
    world = pixel.phone.world
    said = pixel.text("dumpsys battery; dumpsys thermalservice; dumpsys power")
    assert "  level: 75\n" in said
    assert "Thermal Status: 0\n" in said
    assert "mWakefulness=Awake\n" in said
    world.battery_percent, world.battery_tenths_c, world.thermal_status = 14, 391, 3
    world.screen_on = False
    said = pixel.text("dumpsys battery; dumpsys thermalservice; dumpsys power")
    assert "  level: 14\n" in said
    assert "  temperature: 391\n" in said
    assert "Thermal Status: 3\n" in said
    assert "mWakefulness=Asleep\n" in said
    world.battery_percent, world.battery_tenths_c, world.thermal_status = 75, 280, 0
    world.screen_on = True


def test_an_unknown_service_is_told_with_code_0(pixel: Attached) -> None:
    done = pixel.shell("dumpsys nope")
    assert (done.stdout, done.stderr) == (b"", b"Can't find service: nope\n")
    assert done.returncode == 0


def test_settings_are_kept_and_stayon_is_one_of_them(pixel: Attached) -> None:
    world = pixel.phone.world
    world.screen_on = False
    said = pixel.text(
        "get() { settings get global stay_on_while_plugged_in; }; get; "
        "svc power stayon true; get; svc power stayon usb; get; svc power stayon false; get; "
        "settings get global nothing; settings put global mine 'a b'; settings get global mine; "
        "settings delete global mine; settings get global mine"
    )
    assert said.splitlines() == [
        "0", "7", "2", "0", "null", "a b", "Deleted 1 rows", "null",
    ]  # fmt: skip
    pixel.text(":")
    assert world.screen_on  # as Android does: whoever says "stay on" says "go on", too


def test_power_save_is_a_setting(pixel: Attached) -> None:
    pixel.phone.world.low_power = True
    assert pixel.text("settings get global low_power") == "1\n"
    pixel.text("settings put global low_power 0")
    assert not pixel.phone.world.low_power


@pytest.mark.parametrize(
    ("mask", "code", "said"),
    [
        ("80", 0, "ran\n"),
        ("ff", 0, "ran\n"),
        ("180", 0, "ran\n"),
        ("0x80", 1, "taskset: bad mask '0x80'\n"),
        ("100", 1, "affinity: Invalid argument\n"),
        ("0", 1, "affinity: Invalid argument\n"),
    ],
)
def test_taskset_is_toyboxs(pixel: Attached, mask: str, code: int, said: str) -> None:
    done = pixel.shell(f"taskset {mask} echo ran")
    assert done.returncode == code
    assert (done.stdout + done.stderr).decode().endswith(said)


def test_the_shell_user_is_told_by_id(pixel: Attached) -> None:
    assert pixel.text("id -u; id | cut -c1-15; uname -m") == "2000\nuid=2000(shell)\naarch64\n"


def test_df_shows_the_room_that_the_world_says(pixel: Attached) -> None:
    pixel.phone.world.free_kb = 12345
    head, line = pixel.text("df -k /data/local/tmp").splitlines()
    assert head.split()[:4] == ["Filesystem", "1K-blocks", "Used", "Available"]
    assert line.split()[3] == "12345"
    assert pixel.shell("df /data/local/tmp/nothing").returncode == 1


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("thermal", "cat /sys/class/thermal/thermal_zone0/temp"),
        ("cpufreq", f"cat {CPUFREQ}/policy7/scaling_max_freq"),
    ],
)
def test_files_that_are_denied_are_denied_to_root_too(
    pixel: Attached, kind: str, command: str
) -> None:
    pixel.text(command)
    pixel.phone.world.denied.add(kind)
    done = pixel.shell(command)
    pixel.phone.world.denied.clear()
    assert done.returncode == 1
    assert done.stderr.endswith(b": Permission denied\n")
    pixel.text(command)


@pytest.mark.parametrize("service", ["battery", "thermalservice", "power"])
def test_a_service_may_be_denied(pixel: Attached, service: str) -> None:
    pixel.phone.world.denied.add(service)
    said = pixel.text(f"dumpsys {service}")
    pixel.phone.world.denied.clear()
    assert said.startswith(f"Permission Denial: can't dump {service} ")


def test_a_reboot_changes_the_boot_id_and_keeps_files(attached: Attached) -> None:
    read = "cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime"
    attached.text("echo kept >/data/local/tmp/kept; setsid sleep 100 >/dev/null 2>&1 &")
    attached.phone.world.booted_at -= 1000
    before, up_s = attached.text(read).split()
    attached.phone.reboot(away_s=0.05, boot_s=0.0)
    assert attached.phone.processes() == []
    attached.server.adb("disconnect", attached.phone.serial)
    time.sleep(0.1)
    attached.server.connect(attached.phone)
    after, up_again_s = attached.text(read).split()
    assert before != after
    assert int(up_s) >= 1000 > int(up_again_s)
    assert attached.text("cat /data/local/tmp/kept") == "kept\n"


def test_a_phone_that_boots_says_when_it_is_done(attached: Attached) -> None:
    attached.phone.world.boot_completed = False
    assert attached.text("getprop sys.boot_completed") == "\n"
    attached.phone.world.boot_completed = True
    assert attached.text("getprop sys.boot_completed") == "1\n"
