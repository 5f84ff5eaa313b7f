"""What the tests of the networks share."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib import resources

import pytest
import torch
from torch import nn

PAPER = resources.files("asymm_deploy.report") / "paper"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Keep torch's threads from waiting for one another, busily, where tests run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module], None]:
    """Give every weight and statistic a value that shows if it is mixed up or left out."""

    def fill(module: nn.Module) -> None:
        generator = torch.Generator().manual_seed(20210614)
        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                if name.endswith("num_batches_tracked"):
                    continue
                if "running_var" in name:
                    tensor.uniform_(0.5, 2.0, generator=generator)
                else:
                    tensor.normal_(0.0, 0.5, generator=generator)
        module.double().eval()

    return fill


@pytest.fixture(scope="session")
def paper_table() -> Callable[[int], list[dict[str, str]]]:
    """Read a table of the paper; tests/report/test_paper.py holds those against the paper."""

    def read(number: int) -> list[dict[str, str]]:
        with (PAPER / f"table{number}.csv").open("r", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read
