"""What makes an export stale: facts, tools, our code, and files that a callable reads."""

from __future__ import annotations

import contextlib
import json
import py_compile
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import save_file

import asymm_deploy
from asymm_deploy.export import freshness
from asymm_deploy.export.freshness import Dependencies, fingerprint, unchanged
from asymm_deploy.export.reading.recorded_files import recorded_files
from asymm_deploy.files import sha256_of

FACTS: dict[str, object] = {"source": "net", "seed": 0, "weights": None}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in the place of ours, with a file in each room."""
    for name in (
        "models/build.py",
        "engines/mnn.py",
        "export/mnn.py",
        "export/passes/pool.py",
        "bench/measure.py",
    ):
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one = 1")
    monkeypatch.setattr(asymm_deploy, "__file__", str(tmp_path / "package" / "__init__.py"))
    freshness._code_sha256.cache_clear()
    yield tmp_path / "package"
    freshness._code_sha256.cache_clear()


def anew() -> str:
    """The fingerprint that another process would find."""
    freshness._code_sha256.cache_clear()
    return fingerprint(FACTS)


def test_the_same_facts_in_any_order_have_one_fingerprint() -> None:
    assert fingerprint(FACTS) == fingerprint(dict(reversed(FACTS.items())))
    assert len(fingerprint(FACTS)) == 64


@pytest.mark.parametrize("change", [{"seed": 1}, {"weights": "a" * 64}, {"more": None}])
def test_any_other_fact_makes_it_stale(change: dict[str, object]) -> None:
    assert fingerprint(FACTS | change) != fingerprint(FACTS)


@pytest.mark.parametrize(
    "tool", ["torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime", "MNN", "numpy"]
)
def test_another_version_of_any_tool_makes_it_stale(
    tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = fingerprint(FACTS), metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0" if name == tool else real(name))
    assert fingerprint(FACTS) != before


def test_another_version_of_ours_makes_it_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(FACTS)
    monkeypatch.setattr(asymm_deploy, "__version__", "99")
    assert fingerprint(FACTS) != before
    assert freshness.tool_versions()["asymm-deploy"] == "99"


@pytest.mark.parametrize(
    "edited", ["models/build.py", "engines/mnn.py", "export/mnn.py", "export/passes/pool.py"]
)
def test_an_edit_of_the_code_that_exports_makes_it_stale(package: Path, edited: str) -> None:
    before = anew()
    (package / edited).write_text("one = 2")
    assert anew() != before
    (package / edited).write_text("one = 1")
    assert anew() == before


def test_code_that_moves_or_appears_makes_it_stale(package: Path) -> None:
    before = anew()
    (package / "export/passes/pool.py").rename(package / "export/pool.py")
    moved = anew()
    (package / "models/more.py").write_text("")
    assert len({before, moved, anew()}) == 3


def test_code_that_does_not_export_leaves_it_fresh(package: Path) -> None:
    before = anew()
    (package / "bench/measure.py").write_text("one = 2")
    (package / "export/notes.txt").write_text("two")
    assert anew() == before


def test_files_are_unchanged_until_one_is_edited_or_gone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    recorded = Dependencies({str(path): sha256_of(path) for path in (one, two)})
    assert unchanged(Dependencies(), tmp_path)
    assert unchanged(recorded, tmp_path)
    two.write_text("3")
    assert not unchanged(recorded, tmp_path)
    two.unlink()
    assert not unchanged(recorded, tmp_path)
    two.mkdir()
    assert not unchanged(recorded, tmp_path)


def test_a_relative_path_has_to_mean_the_same_file_from_here(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "data").mkdir(parents=True)
        (tmp_path / folder / "data" / "w").write_text("the same in both")
    path = tmp_path / "one" / "data" / "w"
    recorded = Dependencies({str(path): sha256_of(path)}, {"data/w": str(path)})
    assert unchanged(recorded, tmp_path / "one")
    assert not unchanged(recorded, tmp_path / "two")


def test_files_that_are_read_are_recorded_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("before", "read", "relative", "gone", "after"):
        (tmp_path / name).write_text(name)
    (tmp_path / "before").read_text()
    with recorded_files() as found:
        (tmp_path / "read").read_text()
        with open("relative", "rb"):  # noqa: PTH123  as users' code does
            pass
        (tmp_path / "gone").read_text()
        (tmp_path / "gone").unlink()
        (tmp_path / "written").write_text("x")
        with (tmp_path / "appended").open("a"):
            pass
        Path(metadata.__file__).read_bytes()
        assert found == Dependencies()  # it is filled at the end
    (tmp_path / "after").read_text()
    read = {str(tmp_path / n): sha256_of(tmp_path / n) for n in ("read", "relative")}
    gone = [str(tmp_path / "gone")]
    assert found == Dependencies(read, {"relative": str(tmp_path / "relative")}, absent=gone)


@pytest.mark.parametrize("attribute", ["prefix", "base_prefix", "exec_prefix"])
def test_files_beside_the_environment_that_was_made_among_them_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str
) -> None:
    (tmp_path / "net.txt").touch()
    monkeypatch.setattr(sys, attribute, str(tmp_path))
    monkeypatch.setattr(freshness, "_library_folders", freshness._library_folders.__wrapped__)

    with recorded_files() as found:
        (tmp_path / "net.txt").read_text()

    assert [*found.files] == [str(tmp_path / "net.txt")]


def test_files_of_installed_packages_and_of_the_library_are_left_out() -> None:
    with recorded_files() as found:
        for module in (safetensors.torch, contextlib):
            Path(str(module.__file__)).read_bytes()

    assert not found.files


def test_modules_that_are_imported_are_recorded_though_python_reads_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = tmp_path / "a_module_of_a_user.py"
    module.write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        with recorded_files() as found:
            __import__(module.stem)
        assert set(found.files) == {str(module)}
        assert found.modules == {module.stem: str(module)}
        del sys.modules[module.stem]


def package_of_a_user(folder: Path, name: str) -> None:
    """Write a package whose module imports from another folder without __init__."""
    (folder / name / "nets").mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise SystemExit('nothing is imported to look')")
    (folder / name / "nets" / "small.py").write_text("")


def test_modules_have_to_be_found_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two", "empty"):
        (tmp_path / folder).mkdir()
    for folder in ("one", "two"):
        package_of_a_user(tmp_path / folder, "a_users_package")
    name, inside = "a_users_package.nets.small", "a_users_package/nets/small.py"
    recorded = Dependencies(modules={name: str(tmp_path / "one" / inside)})
    answers = {}
    for folder in ("one", "two", "empty"):
        monkeypatch.chdir(tmp_path / folder)
        answers[folder] = unchanged(recorded, Path())
    assert answers == {"one": True, "two": False, "empty": False}
    monkeypatch.syspath_prepend(tmp_path / "one")  # installed for editing, in effect
    assert unchanged(recorded, Path())
    package_of_a_user(tmp_path / "empty", "a_users_package")  # now one in the folder hides it
    assert not unchanged(recorded, Path())


def test_a_file_that_hides_an_installed_package_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with recorded_files() as found:
        __import__("colorsys")
    assert set(found.modules) == {"colorsys"}
    assert found.files == {}
    assert unchanged(found, Path())
    (tmp_path / "colorsys.py").write_text("")
    assert not unchanged(found, Path())


def edit_elsewhere(path: Path, text: str) -> None:
    """Edit a file as an editor does, which is another process."""
    edit = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    subprocess.run([sys.executable, "-I", "-S", "-c", edit, str(path), text], check=True)


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_edited_meanwhile_is_recorded_as_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cached: bool
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    module, data = tmp_path / "a_module_to_edit.py", tmp_path / "data"
    module.write_text("value = 1")
    data.write_text("1")
    as_read = {str(path): sha256_of(path) for path in (module, data)}
    if cached:
        __import__(module.stem)
        del sys.modules[module.stem]
    with recorded_files() as found:
        __import__(module.stem)
        data.read_bytes()
        edit_elsewhere(module, "value = 2")
        edit_elsewhere(data, "2")
        data.read_bytes()
    del sys.modules[module.stem]
    assert found.files == as_read
    assert not unchanged(found, Path())


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
def test_what_the_callable_itself_writes_is_recorded_as_it_leaves_it(
    tmp_path: Path, mode: str
) -> None:
    cache = tmp_path / "cache"
    cache.write_text("1")
    with recorded_files() as found:
        cache.read_text()
        with cache.open(mode) as file:
            file.write("2")
    assert found.files == {str(cache): sha256_of(cache)}


def test_a_module_without_its_source_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "without_source.py"
    source.write_text("value = 1")
    py_compile.compile(str(source), str(source.with_suffix(".pyc")))
    source.unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with recorded_files() as found:
        __import__(source.stem)
    del sys.modules[source.stem]
    assert set(found.files) == {str(source.with_suffix(".pyc"))}


def test_files_are_recorded_however_they_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with recorded_files() as found:
        with sqlite3.connect("base") as base:
            base.execute("create table t(x)")
        base.close()
        with contextlib.suppress(FileNotFoundError):
            open(b"gone")  # noqa: PTH123, SIM115
    for name in ("bytes", "both"):
        Path(name).write_bytes(b"1")
    with recorded_files() as later:
        open(b"bytes").close()  # noqa: PTH123
        open("both", "r+").close()  # noqa: PTH123
    assert (set(found.relative), found.absent) == ({"base"}, ["gone"])
    assert set(later.relative) == {"bytes", "both"}


def test_a_relative_path_is_that_of_the_folder_that_was_current_when_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "w").write_text("1")
    monkeypatch.chdir(tmp_path)
    with recorded_files() as found, contextlib.chdir("inner"):
        Path("w").read_text()
        with contextlib.suppress(FileNotFoundError):
            Path("gone").read_text()
    inner = tmp_path / "inner"
    assert found == Dependencies(
        {str(inner / "w"): sha256_of(inner / "w")}, {}, absent=[str(inner / "gone")]
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_files_that_native_code_opens_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"w": torch.zeros(2)}, "w.safetensors")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), "m.pt")
    Path("raw").write_bytes(bytes(4))
    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.zeros(1),)), "m.pt2")
    before = torch._C.import_ir_module
    with recorded_files() as found:
        torch.export.load("m.pt2")
        torch.from_file("raw", size=1)
        safetensors.torch.load_file("w.safetensors")
        torch.jit.load("m.pt")  # type: ignore[no-untyped-call]
    assert set(found.relative) == {"w.safetensors", "m.pt", "m.pt2", "raw"}
    assert torch._C.import_ir_module is before


def test_a_file_that_was_asked_for_in_vain_counts_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with recorded_files() as found, contextlib.suppress(FileNotFoundError):
        Path("trained.bin").read_bytes()
    assert found == Dependencies(absent=["trained.bin"])
    assert unchanged(found, Path())
    Path("trained.bin").touch()
    assert not unchanged(found, Path())


def test_an_error_within_is_passed_on_and_ends_the_recording(tmp_path: Path) -> None:
    (tmp_path / "later").write_text("x")
    with pytest.raises(ValueError, match="mine"), recorded_files() as found:
        raise ValueError("mine")
    (tmp_path / "later").read_text()
    assert found == Dependencies()


def test_threads_that_ask_at_once_don_t_trip_over_pythons_own_caches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_at_a_time = threading.Lock()
    ask_together = threading.Barrier(4)

    def forget() -> None:
        assert one_at_a_time.acquire(blocking=False), "KeyError in importlib, now and then"
        time.sleep(0.01)
        one_at_a_time.release()

    def ask() -> dict[str, str]:
        ask_together.wait()
        return freshness.found_here({"json": str(Path(json.__file__).resolve())})

    monkeypatch.setattr("importlib.invalidate_caches", forget)
    with ThreadPoolExecutor(4) as threads:
        answers = [thread.result() for thread in [threads.submit(ask) for _ in range(4)]]
    assert [set(answer) for answer in answers] == [{"json"}] * 4
