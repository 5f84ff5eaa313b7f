"""``asymm-deploy check`` from start to end: real exports, a runner that is told its speeds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.accept_change import accept_growth
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.export import manifest

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
tiny (float[1,3,8,8] x) => (float[1,{c},8,8] y)
{{
  y = Conv<pads=[1,1,1,1]>(x, weight)
}}
"""

RUNNER = """\
#!{python} -IS
import hashlib, json, os, sys, time
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
cores = arguments["--cpu"]
cores = [] if cores == "none" else [int(core) for core in cores.split(",")]
runs = int(arguments["--runs"])
path = arguments["--model"]
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/started", "a") as file:
    file.write(path + "\\n")
started = open(here + "/started").read().splitlines()
count = len(started) - 1
ns = 1_000_000
samples = None
{body}
samples = samples or [int(ns) + count + step for step in range(runs)]
with open(path, "rb") as file:
    sha256 = hashlib.sha256(file.read()).hexdigest()
for message in (
    dict(type="hello", protocol=1, runner="fake", runner_version="0", engine="mnn",
         engine_version="0", abi="none", pid=os.getpid()),
    dict(type="model", sha256=sha256, input_shape=[1], init_ns=5, memory_mb=1.5,
         precision=arguments["--precision"], threads=int(arguments["--threads"])),
    dict(type="cpu", asked=cores, before=(cores or [None])[0], after=(cores or [None])[0]),
    dict(type="calibration", before_mac_per_s=4e10, after_mac_per_s=4e10),
    dict(type="samples", ns=samples, wall_ns=sum(samples), cpu_ns=sum(samples),
         waited_ns=0, steal_ns=0),
    dict(type="output", sha256="a" * 64),
    dict(type="done", count=runs),
):
    os.write(1, json.dumps(message).encode() + b"\\n")
"""
SLOW = "ns *= 1.1 if '/new/' in path else 1"


