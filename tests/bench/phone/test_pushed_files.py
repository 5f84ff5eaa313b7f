"""Only what changed is pushed, nothing old is left, and no name does anything on the phone."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.pushed_files import BASE, Program, PushedFiles
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of
from tests.bench.phone.conftest import ONCE, Bench, lines_in
from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4, Profile
from tests.phone.server import AdbServer


@pytest.fixture
def arguments(arguments: list[str]) -> list[str]:
    """A bench of one launch: what is pushed for it is pushed before."""
    return [*arguments, *ONCE]


def pushes(phone: Phone) -> int:
    return sum(service == "sync:" for service in phone.services)


def files(phone: Phone) -> set[str]:
    folder = phone.path(f"{BASE}/files")
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_is_not_pushed_again(bench: Bench, phone: Phone) -> None:
    assert bench("--keep").code == 0
    before = pushes(phone)
    assert before == 3  # the runner, the model and its recorded input
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
    assert len(files(phone)) == 4  # with its recorded input


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
            *("--out", str(tmp_path / "own")),
        ]
    )
    assert code == 0
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


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net" / "model.mnn"
    path.parent.mkdir()
    path.write_bytes(b"a model")
    return path


def test_a_file_is_put_under_its_hash_and_only_once(link: Link, phone: Phone, model: Path) -> None:
    pushed = PushedFiles(link)
    pushed.find_existing()
    place = pushed.put(model)
    assert place == f"{BASE}/files/net.model.mnn-{sha256_of(model)}"
    assert phone.path(place).read_bytes() == b"a model"
    assert pushed.put(model) == place
    later = PushedFiles(link)
    later.find_existing()
    assert later.put(model) == place
    assert pushes(phone) == 1


def test_what_was_cut_short_in_a_push_is_removed_and_never_taken_for_the_file(
    link: Link, phone: Phone, model: Path
) -> None:
    place = phone.path(f"{BASE}/files/net.model.mnn-{sha256_of(model)}.part")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"a mo")
    pushed = PushedFiles(link)
    pushed.find_existing()
    assert not place.exists()
    pushed.put(model)
    assert files(phone) == {f"net.model.mnn-{sha256_of(model)}"}


def test_only_what_is_not_there_needs_room(link: Link, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mnn"
    other.write_bytes(b"x" * 1000)
    pushed = PushedFiles(link)
    pushed.find_existing()
    margin = pushed.missing_bytes([])
    assert margin >= 2**20
    assert pushed.missing_bytes([model, other]) == margin + len(b"a model") + 1000
    pushed.put(model)
    assert pushed.missing_bytes([model, other]) == margin + 1000


def test_a_former_version_is_removed_unless_this_bench_wants_it(
    link: Link, phone: Phone, model: Path
) -> None:
    PushedFiles(link).put(model)
    model.write_bytes(b"version 2")
    pushed = PushedFiles(link)
    pushed.find_existing()
    pushed.put(model)
    second = files(phone)
    assert second == {f"net.model.mnn-{sha256_of(model)}"}
    model.write_bytes(b"version 3")
    pushed.put(model)  # beside the second, which may yet be asked for
    assert len(files(phone)) == 2
    assert second < files(phone)


def test_a_runner_is_executable_and_earlier_ones_go(
    link: Link, phone: Phone, tmp_path: Path
) -> None:
    runner = tmp_path / "runner"
    runner.write_bytes(b"#!/bin/sh\n")
    (tmp_path / "libMNN.so").write_bytes(b"a library")
    pushed = PushedFiles(link)
    first = Program.at(runner)
    pushed.put_program(first)
    (path,) = pushed.command_of(first)
    assert phone.path(path).stat().st_mode & 0o111
    assert link.run_once(path).code == 0
    runner.write_bytes(b"#!/bin/sh\nexit 7\n")
    second = Program.at(runner)
    pushed.put_program(second)
    pushed.remove_stale(second)
    assert {path.rpartition("/")[0] for path in files(phone)} == {f"runner-{second.sha256[:16]}"}


def test_a_file_that_arrives_damaged_is_pushed_again_and_then_given_up(
    link: Link, phone: Phone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets: list[str] = []

    def push(source: Path, target: str) -> None:
        targets.append(target)
        phone.path(target).write_bytes(b"damaged")

    monkeypatch.setattr(link, "push", push)
    pushed = PushedFiles(link)
    pushed.find_existing()
    with pytest.raises(HarnessError, match=r"model\.mnn did not arrive intact on "):
        pushed.put(model)
    assert len(targets) == 3
    assert not [name for name in files(phone) if not name.endswith(".part")]
