"""The programs of a phone's shell: small scripts for Android's own, the host's for toybox's.

They hold no state. What they print is in files that the ``world`` writes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

# What toybox of Android 13 has, as far as a harness may need it. Nothing else is on the PATH, so a
# command that works here does not depend on a tool of the host.
_TOYBOX = """
    basename cat chmod cksum cmp comm cp cut date dd diff dirname du echo env expr false file
    find flock getconf grep groups gzip gunzip head hostname kill ln ls md5sum mkdir mkfifo
    mktemp mv nice nl nohup nproc od paste pgrep printenv printf ps pwd readlink realpath rm
    rmdir sed seq setsid sha1sum sha256sum sleep sort split stat strings sync tac tail tar tee
    test time timeout touch tr true truncate tty uniq unlink wc which whoami xargs xxd yes
"""

_GETPROP = """\
cd '{state}/props' || exit 1
if [ $# -eq 0 ]; then
    for name in *; do
        read -r value <"$name"
        echo "[$name]: [$value]"
    done
    exit 0
fi
value=
case $1 in
*/*) ;;
*) [ -f "$1" ] && read -r value <"$1" ;;
esac
printf '%s\\n' "${{value:-$2}}"
"""

# An unknown service is reported on stderr, and yet the exit code is 0.
_DUMPSYS = """\
case $1 in
power) exec cat '{state}/dumpsys/power' ;;
battery) exec cat '{state}/dumpsys/battery' ;;
thermalservice) exec cat '{state}/dumpsys/thermalservice' ;;
esac
echo "Can't find service: $1" >&2
"""

_SETTINGS = """\
case $2 in
global) cd '{state}/settings' || exit 1 ;;
*) echo "Invalid namespace '$2'" >&2; exit 255 ;;
esac
case $3 in
''|*/*|.*) echo "Invalid name '$3'" >&2; exit 255 ;;
esac
case $1 in
get)
    value=null
    [ -f "$3" ] && read -r value <"$3"
    printf '%s\\n' "$value"
    ;;
put) printf '%s\\n' "$4" >"$3" ;;
delete)
    if [ -f "$3" ]; then
        rm -f "$3"
        echo 'Deleted 1 rows'
    else
        echo 'Deleted 0 rows'
    fi
    ;;
*) echo "Unknown command: $1" >&2; exit 255 ;;
esac
"""

# PowerCommand.java: AC 1, USB 2, wireless 4; anything but 0 wakes the screen as well.
_SVC = """\
[ "$1 $2" = 'power stayon' ] || {{ echo 'Available commands:' >&2; exit 1; }}
case $3 in
true) value=7 ;;
usb) value=2 ;;
ac) value=1 ;;
wireless) value=4 ;;
false) value=0 ;;
*) echo 'usage: svc power stayon [true|false|usb|ac|wireless]' >&2; exit 1 ;;
esac
echo $value >'{state}/settings/stay_on_while_plugged_in'
[ $value = 0 ] || echo woken >'{state}/woken'
"""

_TASKSET = """\
pid=
if [ "$1" = -p ]; then
    pid=$3
    shift
fi
mask=$1
shift
case $mask in
''|*[!0-9a-fA-F]*) echo "taskset: bad mask '$mask'" >&2; exit 1 ;;
esac
read -r online <'{state}/mask'
low=${{mask#"${{mask%????}}"}}
if [ $((0x${{low:-$mask}} & 0x$online)) -eq 0 ]; then
    echo "taskset: failed to set pid ${{pid:-$$}}'s affinity: Invalid argument" >&2
    exit 1
fi
if [ -n "$pid" ]; then
    echo "pid $pid's current affinity mask: $online"
    echo "pid $pid's new affinity mask: $mask"
    exit 0
fi
exec "$@"
"""

_ID = """\
case $1 in
-u|-g) echo 2000 ;;
-un|-gn) echo shell ;;
*) echo 'uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),1011(adb),\
1015(sdcard_rw),1028(sdcard_r),3001(net_bt_admin),3002(net_bt),3003(inet),3006(net_bw_stats),\
3009(readproc),3011(uhid) context=u:r:shell:s0' ;;
esac
"""

_UNAME = """\
read -r release <'{state}/release'
case $1 in
-m) echo aarch64 ;;
-r) echo "$release" ;;
-n) echo localhost ;;
-a) echo "Linux localhost $release #1 SMP PREEMPT Mon Aug 1 00:00:00 UTC 2022 aarch64 Toybox" ;;
*) echo Linux ;;
esac
"""

_DF = """\
for path; do
    case $path in
    -*) ;;
    *) [ -e "$path" ] || {{ echo "df: $path: No such file or directory" >&2; exit 1; }} ;;
    esac
done
read -r size used available <'{state}/disk'
printf '%-20s %10s %10s %10s %4s %s\\n' Filesystem 1K-blocks Used Available Use% 'Mounted on'
printf '%-20s %10s %10s %10s %3s%% %s\\n' /dev/block/dm-8 $size $used $available \
    $((100 * used / size)) /data
"""

_WHOAMI = "echo shell\n"

SCRIPTS = {
    "getprop": _GETPROP,
    "dumpsys": _DUMPSYS,
    "settings": _SETTINGS,
    "svc": _SVC,
    "taskset": _TASKSET,
    "id": _ID,
    "uname": _UNAME,
    "df": _DF,
    "whoami": _WHOAMI,
}

# chmod where nothing may be executed: it removes the bits again at once.
CHMOD_WITHOUT_EXEC = """\
#!/bin/sh
'{chmod}' "$@" || exit
for path; do
    case $path in
    -*|[0-7]*|*[+=]*) ;;
    *) [ -f "$path" ] && '{chmod}' a-x "$path" ;;
    esac
done
"""


def shell() -> Path:
    """Return the phone's sh: mksh, as on Android, where this machine has it."""
    return Path(shutil.which("mksh") or "/bin/sh")


def install(folder: Path, state: Path) -> None:
    """Fill the only folder on the phone's PATH."""
    folder.mkdir()
    for name, text in SCRIPTS.items():
        path = folder / name
        path.write_text("#!/bin/sh\n" + text.format(state=state))
        path.chmod(0o755)
    for name in _TOYBOX.split():
        if name not in SCRIPTS and (found := shutil.which(name, path="/usr/bin:/bin")):
            (folder / name).symlink_to(found)
    (folder / "sh").symlink_to(shell())


def deny_execution(folder: Path) -> None:
    """Have chmod take back every x that it gives."""
    path = folder / "chmod"
    text = CHMOD_WITHOUT_EXEC.format(chmod=path.resolve())
    path.unlink()
    path.write_text(text)
    path.chmod(0o755)


def allow_execution(folder: Path) -> None:
    """Undo ``deny_execution``."""
    path = folder / "chmod"
    path.unlink()
    path.symlink_to(shutil.which("chmod", path="/usr/bin:/bin") or "/bin/chmod")