def exported(folder: Path, name: str, channels: int) -> None:
    source = folder.parent / f"of-{folder.name}" / f"{name}.onnx"
    source.parent.mkdir(exist_ok=True)
    model = onnx.parser.parse_model(GRAPH.format(c=channels))
    weight = np.random.default_rng(1).normal(size=(channels, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    onnx.save(model, source)
    assert cli.run(["export", str(source), "--out", str(folder), "--jobs", "1"]) == 0


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with old/tiny and new/tiny, which has one channel more; and new/added."""
    folder = tmp_path_factory.mktemp("versions")
    exported(folder / "old", "tiny", 16)
    exported(folder / "new", "tiny", 17)
    exported(folder / "more", "tiny", 17)
    exported(folder / "more", "added", 17)
    return folder


@pytest.fixture
def runner(tmp_path: Path) -> Callable[[str], Path]:
    def write(body: str) -> Path:
        path = tmp_path / "runner"
        path.write_text(RUNNER.format(python=sys.executable, body=textwrap.dedent(body)))
        path.chmod(0o755)
        (tmp_path / "started").unlink(missing_ok=True)
        return path

    return write


@pytest.fixture
def check(made: Path, tmp_path: Path) -> Callable[..., int]:
    """Run the command on old and new, unless told otherwise; return its exit code."""

    def run(*arguments: object, a: object = made / "old", b: object = made / "new") -> int:
        folders = ["--baseline", str(a), "--candidate", str(b), "--out", str(tmp_path / "out")]
        return cli.run(["check", *folders, *map(str, arguments)])

    return run


SIZES = ("--size-threshold", "50%", "--madds-threshold", "50%", "--params-threshold", "50%")
FAKED = ("--design", "blocks", "--runs", "3", "--warmup", "0", "--allow", "output-mismatch", *SIZES)


def test_a_slower_model_exits_1_and_every_output_says_so(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {name: tmp_path / f"verdict.{name}" for name in ("json", "junit", "markdown")}
    outputs = [text for name, path in files.items() for text in (f"--{name}", path)]
    pictures = tmp_path / "drawn here"
    assert check("--runner", runner(SLOW), *FAKED, *outputs, "--pictures", pictures) == 1
    printed = capsys.readouterr()
    assert "+10.0 %" in printed.out
    assert "regressed" in printed.out
    assert "to be confirmed by fresh ones" in printed.err
    assert "to be confirmed" not in printed.out
    assert json.loads(files["json"].read_text())["verdict"] == "regressed"
    assert (tmp_path / "out" / "check.json").read_bytes() == files["json"].read_bytes()
    assert "regressed" in files["markdown"].read_text()
    assert "<failure" in files["junit"].read_text()
    names = {"versions.svg", "versions.png", "verdicts.svg", "verdicts.png"}
    assert {each.name for each in pictures.iterdir()} == names
    shown = files["markdown"].read_text()
    assert "![Before and now. Regressed: tiny." in shown
    assert "](drawn%20here/versions.png)" in shown
    drawn = (pictures / "versions.svg").read_text()
    assert drawn.count('<path transform="translate(') >= 8, "a mark for each launch"


def test_the_same_speed_exits_0(check: Callable[..., int], runner: Callable[[str], Path]) -> None:
    assert check("--runner", runner(""), *FAKED) == 0


def test_a_larger_file_regresses_without_being_slower(
    check: Callable[..., int], runner: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("--runner", runner(""), *FAKED, "--params-threshold", "1%") == 1
    printed = capsys.readouterr().out
    assert "tiny, params" in printed
    assert "regressed" in printed


def test_what_stays_undecided_exits_4_or_0_as_asked(
    check: Callable[..., int], runner: Callable[[str], Path]
) -> None:
    # By block from 7 % faster to 7 % slower, and the same on average.
    noisy = runner("ns *= 1 + 0.02 * (count // 4 * 5 % 8 - 3.5) * ('/new/' in path)")
    arguments = ("--runner", noisy, *FAKED, "--max-blocks", "8")
    assert check(*arguments) == 4
    assert check(*arguments, "--inconclusive", "pass") == 0


def test_a_disturbed_machine_exits_4_whatever_is_asked(
    check: Callable[..., int], runner: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    two = runner("ns *= 1.2 if sum(s == path for s in started) % 4 < 2 else 1")
    assert check("--runner", two, *FAKED, "--inconclusive", "pass") == 4
    assert "unstable" in capsys.readouterr().out


def test_a_wrong_output_exits_5(
    check: Callable[..., int], runner: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("--runner", runner(""), "--runs", "3") == 5
    assert "output-mismatch" in capsys.readouterr().out


def test_a_runner_that_breaks_exits_3(
    check: Callable[..., int], runner: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("--runner", runner("sys.exit('no memory')"), *FAKED) == 3
    assert "no memory" in " ".join(capsys.readouterr().out.split())  # the column wraps it


HONEST = """
import random
samples = [random.Random(f"{count} {n}").randint(450_000, 550_000) for n in range(runs)]
"""
AGAIN = """
import random
kept = [random.Random(n).randint(450_000, 550_000) for n in range(runs)]
"""


@pytest.mark.parametrize(
    ("body", "runs", "said"),
    [
        ("samples = [ns] * runs", 3, "all its runs took equally long"),
        ("samples = [ns] * runs", 1, "all its runs took equally long"),
        ("samples = [ns, ns + 7, ns - 5]", 3, "have the same 3 samples"),
        ("samples = [ns // 2 + n % 2 for n in range(runs)]", 20, "have the same 20 samples"),
        (AGAIN + "samples = kept", 20, "have the same 20 samples"),
        (AGAIN + "random.Random(count).shuffle(kept); samples = kept", 3, "in another order"),
        (AGAIN + "random.Random(count).shuffle(kept); samples = kept", 20, "in another order"),
        (AGAIN + "samples = [ns + 10 * count for ns in kept]", 20, "but for a factor"),
        (AGAIN + "samples = [int(ns * (1 + 0.001 * count)) for ns in kept]", 20, "for a factor"),
        (AGAIN + "kept[count % 9] += 999 * (count + 1); samples = kept", 20, "share 18 of 20"),
        (HONEST + AGAIN + "samples = kept if '/new/' in path else samples", 20, "The candidate "),
        (HONEST + AGAIN + "samples = kept if count > 20 else samples", 20, "have the same 20"),
        (
            HONEST + "samples = [int(ns * (1 + 0.2 * ('/new/' in path))) for ns in samples]\n"
            "if count > 40: samples = [random.Random(n).randint(900, 1100) for n in range(runs)]",
            20,
            "have the same 20",
        ),
    ],
)
def test_a_runner_that_repeats_itself_comes_to_no_verdict(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    body: str,
    runs: int,
    said: str,
) -> None:
    assert check("--runner", runner(body), *FAKED, "--runs", runs, "--inconclusive", "pass") == 3
    printed = " ".join(capsys.readouterr().out.split())
    for words in (said, "failed: ", "the runner does not measure", "--fresh"):
        assert words in printed


def test_repeats_that_an_earlier_check_kept_are_refused_too_and_fresh_starts_anew(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = HONEST + "if count > 8 and not os.path.exists(here + '/found'): sys.exit('lost')"
    arguments = ("--runner", runner(body), *FAKED, "--runs", "20", "--inconclusive", "pass")
    assert check(*arguments) == 3
    kept = tmp_path / "out" / store.NAME
    records = [msgspec.json.decode(x, type=LaunchRecord) for x in kept.read_bytes().splitlines()]
    records[6] = msgspec.structs.replace(
        records[6], samples_ns=records[1].samples_ns, wall_ns=None, process_ns=None
    )
    kept.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    capsys.readouterr()
    (tmp_path / "found").touch()
    assert check(*arguments) == 3
    assert (tmp_path / "started").read_text().count("\n") == 10
    assert "lines 2 and 7 of runs.jsonl" in " ".join(capsys.readouterr().out.split())
    assert check(*arguments, "--allow", "repeated-samples") == 0
    assert check(*arguments, "--fresh") == 0


def test_the_real_runner_times_a_model_against_itself(
    check: Callable[..., int], made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = [x for flag in ("bimodal", "stolen-time") for x in ("--allow", flag)]
    generous = ("--threshold", "1000%", "--init-threshold", "1000%", "--max-blocks", "8")
    code = check("--same-file", "--runs", "5", *noise, *generous, b=made / "old")
    printed = capsys.readouterr()
    assert code in {0, 4}, printed  # 4 where the machine itself has two speeds meanwhile
    assert "same file" not in printed.out
    assert "runner python" in printed.out


def test_the_same_file_is_said_in_every_output_and_nothing_is_timed(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    names = ("json", "junit", "markdown", "benchmark-json")
    files = {name: tmp_path / f"verdict.{name}" for name in names}
    outputs = [text for name, path in files.items() for text in (f"--{name}", path)]
    copied = tmp_path / "copied"
    shutil.copytree(made / "old", copied)
    assert check("--runner", runner(""), *FAKED, *outputs, b=copied) == 0
    assert not (tmp_path / "started").exists()
    assert not (tmp_path / "out").exists()
    printed = capsys.readouterr()
    for text in (printed.out, *(files[name].read_text() for name in names[:3])):
        assert "The same file in both" in text
    assert "::notice title=tiny%3A same::" in printed.err
    assert printed.out.startswith("same (3 pass, 1 same)")
    document = json.loads(files["json"].read_text())
    latency = next(c for c in document["changes"] if c["metric"] == "latency")
    assert (latency["verdict"], latency["baseline"], latency["candidate"]) == ("same", None, None)
    assert "<skipped" in files["junit"].read_text()
    assert "latency" not in files["benchmark-json"].read_text()


def test_a_file_that_is_not_what_its_manifest_says_is_no_same_file(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(made / "old", edited)
    shutil.copyfile(made / "new" / "tiny" / manifest.MNN, edited / "tiny" / manifest.MNN)
    assert check("--runner", runner(""), *FAKED, b=edited) == 3
    assert "The candidate failed" in capsys.readouterr().out


def test_of_several_models_only_those_with_another_file_are_timed(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = tmp_path / "both"
    shutil.copytree(made / "more", both)
    shutil.copytree(made / "old" / "tiny", both / "tiny", dirs_exist_ok=True)
    assert check("--runner", runner(SLOW), *FAKED, a=both, b=made / "more") == 0
    started = (tmp_path / "started").read_text()
    assert "tiny" in started
    assert "added" not in started
    assert "The same file in both, so not timed: added." in capsys.readouterr().out


def test_two_folders_of_one_model_each_are_a_pair(
    check: Callable[..., int], runner: Callable[[str], Path], made: Path
) -> None:
    one, other = made / "old" / "tiny", made / "more" / "added"
    assert check("--runner", runner(""), *FAKED, a=one, b=other) == 0


def test_a_model_in_one_folder_only_is_reported(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    made: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--runner", runner(""), *FAKED)
    assert check(*arguments, b=made / "more") == 2
    printed = capsys.readouterr()
    assert (printed.out, "added only in" in printed.err) == ("", True)
    assert "--ignore-missing" in printed.err
    assert check(*arguments, "--ignore-missing", b=made / "more") == 0
    assert "Ignored: added only in" in capsys.readouterr().out
    assert check(*arguments, "--models", "ti*", b=made / "more") == 0


def test_a_baseline_is_compared_and_what_it_accepts_is_no_alarm(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = tmp_path / "baseline"
    save_baseline(made / "old", saved)
    arguments = ("--runner", runner(SLOW), *FAKED)
    assert check(*arguments, a=saved) == 1
    accept_growth(saved, "tiny", "latency", 15.0, reason="a better head", by="A. Person")
    capsys.readouterr()
    assert check(*arguments, a=saved) == 0
    assert "a better head" in capsys.readouterr().out
    assert check(*arguments, a=saved / "tiny", b=made / "new" / "tiny") == 0  # a part of it, too
    assert "a better head" in capsys.readouterr().out
    (saved / "tiny" / manifest.REFERENCE).write_bytes(b"edited")
    assert check(*arguments, a=saved / "tiny", b=made / "new" / "tiny") == 2


def test_launches_are_never_added_to_what_is_compared(
    check: Callable[..., int],
    runner: Callable[[str], Path],
    results: Callable[..., Path],
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = tmp_path / "baseline"
    save_baseline(made / "old", saved)
    benched = results("benched", 0.0)
    after_a_check = results("after-a-check", 0.0)
    (after_a_check / "blocks.jsonl").touch()
    for out, said in (
        (saved, "must stay"),
        (made / "new", "must stay"),
        (made / "new" / "tiny", "must stay"),
        (benched, "of a bench"),
        (after_a_check, "of a bench"),
    ):
        before = sorted(out.rglob("*"))
        assert check("--runner", runner(""), *FAKED, "--out", out, a=saved) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert "give another folder" in printed
        assert sorted(out.rglob("*")) == before


def test_a_check_that_was_lost_in_its_first_block_goes_on(
    check: Callable[..., int], runner: Callable[[str], Path], tmp_path: Path
) -> None:
    assert check("--runner", runner("if count > 1: sys.exit('lost')"), *FAKED) == 3
    assert (tmp_path / "out" / store.NAME).exists()
    (tmp_path / "out" / "blocks.jsonl").unlink(missing_ok=True)
    assert check("--runner", runner(""), *FAKED) == 0


def test_launches_may_go_into_a_folder_above_or_beneath(
    check: Callable[..., int], runner: Callable[[str], Path], made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "old", tmp_path / "old")
    for out in (tmp_path, tmp_path / "old" / "check-results"):
        assert check("--runner", runner(""), *FAKED, "--out", out, a=tmp_path / "old") == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no"),
        (lambda path: path.mkdir(), "is empty"),
        (lambda path: path.write_text("?"), "no exported models and no results"),
        (lambda path: (path / "other").mkdir(parents=True), "no exported models and no results"),
    ],
)
def test_a_folder_with_nothing_to_compare_exits_2(
    check: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], object],
    said: str,
) -> None:
    make(tmp_path / "b")
    assert check(b=tmp_path / "b") == 2
    printed = capsys.readouterr()
    assert f"error: --candidate: {'there is no' if said == 'there is no' else ''}" in printed.err
    assert said in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 99}', "schema_version 99"),
        ('{"schema_version": 1}', "holds an incomplete export"),
        ("?", "holds an incomplete export"),
    ],
)
def test_a_newer_or_damaged_export_exits_2(
    check: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    said: str,
) -> None:
    folder = tmp_path / "b" / "tiny"
    folder.mkdir(parents=True)
    (folder / manifest.MANIFEST_NAME).write_text(text)
    assert check(b=tmp_path / "b") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("threshold", ["0%", "-3%", "nan%", "fast", "0.03"])
def test_a_threshold_that_is_none_exits_2(
    check: Callable[..., int], capsys: pytest.CaptureFixture[str], threshold: str
) -> None:
    assert check("--threshold", threshold) == 2
    assert "--threshold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-blocks", "3"), "--max-blocks 3"),
        (("--seed", "-1"), "--seed -1"),
        (("--runs", "0"), "--runs 0"),
        (("--allow", "slow"), "no flag"),
        (("--models", "huge"), "--models huge matches no model"),
        (("--sentinel", "tiny"), "recorded results"),
        (("--runner", "/nowhere"), "not an executable program"),
        (("--cpu", "first"), "not the number of a core"),
    ],
)
def test_an_option_that_makes_no_sense_exits_2(
    check: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert check(*arguments) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert "hint: " in printed.err


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    def write(name: str, slower: float) -> Path:
        path = tmp_path / name
        path.mkdir()
        records = [
            msgspec.structs.replace(
                good,
                launch=i,
                launches_planned=10,
                runs=1,
                samples_ns=(int(1e7 * (1 + slower) + 1e4 * i),),
                started_at=f"2026-01-01T00:0{i}:00+00:00",
                artifact_sha256=name * 64,
            )
            for i in range(10)
        ]
        lines = [msgspec.json.encode(record) + b"\n" for record in records]
        (path / store.NAME).write_bytes(b"".join(lines))
        return path

    return write


def test_recorded_results_are_compared_and_called_weaker(
    check: Callable[..., int],
    results: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = results("a", 0.0), results("b", 0.05)
    assert check(a=old, b=new) == 1
    assert "the weaker comparison" in capsys.readouterr().out
    assert check(a=old / store.NAME, b=new / store.NAME) == 1


def test_pictures_that_can_not_be_drawn_are_refused_before_anything_is_timed(
    check: Callable[..., int],
    results: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check("--pictures", results("a", 0.0) / store.NAME) == 2
    assert "give another folder with --pictures" in capsys.readouterr().err
    assert cli.run(["check", "--history", str(tmp_path), "--pictures", str(tmp_path / "p")]) == 2
    assert "--history has many" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_launches_that_are_compared_with_themselves_are_refused(
    check: Callable[..., int], results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    old = results("a", 0.0)
    shutil.copytree(old, old.parent / "copy")
    for other in (old, old / store.NAME, old.parent / "copy"):
        for asked in ([], ["--same-file"]):
            assert check(*asked, a=old, b=other) == 2
            printed = capsys.readouterr()
            assert "a launch can't be of both" in printed.err
            assert printed.out == ""


def test_recorded_results_of_one_file_are_refused_unless_that_is_meant(
    check: Callable[..., int],
    results: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, again = results("a", 0.0), results("b", 0.00005)
    path = again / store.NAME
    path.write_bytes(path.read_bytes().replace(b"b" * 64, b"a" * 64))
    path.write_bytes(
        path.read_bytes().replace(b'output_sha256":"' + b"a" * 64, b'output_sha256":"0')
    )
    assert check(a=old, b=again) == 2
    assert "net is the same file in the baseline and in the candidate" in capsys.readouterr().err
    assert check("--same-file", a=old, b=again) == 0


@pytest.mark.parametrize("option", ["--runs", "--max-blocks", "--cpu", "--seed", "--warmup"])
def test_recorded_results_can_not_be_timed_otherwise(
    check: Callable[..., int],
    results: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    assert check(option, "9", a=results("a", 0.0), b=results("b", 0.0)) == 2
    assert f"{option} is for live comparisons" in capsys.readouterr().err


def test_results_and_exports_do_not_compare(
    check: Callable[..., int], results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(a=results("a", 0.0)) == 2
    assert "has only results" in capsys.readouterr().err


def test_ctrl_c_keeps_finished_blocks_and_the_same_command_goes_on(
    made: Path, runner: Callable[[str], Path], tmp_path: Path
) -> None:
    slow_after = runner("time.sleep(600 if count == 9 else 0)")
    command = [sys.executable, "-m", "asymm_deploy", "check", "--out", str(tmp_path / "out")]
    command += ["--baseline", str(made / "old"), "--candidate", str(made / "new")]
    command += ["--runner", str(slow_after), *FAKED]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started, deadline = tmp_path / "started", time.monotonic() + 60
    while not (started.exists() and started.read_text().count("\n") == 10):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "everything that was finished is kept" in err
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 launches were measured before and are kept" in done.stderr
    assert started.read_text().count("\n") == 10 + 32 - 8
