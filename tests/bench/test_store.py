"""runs.jsonl survives whatever cuts a write short, and nothing that is not ours is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.bench import store
from asymm_deploy.bench.records import Command, LaunchRecord
from asymm_deploy.errors import HarnessError, UsageError


def launches(good: LaunchRecord, count: int) -> list[LaunchRecord]:
    return [msgspec.structs.replace(good, launch=number) for number in range(count)]


def lines(records: list[LaunchRecord]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def test_what_was_appended_is_there_again(good: LaunchRecord, tmp_path: Path) -> None:
    records = launches(good, 3)
    with store.opened(tmp_path / "new", pytest.fail, "bench") as runs:
        for record in records[:2]:
            runs.append(record)
    with store.opened(tmp_path / "new", pytest.fail, "bench") as runs:
        runs.append(records[2])
        assert list(runs.records) == records
    assert store.load(tmp_path / "new") == records
    assert (tmp_path / "new" / store.NAME).read_bytes() == lines(records)


@pytest.mark.parametrize(("one", "other"), [("bench", "check"), ("check", "bench")])
def test_the_launches_of_another_command_are_refused(
    good: LaunchRecord, tmp_path: Path, one: Command, other: Command
) -> None:
    with store.opened(tmp_path, pytest.fail, one) as runs:
        runs.append(good)  # of a version that did not say
        runs.append(msgspec.structs.replace(good, launch=1, written_by=one))
    with store.opened(tmp_path, pytest.fail, one):
        pass
    before = (tmp_path / store.NAME).read_bytes()
    with (
        pytest.raises(UsageError, match=f"holds the launches of a {one}, and those of a {other}"),
        store.opened(tmp_path, pytest.fail, other),
    ):
        pass
    assert (tmp_path / store.NAME).read_bytes() == before


def test_a_line_is_on_disk_as_soon_as_it_is_appended(good: LaunchRecord, tmp_path: Path) -> None:
    with store.opened(tmp_path, pytest.fail, "bench") as runs:
        runs.append(good)
        assert store.load(tmp_path) == [good]


@settings(deadline=None)
@given(st.data())
def test_a_write_cut_anywhere_loses_only_that_line(
    good: LaunchRecord, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    records = launches(good, 3)
    whole = lines(records)
    last = len(lines(records[:2]))
    cut = data.draw(st.integers(last + 1, len(whole) - 1))
    (folder / store.NAME).write_bytes(whole[:cut])
    told: list[str] = []
    with store.opened(folder, told.append, "bench") as runs:
        assert list(runs.records) == records[:2]
        runs.append(records[2])
    assert len(told) == 1
    assert (folder / store.NAME).read_bytes() == whole
    assert (folder / "runs.jsonl.torn").read_bytes() == whole[last:cut] + b"\n"
    shutil.rmtree(folder)


def test_zeros_that_a_power_cut_left_are_put_aside_too(good: LaunchRecord, tmp_path: Path) -> None:
    (tmp_path / store.NAME).write_bytes(lines([good]) + bytes(300))
    told: list[str] = []
    with store.opened(tmp_path, told.append, "bench") as runs:
        assert list(runs.records) == [good]
    assert "300 bytes of it" in told[0]


def test_reading_alone_skips_a_torn_line_and_mends_nothing(
    good: LaunchRecord, tmp_path: Path
) -> None:
    torn = lines([good, good])[:-5]
    (tmp_path / store.NAME).write_bytes(torn)
    assert store.load(tmp_path) == [good]
    assert (tmp_path / store.NAME).read_bytes() == torn


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda first, second: b"{}\n" + second, "line 1"),
        (lambda first, second: first + b"garbage\n" + second, "line 2"),
        (lambda first, second: first[:100] + b"\n" + second, "line 1"),
        (lambda first, second: first + second[:-10] + b"\xff\xff" + second[-8:], "line 2"),
        (lambda first, second: first + b"\n" + second, "line 2"),
        (lambda first, second: b"\x7fELF\x02\x01\n\x00\n", "line 1"),
        (lambda first, second: b"\x89PNG", "line 1"),
        (lambda first, second: first + b"no end", "line 2"),
        (lambda first, second: first + b"[" * 10_000 + b"\n", "line 2"),
        (lambda first, second: first.replace(b'"schema_version":1', b'"schema_version":4'), "4"),
        (lambda first, second: first.replace(b'"flags":[]', b'"flags":["haunted"]'), "'haunted'"),
    ],
    ids=[
        *("empty object", "garbage", "cut in the middle", "not utf-8", "empty line", "binary"),
        *("binary, no line", "tail not ours", "deep", "newer", "a newer one's flag"),
    ],
)
def test_damage_is_an_error_that_names_the_line_and_changes_nothing(
    good: LaunchRecord, tmp_path: Path, damage: object, what: str
) -> None:
    assert callable(damage)
    content = damage(lines([good]), lines([good]))
    (tmp_path / store.NAME).write_bytes(content)
    with pytest.raises(UsageError, match=what), store.opened(tmp_path, pytest.fail, "bench"):
        pytest.fail("it was opened")
    with pytest.raises(UsageError, match=what):
        store.load(tmp_path)
    assert (tmp_path / store.NAME).read_bytes() == content
    assert not (tmp_path / "runs.jsonl.torn").exists()


def test_damage_is_not_to_be_mended_by_removing_lines(good: LaunchRecord, tmp_path: Path) -> None:
    # blocks.jsonl counts them: what is behind that line would all be measured again.
    (tmp_path / store.NAME).write_bytes(b"{}\n" + lines([good]))
    with pytest.raises(UsageError) as refused:
        store.load(tmp_path)
    assert "remove" not in refused.value.hint
    assert "as it was" in refused.value.hint


def test_without_runs_there_is_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no runs\.jsonl"):
        store.load(tmp_path)


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't write results"):
        store.opened(tmp_path / "file", pytest.fail, "bench").__enter__()


def test_a_second_bench_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    second = (
        "import sys; from pathlib import Path; from asymm_deploy.bench import store\n"
        "store.opened(Path(sys.argv[1]), print, 'bench').__enter__()"
    )
    with store.opened(tmp_path, pytest.fail, "bench"):
        tried = subprocess.run(
            [sys.executable, "-c", second, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert tried.returncode != 0
        assert f"HarnessError: process {os.getpid()}, since 20" in tried.stderr
    with store.opened(tmp_path, pytest.fail, "bench"):
        pass


def test_a_bench_that_is_over_leaves_no_name(tmp_path: Path) -> None:
    with store.opened(tmp_path, pytest.fail, "bench"):
        assert str(os.getpid()) in (tmp_path / ".bench.holder").read_text(encoding="utf-8")
    assert not (tmp_path / ".bench.holder").exists()
    with pytest.raises(ZeroDivisionError), store.opened(tmp_path, pytest.fail, "bench"):
        raise ZeroDivisionError
    assert not (tmp_path / ".bench.holder").exists()


def test_who_is_refused_is_never_told_of_an_earlier_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.opened(tmp_path, pytest.fail, "bench"):
        pass

    def fail(*_arguments: object, **_named: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)  # the second one can't leave its name
    with (
        store.opened(tmp_path, pytest.fail, "bench"),
        pytest.raises(HarnessError, match=r"^another bench is writing to "),
        store.opened(tmp_path, pytest.fail, "bench"),
    ):
        pytest.fail("it was opened twice")


def test_a_full_disk_is_an_error_that_leaves_whole_lines(
    good: LaunchRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.opened(tmp_path, pytest.fail, "bench") as runs:
        runs.append(good)

        def fail(_handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(HarnessError, match="No space left on device"):
            runs.append(good)
    assert (tmp_path / store.NAME).read_bytes() == lines([good])
