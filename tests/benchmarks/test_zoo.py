"""The zoo judges rightly: what passed, whose a refusal is, and what was stopped."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import zoo
from benchmarks.zoo_nets import direct, files, plain, published, table, transformer_nets, trial
from benchmarks.zoo_nets.trial import Ended


def record(result: str, alone: str, made: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"result": result, "alone": {"verdict": alone}}
    return found if made is None else found | {"made": {"verdict": made}}


@pytest.mark.parametrize(
    ("tried", "heading"),
    [
        (record("passed", "right", "right"), "exported"),
        (record("passed", "can't", "right"), "exported"),
        (record("passed", "right", "differs"), "wrong"),
        (record("passed", "right", "can't"), "wrong"),
        (record("refused", "right"), "refused wrongly"),
        (record("refused", "differs"), "refused"),
        (record("refused", "can't"), "refused"),
        (record("failed", "can't"), "failed"),
    ],
)
def test_a_refusal_is_wrong_only_where_mnn_alone_is_right(
    tried: dict[str, Any], heading: str
) -> None:
    assert table.kind(tried) == heading


def test_the_share_is_of_what_mnn_runs_correctly() -> None:
    records = [
        record("passed", "right", "right"),
        record("passed", "can't", "right"),
        record("refused", "right"),
        record("refused", "differs"),
    ]
    assert table.share(records) == (1, 2)


@pytest.mark.parametrize(
    ("ended", "result"),
    [
        (Ended(5, 1.0, 1.0, "", "error: net: Resize differs\nhint: none"), "refused"),
        (Ended(5, 1.0, 1.0, "", "it ended"), "failed"),
        (Ended(1, 1.0, 1.0, "", "error: net: no such code\nhint: none"), "failed"),
        (Ended(-11, 1.0, 1.0, "", "error: net: crashed"), "failed"),
        (Ended(None, 150.0, 1.0, "", "error: net: slow"), "failed"),
        (Ended(0, 1.0, 1.0, "exported", ""), "failed"),
        (
            Ended(6, 1.0, 1.0, "", "error: x\nTraceback (most recent call last):\nKeyError: 'a'"),
            "failed",
        ),
    ],
)
def test_only_an_error_with_a_documented_code_is_a_refusal(
    ended: Ended, result: str, tmp_path: Path
) -> None:
    assert trial.judged(ended, tmp_path)["result"] == result


def test_an_export_has_passed_if_its_manifest_is_there(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "manifest.json").write_text(json.dumps({"api": "module"}))
    judged = trial.judged(Ended(0, 1.0, 1.0, "", ""), tmp_path)
    assert (judged["result"], judged["api"]) == ("passed", "module")


def test_a_process_is_ended_at_the_limit_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 1.0)
    late = tmp_path / "late"
    child = f"import time, pathlib; time.sleep(3); pathlib.Path({str(late)!r}).touch()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    ended = trial.start([sys.executable, "-c", code])
    assert ended.code is None
    assert 1.0 <= ended.wall_s < 3.0
    assert trial.start([sys.executable, "-c", "import time; time.sleep(0.9)"]).code == 0
    assert not late.exists()


def test_a_process_that_ends_as_the_program_is_stopped_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "_stopped", threading.Event())
    later = threading.Timer(0.5, trial.end_all)
    later.start()
    with pytest.raises(trial.StoppedError):
        trial.start([sys.executable, "-c", "import time; time.sleep(20)"])
    later.join()


def test_cpu_seconds_are_those_of_all_that_a_process_started() -> None:
    busy = "import time; end = time.process_time() + 1.5\nwhile time.process_time() < end: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    ended = trial.start([sys.executable, "-c", code])
    assert ended.code == 0
    assert 1.0 < ended.cpu_s < 2.5


def test_what_a_process_says_and_how_it_ends_is_kept() -> None:
    code = "import sys; print('out'); print('talk', file=sys.stderr); sys.exit(5)"
    ended = trial.start([sys.executable, "-c", code])
    assert (ended.code, ended.stdout, ended.stderr) == (5, "out\n", "talk\n")


@pytest.mark.parametrize(
    ("text", "shape", "kind", "low", "high"),
    [
        ("1,2000", (1, 2000), "float32", -9, 9),
        ("x=1,2000:float16:0..1", (1, 2000), "float16", 0, 1),
        ("ids=1,2000:int64:5..9", (1, 2000), "int64", 5, 9),
        ("t=:int64:7..7", (), "int64", 7, 7),
        ("1,2000:uint8", (1, 2000), "uint8", 0, 255),
        ("1,2000:int8", (1, 2000), "int8", -128, 127),
        ("1,2000:bool", (1, 2000), "bool", 0, 1),
    ],
)
def test_drawn_inputs_are_of_the_shape_type_and_range_that_the_option_says(
    text: str, shape: tuple[int, ...], kind: str, low: float, high: float
) -> None:
    drawn = direct.draw(text, 0, 0)
    assert (drawn.shape, drawn.dtype) == (shape, np.dtype(kind))
    assert low <= drawn.min() <= drawn.max() <= high
    if drawn.dtype.kind in "iu" and drawn.size:
        assert (drawn.min(), drawn.max()) == (low, high)


def test_errors_are_in_deviations_and_integers_are_counted() -> None:
    a = [np.array([0.0, 2.0]), np.array([1, 2, 3, 4])]
    b = [np.array([0.0, 2.5]), np.array([1, 2, 3, 5])]
    assert direct.errors([a], [b]) == (0.5, 0.25)
    assert direct.errors([a], [a]) == (0.0, 0.0)


def test_nan_on_one_side_and_another_size_are_wholly_off() -> None:
    a = [np.array([0.0, 2.0])]
    assert direct.errors([a], [[np.array([0.0, np.nan])]])[0] == np.inf
    assert direct.errors([a], [[np.array([0.0])]])[0] == np.inf


def test_a_line_that_was_cut_short_is_tried_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text('{"name": "a", "code": 5}\n{"name": "a", "code": 0}\n{"name": "b", "co')
    assert zoo.read(results) == {"a": {"name": "a", "code": 0}}
    assert zoo.read(tmp_path / "none") == {}


def test_there_are_eighty_architectures_with_a_name_each_and_ten_packages_of_files() -> None:
    groups = (
        plain.PLAIN,
        published.TIMM,
        published.TORCHVISION,
        published.ULTRALYTICS,
        transformer_nets.TRANSFORMERS,
    )
    names = [entry.name for group in groups for entry in group]
    names += [file.name for file in files.FILES]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(names) - len(files.FILES) >= 80
    assert {file.package for file in files.FILES} == set(files.VERSIONS)
    assert len(files.VERSIONS) >= 10


def test_the_page_has_a_row_for_each_model_and_no_path_of_this_machine() -> None:
    tried = {
        "name": "net",
        "package": "torch",
        "model": "benchmarks.zoo_nets.modules:net",
        "callable": "net",
        "file": None,
        "remark": "",
        "code": 5,
        "wall_s": 2.0,
        "cpu_s": 1.0,
        "error": "benchmarks.zoo_nets.modules:net: Resize|cubic in /tmp/a/b.onnx differs, "
        "see https://a.b/c; the first operator that differs is Resize 'up'",
        "result": "refused",
        "alone": {"verdict": "differs", "error": 0.5, "share": 0.0},
    }
    page = table.page([tried])
    assert "| net | torch.nn | 5 | Resize | Resize\\|cubic in b.onnx differs" in page
    assert "see https://a.b/c" in page
    assert "| torch.nn | 1 | 0 | 1 | 0 | 0 | 0 of 0 |" in page


@pytest.mark.parametrize(
    ("error", "reason", "named"),
    [
        ("off; the first operator that differs is Resize '/up': 1, not 2", "", "Resize"),
        ("Exporting the operator 'aten::col2im' to ONNX is not supported", "", "col2im"),
        ("no file: These Op Not Support: ONNX::Foo | ONNX::Bar; failed", "", "Foo, Bar"),
        ("it crashed", "These Op Not Support: ONNX::ZipMap; Converted Failed!", "ZipMap"),
        ("it crashed", "", ""),
    ],
)
def test_the_operator_of_a_refusal_is_shown(error: str, reason: str, named: str) -> None:
    tried = {
        **record("refused", "can't"),
        "name": "n",
        "package": "p",
        "callable": "n",
        "code": 6,
        "error": error,
        "wall_s": 1.0,
        "cpu_s": 1.0,
        "remark": "",
    }
    tried["alone"] |= {"reason": reason, "step": "convert"}
    assert f"| n | p | 6 | {named} |" in table.page([tried])


def test_pages_of_letters_are_three_samples_with_ink_on_paper(tmp_path: Path) -> None:
    files.draw_pages((80, 120), "x", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        pages = arrays["x"]
    assert pages.shape == (3, 1, 3, 80, 120)
    assert -1 <= pages.min() < -0.5 < 0.5 < pages.max() <= 1
    assert not np.array_equal(pages[0], pages[1])
