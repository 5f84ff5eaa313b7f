"""asymm-deploy cost, whole: rows that are exact, kept as they are made, and refusals in words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.emulated import counted_launch
from asymm_deploy.bench.emulated.counts import COST_COLUMNS, COSTS_NAME
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.errors import HarnessError

SMALL = ["asymmnet_small_035", "mbv3_small_035"]
SHAPE = "--input-shape=1,3,32,32"


@pytest.fixture(scope="module")
def counted(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, str]]]:
    """A folder in which two small networks were counted, and the rows of its cost.csv."""
    del emulator
    folder = tmp_path_factory.mktemp("counted")
    arguments = [*SMALL, SHAPE, f"--artifacts={folder / 'artifacts'}", f"--out={folder / 'out'}"]
    assert cli.run(["cost", *arguments]) == 0
    return folder, rows_of(folder / "out" / "cost.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def again(folder: Path, *more: str, out: str = "out", models: list[str] = SMALL) -> int:
    places = [f"--artifacts={folder / 'artifacts'}", f"--out={folder / out}"]
    return cli.run(["cost", *models, SHAPE, *places, *more])


def test_a_row_has_the_columns_of_the_contract_and_adds_up(
    counted: tuple[Path, list[dict[str, str]]],
) -> None:
    _, rows = counted
    assert [row["model"] for row in rows] == SMALL
    for row in rows:
        assert tuple(row) == COST_COLUMNS
        classes = ("fma_m", "vector_m", "load_m", "store_m", "branch_m", "integer_m")
        assert sum(float(row[name]) for name in classes) == pytest.approx(float(row["insn_m"]))
        assert float(row["l1_miss_m"]) >= float(row["l2_miss_m"]) >= float(row["l3_miss_m"]) > 0
        assert row["valid"] == "true"
        low, ms, high = (float(row[f"predicted_{x}ms"]) for x in ("low_", "", "high_"))
        assert low < ms < high


def test_counted_again_every_byte_is_the_same(
    counted: tuple[Path, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = counted
    monkeypatch.setenv("SOME_OTHER", "environment" * 500)
    assert again(folder, "--jobs=1", out="a-folder-with-a-much-longer-name/below") == 0
    other = folder / "a-folder-with-a-much-longer-name" / "below" / "cost.csv"
    assert other.read_bytes() == (folder / "out" / "cost.csv").read_bytes()


def test_what_was_counted_is_not_counted_again_unless_it_is_asked_for(
    counted: tuple[Path, list[dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, rows = counted

    def never(*_: object) -> None:
        raise HarnessError("it was counted", "it was asked for")

    monkeypatch.setattr(counted_launch, "count_model", never)
    assert again(folder, "--format=csv") == 0
    assert list(csv.DictReader(capsys.readouterr().out.splitlines())) == rows
    assert again(folder, "--fresh") == 3
    assert "it was counted" in capsys.readouterr().err


def test_predictions_are_explained_where_there_are_any(
    counted: tuple[Path, list[dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = counted
    assert again(folder, models=SMALL[:1]) == 0
    assert "predicted_ms is a prediction" in capsys.readouterr().err
    assert again(folder, "--precision=fp16", models=SMALL[:1], out="half") == 0
    assert "predicted_ms is a prediction" not in capsys.readouterr().err


def test_operators_are_named_with_their_modules(
    counted: tuple[Path, list[dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rows = counted
    assert again(folder, "--by-operator", "--format=json", models=SMALL[:1]) == 0
    found = json.loads(capsys.readouterr().out)
    stem = next(each for each in found if each["module"] == "stem.conv")
    assert stem["model"] == SMALL[0]
    total = sum(float(each["insn_m"]) for each in found)
    # The marks are a few instructions, which weigh something in operators as small as these.
    assert 0.95 < total / float(rows[0]["insn_m"]) < 1.05


def test_ctrl_c_keeps_what_was_counted(
    counted: tuple[Path, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = counted
    real = counted_launch.count_model

    def second_interrupts(emulator: object, artifact: object, *more: object) -> object:
        if artifact.model == SMALL[1]:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return real(emulator, artifact, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(counted_launch, "count_model", second_interrupts)
    assert again(folder, "--jobs=1", out="stopped") == 130
    assert rows_of(folder / "stopped" / "cost.csv") == rows[:1]
    monkeypatch.setattr(counted_launch, "count_model", real)
    assert again(folder, out="stopped") == 0
    assert rows_of(folder / "stopped" / "cost.csv") == rows


def test_a_torn_line_is_put_aside(
    counted: tuple[Path, list[dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rows = counted
    with (folder / "out" / COSTS_NAME).open("ab") as file:
        file.write(b'{"schema_version":1,"model":"asy')
    assert again(folder) == 0
    assert "ended in the middle of a line" in capsys.readouterr().err
    assert rows_of(folder / "out" / "cost.csv") == rows


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ((*SMALL[:1], "--cpu=cortex-a7777"), 2, "cortex-a7777"),
        ((*SMALL[:1], "--calibration=nobody"), 2, "nobody"),
        ((*SMALL[:1], "--jobs=0"), 2, "--jobs"),
        ((*SMALL[:1], "--calibrate=results"), 2, "--calibrate"),
        (("--calibrate=results", "--by-operator"), 2, "--by-operator is not for --calibrate"),
        (("--calibrate=results", SHAPE), 2, "--input-shape is not for --calibrate"),
        (("--calibrate=results", "--inputs=x.npz"), 2, "--inputs is not for --calibrate"),
        ((*SMALL[:1], "--calibration="), 2, "a calibration can't be called ''"),
        (("no_such_network",), 2, "no_such_network"),
        ((), 2, "no model"),
        (("missing.mnn",), 2, "missing.mnn"),
        (("a/net.mnn", "b/net.mnn"), 2, "two of the models are called net"),
        ((*SMALL[:1], f"{SMALL[0]}.mnn"), 2, f"two of the models are called {SMALL[0]}"),
    ],
)
def test_a_bad_request_is_refused_in_words(
    emulator: Emulator,
    arguments: tuple[str, ...],
    code: int,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del emulator
    monkeypatch.chdir(tmp_path)
    assert cli.run(["cost", *arguments]) == code
    said = capsys.readouterr().err
    assert named in said
    assert "hint: " in said


def test_without_an_emulator_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cli.run(["cost", SMALL[0]]) == 3
    assert "hint: asymm-deploy emulator setup" in capsys.readouterr().err
