"""The emulator is set up whole or not at all, and what is missing is named with what to do."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from asymm_deploy.bench import native_build
from asymm_deploy.bench.emulated import emulator_build, emulator_home
from asymm_deploy.bench.native import arm_wheel, programs
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of
from tests.bench.wheels import CONTENT, wheel_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.emulated.conftest import Bench

OTHER = "requires plugin version 1, but this QEMU supports only version 2"
REFUSES = f'echo "Could not load plugin: {OTHER}" >&2; exit 1'


# what is made


def test_it_is_made_once_and_found_again(bench: Bench) -> None:
    folder = bench.set_up()
    found = emulator_home.find_emulator()
    assert bench.left() == {folder.name}
    assert (found.qemu, found.qemu_version) == ((str(bench.folder / "bin/qemu-aarch64"),), "7.2.22")
    assert found.plugin == folder / "count.so"
    assert found.runner == folder / "runner" / "asymm-runner"
    bench.cmake(build="exit 1")
    assert bench.run("setup") == 0
    assert bench.said == "it is set up, and whole\n"
    assert bench.run("where") == 0
    assert f"key: {found.key().text()}" in bench.said


def test_pip_fetches_the_wheel_and_a_second_build_needs_no_network(bench: Bench) -> None:
    wheel = bench.wheel()
    bench.pip(f'while [ "$1" != --dest ]; do shift; done; cp {wheel} "$2"')
    assert bench.run("setup") == 0
    assert "fetching MNN" in bench.said
    bench.pip("exit 1")
    assert bench.run("setup", "--force") == 0
    assert "from an earlier setup" in bench.said


def test_what_pip_fetched_is_remembered_and_must_be_the_same_again(bench: Bench) -> None:
    wheel = bench.wheel()
    fetch = f'while [ "$1" != --dest ]; do shift; done; cp {wheel} "$2"'
    bench.pip(fetch)
    assert bench.run("setup") == 0
    folder = emulator_home.parts_folder()
    parts = emulator_home.read_parts(folder)
    assert (parts.wheel, parts.wheel_sha256) == (wheel.name, sha256_of(wheel))
    bench.pip("exit 1")
    assert bench.run("setup", "--force") == 0
    assert emulator_home.read_parts(folder) == parts
    next((folder / "runner").glob("_mnn*")).unlink()  # so that it is fetched again
    wheel_file(bench.folder, CONTENT | {"MNN/nn.py": b"another"})
    bench.pip(fetch)
    assert bench.run("setup") == 3
    assert f"pip fetched another {wheel.name} than before" in bench.said
    assert parts.wheel_sha256 is not None
    assert parts.wheel_sha256 in bench.said
    assert bench.run("setup", "--wheel", wheel) == 0  # whoever names it trusts it


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("head -c 300 {wheel}", "is damaged or cut short"),
        ("echo oh", "is damaged or cut short"),
    ],
)
def test_what_pip_fetched_and_is_damaged_is_refused_with_what_to_do(
    bench: Bench, does: str, why: str
) -> None:
    wheel = bench.wheel()
    find = 'while [ "$1" != --dest ]; do shift; done'
    bench.pip(f'{find}; {does.format(wheel=wheel)} > "$2/{wheel.name}"')
    bench.link("head")
    assert bench.run("setup") == 3
    assert "what pip fetched is of no use: " in bench.said
    assert why in bench.said
    assert "hint: `pip cache purge`" in bench.said
    assert bench.left() == set()


def test_a_slow_pip_tells_how_much_has_come_and_is_ended_in_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_TELL_S", 0.0)
    monkeypatch.setattr(arm_wheel, "_LONGEST_S", 1.5)
    bench.link("head")
    bench.pip('head -c 2500000 /dev/zero > "$TMPDIR/part"; sleep 60')
    assert bench.run("setup") == 3
    assert bench.said.count("fetched 2 MB so far") == 1
    assert "pip did not fetch MNN" in bench.said
    assert bench.left() == set()


def test_an_engine_that_was_changed_is_not_taken_again(bench: Bench) -> None:
    folder = bench.set_up()
    next((folder / "runner").glob("_mnn*")).write_text("another")
    assert bench.run("setup") == 3
    assert "was changed; setting it up again" in bench.said
    assert "pip can't fetch" in bench.said


# what is missing


def test_one_line_installs_all_that_is_missing(bench: Bench) -> None:
    for name in ("qemu-aarch64", "aarch64-linux-gnu-g++", "cc", "cmake", "ninja"):
        bench.remove(name)
    assert bench.run("setup") == 3
    assert bench.said.splitlines()[1] == (
        "hint: sudo apt-get install qemu-user g++-aarch64-linux-gnu gcc libc6-dev cmake ninja-build"
    )


def test_an_emulator_that_is_missing_can_be_had_without_installing_it(bench: Bench) -> None:
    bench.remove("qemu-aarch64")
    assert bench.run("setup") == 3
    assert "hint: sudo apt-get install qemu-user; or take Debian's" in bench.said
    assert "--fetch-qemu" in bench.said


def test_a_compiler_without_its_c_library_is_missing_something(bench: Bench) -> None:
    shutil.rmtree(bench.folder / "sysroot")
    assert bench.run("setup") == 3
    assert "hint: sudo apt-get install libc6-arm64-cross" in bench.said


def test_a_qemu_without_plugins_is_refused_before_anything_is_built(bench: Bench) -> None:
    bench.qemu(options="-cpu")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "(version 7.2.22) can't load plugins" in bench.said
    assert "--fetch-qemu" in bench.said
    assert "compiling" not in bench.said
    assert bench.left() == set()


def test_a_qemu_that_refuses_the_plugin_is_quoted(bench: Bench) -> None:
    bench.qemu("9.1.0", trial=REFUSES)
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "(version 9.1.0): the runner ended with code 1: " in bench.said
    assert OTHER in bench.said
    assert "--fetch-qemu" in bench.said
    assert bench.left() == set()


@pytest.mark.parametrize(
    ("named", "code", "what"),
    [
        ("/nowhere", 2, "$ASYMM_DEPLOY_QEMU names /nowhere, which is not a program"),
        ("/etc/passwd", 2, "which is not a program"),
        ("a\n\x1b[2Jb", 2, "which is not a program"),
        ("cc", 3, "does not say that it is a qemu-aarch64"),
    ],
)
def test_what_is_named_and_no_qemu_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, named: str, code: int, what: str
) -> None:
    monkeypatch.setenv("ASYMM_DEPLOY_QEMU", named)
    bench.program("cc", "echo cc 12")
    assert bench.run("setup", "--wheel", bench.wheel()) == code
    assert what in bench.said
    assert "\x1b" not in bench.said


def test_a_qemu_that_is_named_is_taken_and_remembered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = bench.qemu("8.2.2", name="own-qemu")
    monkeypatch.setenv("ASYMM_DEPLOY_QEMU", str(own))
    bench.set_up()
    monkeypatch.delenv("ASYMM_DEPLOY_QEMU")
    assert emulator_home.find_emulator().qemu == (str(own),)


def test_without_a_network_pips_reason_is_told_with_another_way(bench: Bench) -> None:
    bench.pip(
        "echo \"WARNING: Retrying after connection broken by 'NewConnectionError(<x at 0x7>: "
        "Connection refused)': /simple/mnn/\" >&2\n"
        "echo 'ERROR: No matching distribution found for MNN' >&2; exit 1"
    )
    assert bench.run("setup") == 3
    error, hint = bench.said.splitlines()[-2:]
    assert "no connection: NewConnectionError(Connection refused)" in error
    assert "pip download" in hint
    assert "--wheel" in hint
    assert bench.left() == set()


def test_an_environment_without_pip_is_told_how_to_get_it(bench: Bench) -> None:
    bench.pip("echo '/x/python: No module named pip' >&2; exit 1")
    assert bench.run("setup") == 3
    assert "No module named pip" in bench.said
    assert f"hint: install it: `{sys.executable} -m ensurepip`; or on a machine" in bench.said


def test_pips_want_of_space_is_told_with_where(bench: Bench) -> None:
    bench.pip("echo 'ERROR: Exception:\nTraceback:\nOSError: No space left on device' >&2; exit 2")
    assert bench.run("setup") == 3
    assert "OSError: No space left on device" in bench.said
    assert f"hint: leave 200 MB free in {bench.home}" in bench.said


def test_a_version_that_pip_does_not_find_is_told_in_its_words(bench: Bench) -> None:
    bench.pip("echo 'ERROR: No matching distribution found for MNN' >&2; exit 1")
    assert bench.run("setup") == 3
    assert "ERROR: No matching distribution found for MNN" in bench.said


def test_a_runner_for_another_version_of_mnn_is_refused(bench: Bench) -> None:
    bench.cmake(mnn="3.0.0")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "the counting runner is for MNN 3.0.0" in bench.said
    assert "hint: pip install MNN==3.0.0" in bench.said
    assert bench.left() == set()


def test_a_failed_build_leaves_its_output_where_it_says(bench: Bench) -> None:
    bench.cmake(build="echo 'error: what'; exit 1")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    log = bench.home / "failed-build.log"
    assert f"hint: the whole output is in {log}" in bench.said
    assert "error: what" in log.read_text()
    bench.cmake()
    folder = bench.set_up()
    assert bench.left() == {folder.name}


def test_a_compiler_that_has_no_space_says_so(bench: Bench) -> None:
    bench.program("cc", "echo 'error: /tmp/a.s: No space left on device' >&2; exit 1")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "hint: free some space in" in bench.said
    bench.program("cc", bench.compiler)
    bench.cmake(build="echo 'fatal error: No space left on device'; exit 1")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "hint: free some space, also for temporary files; the whole output" in bench.said


def test_a_plugin_that_does_not_compile_is_told_by_the_compilers_error(bench: Bench) -> None:
    bench.program("cc", "echo 'count.c:1: error: no such type' >&2; exit 1")
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "compiling the plugin failed:\n  count.c:1: error: no such type" in bench.said
    assert "hint: sudo apt-get install gcc libc6-dev" in bench.said
    assert "fetching" not in bench.said
    assert bench.left() == set()


# two at once, killed, changed


def test_two_setups_do_not_meet(bench: Bench) -> None:
    bench.home.mkdir(parents=True)
    with FileLock(bench.home / ".lock"):
        assert bench.run("setup") == 2
    assert "another setup is at work" in bench.said


def test_what_a_killed_setup_left_is_removed_and_nothing_of_it_believed(bench: Bench) -> None:
    half = bench.home / ".setup.abcdefgh" / "parts" / "runner"
    half.mkdir(parents=True)
    (half / "asymm-runner").write_text("half")
    with pytest.raises(HarnessError, match="not set up"):
        emulator_home.find_emulator()
    folder = bench.set_up()
    assert bench.left() == {folder.name}
    half.mkdir(parents=True)
    assert bench.run("setup") == 0  # though there is nothing to do
    assert bench.left() == {folder.name}


def test_ctrl_c_leaves_what_was_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bench.set_up()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(native_build, "build_native_runner", interrupted)
    assert bench.run("setup", "--force") == 130
    assert bench.left() == {folder.name}
    assert emulator_home.find_emulator().runner.is_file()
    assert bench.run("setup") == 0  # the lock is free


@pytest.mark.parametrize(
    ("name", "is_missing"),
    [("count.so", True), ("runner/asymm-runner", False), ("emulator.json", False)],
)
def test_a_part_that_is_missing_or_changed_is_named_and_made_again(
    bench: Bench, name: str, is_missing: bool
) -> None:
    path = bench.set_up() / name
    path.unlink()
    if not is_missing:
        path.write_text("{")
    assert bench.run("where") == 3
    assert str(path) in bench.said
    assert "hint: asymm-deploy emulator setup" in bench.said
    bench.set_up()
    assert bench.run("where") == 0


def test_setups_of_other_sources_are_named(bench: Bench) -> None:
    folder = bench.set_up()
    folder.rename(folder.with_name("mnn-0.1-abc"))
    assert bench.run("where") == 3
    assert "(there is mnn-0.1-abc)" in bench.said


def test_another_version_of_qemu_is_tried_before_it_counts(bench: Bench) -> None:
    bench.set_up()
    bench.qemu("7.2.30")
    assert bench.run("where") == 3
    assert "is of version 7.2.30 now, and it was tried in version 7.2.22" in bench.said
    bench.cmake(build="exit 1")  # nothing is built again
    assert bench.run("setup") == 0
    assert emulator_home.find_emulator().qemu_version == "7.2.30"
    bench.qemu("9.1.0", trial=REFUSES)
    assert bench.run("setup") == 3
    assert OTHER in bench.said


def test_a_qemu_that_is_gone_is_named(bench: Bench) -> None:
    bench.set_up()
    bench.remove("qemu-aarch64")
    assert bench.run("where") == 3
    assert "bin/qemu-aarch64 can't be started: No such file or directory" in bench.said


# folders


@pytest.mark.parametrize(
    "name",
    ["a,b", "a b", "a=b", "a%20b%s", "ü漢", "-a", "~", "a'b", "a`b`", "a:b#", "b" * 200],
)
def test_the_data_folder_may_have_any_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (bench.folder / name).mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(bench.folder / name))
    folder = bench.set_up()
    assert folder.is_relative_to(bench.folder / name)
    assert bench.run("where") == 0


@pytest.mark.parametrize("name", ["a;b", "a$b", 'a"b', "a\\b", "a|b", "a\nb"])
def test_a_data_folder_in_which_nothing_can_be_built_is_refused_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(bench.folder / name))
    assert bench.run("setup", "--wheel", bench.wheel()) == 2
    assert "CMake can't build with" in bench.said
    assert "hint: choose a folder without any of" in bench.said
    assert not (bench.folder / name).exists()


@pytest.mark.parametrize("variable", ["XDG_DATA_HOME", "ASYMM_DEPLOY_QEMU"])
def test_what_is_not_utf_8_is_refused_in_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(bench.program("q\udcff", "exit 1")))
    assert bench.run("setup", "--wheel", bench.wheel()) == 2
    assert "is not UTF-8" in bench.said


@pytest.mark.parametrize("named", ["./bin/own-qemu", "~/bin/own-qemu", "own-qemu"])
def test_the_emulator_is_found_from_anywhere_however_it_was_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(bench.folder)
    monkeypatch.setenv("ASYMM_DEPLOY_QEMU", named)
    own = bench.qemu(name="own-qemu")
    bench.set_up()
    monkeypatch.delenv("ASYMM_DEPLOY_QEMU")
    monkeypatch.chdir("/")
    assert emulator_home.find_emulator().qemu == (str(own),)


@pytest.mark.parametrize("named", ["relative", "./relative", "~/data"])
def test_a_data_folder_is_never_one_below_where_somebody_happens_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(bench.folder)
    monkeypatch.setenv("XDG_DATA_HOME", named)
    folder = bench.set_up()
    monkeypatch.chdir("/")
    assert folder.is_absolute()
    assert bench.run("where") == 0


def test_a_lock_that_is_a_folder_is_named(bench: Bench) -> None:
    (bench.home / ".lock").mkdir(parents=True)
    assert bench.run("setup") == 2
    assert f"can't lock {bench.home / '.lock'}: it is no file" in bench.said


def test_a_lock_of_another_user_is_refused_with_another_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", ".lock")

    monkeypatch.setattr(FileLock, "acquire", denied)
    assert bench.run("setup") == 2
    assert "Permission denied" in bench.said
    assert "hint: set XDG_DATA_HOME" in bench.said


@pytest.mark.parametrize("step", ["_compile_plugin", "_build_runner", "unpack_engine"])
def test_a_disk_that_fills_up_is_told_and_nothing_half_made_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "count.so")

    monkeypatch.setattr(emulator_build, step, full)
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert f"can't set up the emulator in {bench.home}: No space left on device" in bench.said
    assert "hint: leave 200 MB free there" in bench.said
    assert bench.left() == set()


def test_a_data_folder_that_can_not_be_made_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert bench.run("setup") == 2
    assert "hint: set XDG_DATA_HOME" in bench.said
