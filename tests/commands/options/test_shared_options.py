"""What options that several commands share mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.commands.options import shared_options
from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import Figure


def test_a_core_is_a_number_or_auto() -> None:
    assert shared_options.core("auto") is None
    assert shared_options.core("0") == 0
    assert shared_options.core("17") == 17


@pytest.mark.parametrize("text", ["", "first", "-1", "1.0", "\N{SUPERSCRIPT TWO}", "0x1", " 1"])
def test_anything_else_is_no_core(text: str) -> None:
    with pytest.raises(UsageError, match="not the number of a core"):
        shared_options.core(text)


def test_a_table_or_a_figure_and_not_both() -> None:
    assert shared_options.table_or_figure(None, None) is None
    assert shared_options.table_or_figure(5, None) == 5
    assert shared_options.table_or_figure(None, 1) == Figure(1)
    with pytest.raises(UsageError, match="both given"):
        shared_options.table_or_figure(5, 1)


@pytest.mark.parametrize("start", ["asymmnet_small_0", "mbv3_large_1", "zzz"])
def test_networks_are_completed_by_how_they_begin(start: str) -> None:
    found = shared_options.complete_model(start)
    assert found == sorted(set(found))
    assert all(name.startswith(start) for name in found)
    assert bool(found) == (start != "zzz")


def test_data_ends_with_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    shared_options.print_data("a")
    shared_options.print_data("b\n")
    assert capsys.readouterr().out == "a\nb\n"


@pytest.mark.parametrize("option", ["--out", "--artifacts"])
def test_the_folder_of_exports_has_two_names(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.run(["export", "asymmnet_small_035", option, str(tmp_path / "file")]) == 2
    assert f"can't write artifacts to {tmp_path / 'file'}" in capsys.readouterr().err


def test_no_line_on_stdout_is_a_command_to_githubs_runner(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shared_options.print_data("::error::a\n  ::error::b\nstd::vector ##[error]c")
    shared_options.print_data('["##[error]"]')
    printed = capsys.readouterr().out
    assert printed == ': :error::a\n  : :error::b\nstd::vector ## [error]c\n["#\\u0023[error]"]\n'
