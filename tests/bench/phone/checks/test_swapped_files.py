"""A runner, a library or an input that was replaced on the phone is noticed; nothing is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.phone.checks.swapped_files import FileWatch, marks
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.pushed_files import BASE, Program, PushedFiles
from asymm_deploy.errors import HarnessError
from tests.bench.phone.conftest import LAUNCHES, Bench
from tests.phone.faults import SwappedFile
from tests.phone.phone import Phone


@pytest.fixture
def runner(phone_runner: Path, tmp_path: Path) -> Path:
    """A runner with two libraries beside it."""
    place = tmp_path / "program" / "runner"
    place.parent.mkdir()
    shutil.copy(phone_runner, place)
    for name in ("libMNN.so", "libc++_shared.so"):
        (place.parent / name).write_bytes(b"a library\n")
    return place


@pytest.mark.parametrize(
    ("pattern", "in_place", "at"),
    [
        ("runner-*/runner", False, "model"),
        ("runner-*/runner", True, "samples"),
        ("runner-*/libMNN.so", False, "start"),
        ("runner-*/libc++_shared.so", True, "model"),
        ("runner-*/libm.so", False, "model"),
        ("*inputs.bin-*", True, "start"),
    ],
    ids=["runner", "runner, in place", "engine", "C++", "one too many", "input"],
)
def test_a_file_that_was_swapped_in_a_launch_ends_the_bench_before_that_launch_counts(
    bench: Bench,
    phone: Phone,
    runner: Path,
    is_clean: Callable[[Phone], bool],
    pattern: str,
    in_place: bool,
    at: str,
) -> None:
    fault = phone.faults.add(SwappedFile(launch=1, pattern=pattern, in_place=in_place, at=at))
    ended = bench("--runner", str(runner))
    assert fault.happened == 1
    assert ended.code == 3
    assert f" on {phone.serial} is not the file that was pushed (SHA-256 there: " in ended.err
    assert "hint: something else writes to /data/local/tmp/asymm-deploy/files" in ended.err
    assert [record.launch for record in ended.finished] == [0]
    assert is_clean(phone)
    again = bench("--runner", str(runner))
    assert again.code == 0, again.err
    assert len(again.finished) == LAUNCHES


def test_a_library_that_lies_beside_a_kept_runner_is_removed_first(
    bench: Bench, phone: Phone, runner: Path
) -> None:
    assert bench("--keep", "--runner", str(runner)).code == 0
    (folder,) = phone.path(f"{BASE}/files").glob("runner-*")
    (folder / "libm.so").write_bytes(b"another")
    (folder / "libz.so").symlink_to("libMNN.so")
    ended = bench("--keep", "--fresh", "--runner", str(runner))
    assert ended.code == 0, ended.err
    assert {path.name for path in folder.iterdir()} == {"runner", "libMNN.so", "libc++_shared.so"}


@pytest.fixture
def pushed(link: Link) -> PushedFiles:
    pushed = PushedFiles(link)
    pushed.find_existing()
    return pushed


def test_files_are_hashed_once_and_then_only_looked_at(
    link: Link, phone: Phone, pushed: PushedFiles, runner: Path
) -> None:
    program = Program.at(runner)
    pushed.put_program(program)
    watch = FileWatch(link, pushed, program)
    argv = pushed.command_of(program)
    watch.learn(argv)
    count = len(phone.commands)
    watch.learn(argv)
    watch.require_same(link.run_sections({"files": watch.command(argv)})["files"], argv)
    assert len(phone.commands) == count + 1


def test_a_file_that_was_only_touched_is_the_same(
    link: Link, phone: Phone, pushed: PushedFiles, runner: Path
) -> None:
    program = Program.at(runner)
    pushed.put_program(program)
    watch = FileWatch(link, pushed, program)
    argv = pushed.command_of(program)
    watch.learn(argv)
    phone.path(argv[0]).touch()
    for _ in range(2):
        watch.require_same(link.run_sections({"files": watch.command(argv)})["files"], argv)
    phone.path(argv[0]).unlink()
    with pytest.raises(HarnessError, match=r"runner on .* \(SHA-256 there: none\)"):
        watch.require_same(link.run_sections({"files": watch.command(argv)})["files"], argv)


def test_a_mark_is_all_that_stands_before_the_path() -> None:
    text = "WARNING: linker\n4711 3 2022-10-05 08:12:31.1 2022-10-05 08:12:31.1|/data/a b|c\nx|y\n"
    assert marks(text) == {"/data/a b|c": "4711 3 2022-10-05 08:12:31.1 2022-10-05 08:12:31.1"}
