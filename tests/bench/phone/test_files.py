"""Only what changed is pushed, nothing old is left, and no name does anything on the phone."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.phone.pushed_files import BASE, Program
from tests.bench.phone.conftest import Bench, lines_in
from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4, Profile
from tests.phone.server import AdbServer


def pushes(phone: Phone) -> int:
    return sum(service == "sync:" for service in phone.services)


def files(phone: Phone) -> set[str]:
    folder = phone.path(f"{BASE}/files")
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_is_not_pushed_again(bench: Bench, phone: Phone) -> None:
    assert bench("--keep").code == 0
    before = pushes(phone)
    assert before == 2  # the runner and the model
    assert bench("--keep", "--fresh").code == 0
    assert pushes(phone) == before


def test_a_file_that_was_damaged_on_the_phone_is_pushed_again(bench: Bench, phone: Phone) -> None:
    assert bench("--keep").code == 0
    (model,) = phone.path(f"{BASE}/files").glob("*.mnn-*")
    model.write_bytes(b"damaged")
    before = pushes(phone)
    assert bench("--keep", "--fresh").code == 0
    assert pushes(phone) == before + 1


def test_former_versions_of_model_and_runner_are_removed(
    bench: Bench, phone: Phone, folder: Path, tmp_path: Path, phone_runner: Path
) -> None:
    model, runner = tmp_path / "net.mnn", tmp_path / "bin/runner"
    runner.parent.mkdir()
    shutil.copy(folder / "model.mnn", model)
    shutil.copy(phone_runner, runner)
    arguments = [
        *("bench", str(model), "--device", "auto", "--runner", str(runner), "--keep"),
        *("--runs", "1", "--launches", "1", "--out", str(tmp_path / "own")),
        *("--allow", "throttled", "--cool-down", "0.1"),
    ]
    cli.run(arguments)
    first = files(phone)
    model.write_bytes(model.read_bytes() + b"\0")
    runner.write_bytes(runner.read_bytes() + b"\n")
    cli.run(arguments)
    second = files(phone)
    assert len(first) == len(second) == 2
    assert first.isdisjoint(second)
    bench("--keep")  # of another model: the one of before is no former version of it
    assert len(files(phone)) == 3


def test_shared_libraries_beside_the_runner_go_with_it(
    bench: Bench, phone: Phone, tmp_path: Path, phone_runner: Path
) -> None:
    runner = tmp_path / "runner"
    shutil.copy(phone_runner, runner)
    (tmp_path / "libMNN.so").write_bytes(b"a library")
    assert bench("--runner", str(runner), "--keep").code == 0
    assert {path.rpartition("/")[2] for path in files(phone) if path.startswith("runner-")} == {
        "runner",
        "libMNN.so",
    }


def test_a_library_is_part_of_what_the_runner_is(tmp_path: Path) -> None:
    (tmp_path / "runner").write_bytes(b"program")
    alone = Program.at(tmp_path / "runner").sha256
    (tmp_path / "libMNN.so").write_bytes(b"1")
    first = Program.at(tmp_path / "runner").sha256
    (tmp_path / "libMNN.so").write_bytes(b"2")
    assert len({alone, first, Program.at(tmp_path / "runner").sha256}) == 3


@pytest.mark.parametrize(
    "name", ["a b", "$(touch pwned)", "x;touch pwned;", "`touch pwned`", "-rf", "'\"", "日本"]
)
def test_names_are_quoted_for_the_phones_shell(
    phone: Phone,
    adb_environment: object,
    folder: Path,
    tmp_path: Path,
    phone_runner: Path,
    name: str,
) -> None:
    place = tmp_path / name
    place.mkdir()
    shutil.copy(folder / "model.mnn", place / f"{name}.mnn")
    shutil.copy(phone_runner, place / name)
    code = cli.run(
        [
            *("bench", str(place / f"{name}.mnn"), "--device", "auto"),
            *("--runner", str(place / name), "--runs", "1", "--launches", "1"),
            *("--out", str(tmp_path / "own"), "--allow", "throttled"),
        ]
    )
    assert code in (0, 4)  # 4: this machine was not quiet
    (record,) = lines_in(tmp_path / "own")
    assert record.error is None
    assert not list(phone.path("/").rglob("pwned*"))


def test_what_a_phone_says_of_itself_starts_no_formula_and_controls_no_terminal(
    bench: Bench,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
    tmp_path: Path,
) -> None:
    soc = "=HYPERLINK(1)" + "x" * 500
    phone = new_phone(replace(PIXEL_4, soc_model=soc, model="@SUM(1)\x07"))
    adb_server.connect(phone)
    ended = bench()
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out + ended.err
    assert "\x07" not in ended.out + ended.err
    with (tmp_path / "results/latency.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["soc"].startswith("'=HYPERLINK(1)")
    assert len(row["soc"]) <= 201
