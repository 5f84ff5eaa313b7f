"""The paper's figures come as printed: sums and cells here were typed from the paper itself.

The tables stand once in the package, so nothing else would notice a slip of the finger there. For
each column of figures the paper's page gives three numbers: the sum, the sum of each figure times
its row's number, and how many characters are printed. Names and shapes are typed out. Together
they notice whatever happens to any one cell, which is a test of its own below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from asymm_deploy.models import names
from asymm_deploy.report.paper import printed_table

_PRINTED = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")


@dataclass(frozen=True)
class Figures:
    """A column of figures; a cell that the paper leaves empty adds nothing."""

    total: str
    by_row: str
    """Each figure times its row's number, from 1."""
    characters: int

    def fit(self, cells: Sequence[str]) -> bool:
        printed = [(row, cell) for row, cell in enumerate(cells, start=1) if cell]
        return (
            all(_PRINTED.fullmatch(cell) for _, cell in printed)
            and sum(Decimal(cell) for _, cell in printed) == Decimal(self.total)
            and sum(row * Decimal(cell) for row, cell in printed) == Decimal(self.by_row)
            and sum(map(len, cells)) == self.characters
        )


@dataclass(frozen=True)
class Texts:
    """A column of names, shapes, or figures that only say which row it is."""

    cells: tuple[str, ...]

    def fit(self, cells: Sequence[str]) -> bool:
        return tuple(cells) == self.cells


Column = Figures | Texts


def texts(typed: str) -> Texts:
    return Texts(tuple(typed.split()))


def numbered(rows: int) -> Texts:
    return Texts(tuple(map(str, range(1, rows + 1))))


# The paper prints a shape once for all rows that share it.
LARGE_INPUTS = (
    "224x224x3 112x112x16 112x112x16 56x56x24 56x56x24 28x28x40 28x28x40 28x28x40 14x14x80 "
    "14x14x80 14x14x80 14x14x80 14x14x112 14x14x112 7x7x160 7x7x160 7x7x160 7x7x960 1x1x960 "
    "1x1x1280"
)
SMALL_INPUTS = (
    "224x224x3 112x112x16 56x56x16 28x28x24 28x28x24 14x14x40 14x14x40 14x14x40 14x14x48 "
    "14x14x48 7x7x96 7x7x96 7x7x96 7x7x576 1x1x576 1x1x1024"
)
TAIL = "conv2d avgpool conv2d conv2d"

PAPER: dict[int, dict[str, Column]] = {
    1: {
        "network": texts("MobileNetV1 MobileNetV2 MobileNetV3"),
        "depthwise_percent": Figures("18.2", "42.2", 9),
        "pointwise_percent": Figures("267.9", "529.3", 10),
        "vanilla_percent": Figures("13.9", "28.5", 9),
    },
    3: {
        "row": numbered(20),
        "input": texts(LARGE_INPUTS),
        "operator": texts(f"conv2d {'asymm-bneck ' * 15} {TAIL}"),
        "kernel": Figures("70", "716", 20),
        "expanded": Figures("5016", "63680", 41),
        "out": Figures("4464", "74616", 48),
        "stride": Figures("25", "241", 20),
    },
    4: {
        "row": numbered(16),
        "input": texts(SMALL_INPUTS),
        "operator": texts(f"conv2d {'asymm-bneck ' * 11} {TAIL}"),
        "kernel": Figures("62", "512", 16),
        "expanded": Figures("2456", "22584", 29),
        "out": Figures("3184", "43768", 35),
        "stride": Figures("21", "157", 16),
    },
    5: {
        "multiplier": texts(" ".join(f"{m} " * 6 for m in ("0.35", "0.5", "0.75", "1.0", "1.25"))),
        "scale": texts("Large Large Large Small Small Small " * 5),
        "network": texts("AsymmNet Pruned MBV3 " * 10),
        "top1_percent": Figures("2014.1", "32366.3", 112),
        "madds_m": Figures("3036.8", "61196.4", 103),
        "params_m": Figures("102.39", "1879.61", 87),
        "latency_ms": Figures("367.37", "7099.38", 102),
    },
    6: {
        "scale": texts("Large Large Large Small Small Small"),
        "asymmetry_rate": texts("0 1 2 0 1 2"),
        "top1_percent": Figures("429.2", "1470.0", 24),
        "madds_m": Figures("823.9", "2169.4", 27),
        "params_m": Figures("27.2", "83.9", 18),
    },
    7: {
        "backbone": texts("AsymmNet-s MBV3-s AsymmNet-L MBV3-L MobileFaceNet"),
        "lfw_percent": Figures("492.9", "1484.0", 20),
        "calfw_percent": Figures("368.0", "927.7", 16),
        "cplfw_percent": Figures("330.2", "836.2", 16),
        "agedb30_percent": Figures("358.5", "909.6", 16),
        "vggface2_percent": Figures("345.1", "873.0", 16),
        "madds_m": Figures("324.3", "1425.3", 19),
        "params_m": Figures("3.7", "13.2", 15),
    },
    8: {
        "backbone": texts("AsymmNet-s MBV3-s AsymmNet-L MBV3-L ResNet50v1b"),
        "top1_percent": Figures("253.2", "780.2", 20),
        "madds_m": Figures("4630.5", "22112.6", 24),
        "params_m": Figures("28.7", "117.0", 16),
    },
    9: {
        "backbone": texts("AsymmNet-s MBV3-s AsymmNet-L MBV3-L"),
        "ap": Figures("235.9", "608.3", 16),
        "ap50": Figures("345.9", "874.1", 16),
        "ap75": Figures("260.8", "674.4", 16),
        "madds_m": Figures("1667.9", "4596.2", 20),
        "params_m": Figures("11.3", "32.6", 12),
    },
    10: {
        "backbone": texts("AsymmNet-s MBV3-s AsymmNet-L MBV3-L MobileNetV1"),
        "map_percent": Figures("367.40", "1121.86", 24),
        "madds_g": Figures("43.06", "133.63", 20),
        "params_m": Figures("53.68", "168.27", 23),
    },
}
ROWS = {1: 3, 3: 20, 4: 16, 5: 30, 6: 6, 7: 5, 8: 5, 9: 4, 10: 5}

# Table: (row from 1, column, as printed).
SPOTS: dict[int, tuple[tuple[int, str, str], ...]] = {
    1: (
        *((1, "depthwise_percent", "3.1"), (1, "pointwise_percent", "95")),
        *((1, "vanilla_percent", "1.9"), (2, "depthwise_percent", "6.2")),
        *((2, "pointwise_percent", "84.4"), (2, "vanilla_percent", "9.4")),
        *((3, "pointwise_percent", "88.5"), (3, "vanilla_percent", "2.6")),
    ),
    3: (
        *((1, "out", "16"), (1, "stride", "2"), (1, "expanded", ""), (3, "expanded", "64")),
        *((5, "kernel", "5"), (8, "expanded", "240"), (13, "expanded", "672"), (14, "out", "160")),
        *((18, "kernel", "7"), (18, "out", ""), (19, "out", "1280"), (20, "out", "1000")),
    ),
    4: (
        *((2, "stride", "2"), (3, "expanded", "72"), (4, "expanded", "88"), (5, "kernel", "5")),
        *((8, "out", "48"), (10, "expanded", "288"), (10, "stride", "2"), (12, "out", "96")),
        *((13, "out", "576"), (14, "expanded", ""), (15, "out", "1024"), (16, "out", "1000")),
    ),
    5: (
        *((1, "madds_m", "43"), (4, "top1_percent", "55"), (6, "latency_ms", "3")),
        *((8, "madds_m", "59"), (14, "madds_m", "125.3"), (18, "params_m", "2")),
        *((19, "madds_m", "216.9"), (19, "params_m", "5.99"), (19, "latency_ms", "27.1")),
        *((23, "params_m", "2.6"), (24, "latency_ms", "8.17"), (25, "madds_m", "349.8")),
        *((27, "top1_percent", "76.6"), (29, "madds_m", "83.1"), (30, "latency_ms", "11.7")),
    ),
    6: (
        *((1, "top1_percent", "75.2"), (1, "madds_m", "216.6"), (2, "top1_percent", "75.4")),
        *((3, "madds_m", "217.3"), (3, "params_m", "6.6"), (4, "madds_m", "56.9")),
        *((5, "params_m", "3.1"), (6, "top1_percent", "68.0"), (6, "madds_m", "58.5")),
    ),
    7: (
        *((1, "lfw_percent", "97.9"), (1, "madds_m", "10.3"), (2, "cplfw_percent", "78.7")),
        *((3, "vggface2_percent", "89.6"), (4, "calfw_percent", "94.0"), (4, "params_m", "1.0")),
        *((5, "lfw_percent", "99.6"), (5, "calfw_percent", ""), (5, "madds_m", "221")),
    ),
    8: (
        *((1, "top1_percent", "47.2"), (1, "madds_m", "56.5"), (2, "params_m", "1.7")),
        *((3, "madds_m", "215.7"), (4, "top1_percent", "51.3"), (4, "params_m", "4.2")),
        *((5, "top1_percent", "55.2"), (5, "madds_m", "4087.2"), (5, "params_m", "16.1")),
    ),
    9: (
        *((1, "ap", "54.4"), (1, "madds_m", "310.7"), (2, "ap50", "83.7"), (2, "params_m", "1.6")),
        *((3, "ap75", "70.9"), (3, "params_m", "4.3"), (4, "ap", "63.7"), (4, "madds_m", "523.6")),
    ),
    10: (
        *((1, "map_percent", "69.80"), (1, "params_m", "9.33"), (2, "map_percent", "68.98")),
        *((3, "madds_g", "8.58"), (3, "params_m", "11.97"), (4, "map_percent", "76.64")),
        *((5, "map_percent", "75.8"), (5, "madds_g", "9.92"), (5, "params_m", "11.83")),
    ),
}


@pytest.mark.parametrize("number", PAPER)
def test_each_table_has_the_papers_rows_and_columns(number: int) -> None:
    table = printed_table(number)

    assert (len(table), list(table.columns)) == (ROWS[number], list(PAPER[number]))


@pytest.mark.parametrize(
    ("number", "name"), [(number, name) for number, columns in PAPER.items() for name in columns]
)
def test_each_column_adds_up_to_the_papers(number: int, name: str) -> None:
    assert PAPER[number][name].fit(list(printed_table(number)[name]))


@pytest.mark.parametrize("number", SPOTS)
def test_spot_cells_are_the_papers(number: int) -> None:
    table = printed_table(number)

    assert len(SPOTS[number]) >= 8
    assert [(row, name, table[name][row - 1]) for row, name, _ in SPOTS[number]] == [*SPOTS[number]]


def slips(cells: list[str], row: int) -> Iterator[list[str]]:
    """Yield the column with what may happen to one cell as one types it, where that changes it."""
    cell = cells[row]
    last = str((int(cell[-1]) + 1) % 10) if cell[-1:].isdigit() else "x"
    typed = {"", f"{cell}0", f"0{cell}", f" {cell}", f"-{cell}", cell[:-1], cell[:-1] + last}
    typed |= {cell.replace(".", ","), cell.replace(".", ""), f"{cell}.0", cell.swapcase(), "nan"}
    typed |= {cell[:-2] + cell[-1:] + cell[-2:-1], *cells[row - 1 : row], *cells[row + 1 : row + 2]}
    yield from ([*cells[:row], other, *cells[row + 1 :]] for other in typed - {cell})
    if row and cells[row - 1] != cell:
        yield [*cells[: row - 1], cell, cells[row - 1], *cells[row + 1 :]]


@pytest.mark.parametrize("number", PAPER)
def test_no_slip_in_any_cell_goes_unnoticed(number: int) -> None:
    table = printed_table(number)
    for name, column in PAPER[number].items():
        cells = list(table[name])
        for row in range(len(cells)):
            wrong = list(slips(cells, row))
            assert len(wrong) >= 4
            assert [slip for slip in wrong if column.fit(slip)] == []


@pytest.mark.parametrize("number", PAPER)
def test_rows_are_in_the_order_of_the_networks_that_they_describe(number: int) -> None:
    """The paper's words for a network against the name that we give it, row by row."""
    table, models = printed_table(number), names.table_models(number)
    if number in (3, 4):  # one network, layer by layer
        assert len(models) == 1
        return
    specs = [names.parse(model) for model in models]
    families = {"MobileNetV3": "mbv3", "ResNet50v1b": "resnet50_v1b"}
    scales = {"": None, "s": "small", "L": "large"}
    for row, spec in zip(table.to_dict("records"), specs, strict=True):
        printed = str(row.get("backbone") or row.get("network") or "AsymmNet")
        family, _, scale = printed.partition("-")
        assert spec.family == families.get(family, family.lower())
        assert scales[scale] in (None, spec.scale)
        assert "scale" not in row or row["scale"] == (spec.scale or "").capitalize()
        assert "multiplier" not in row or float(row["multiplier"]) == spec.width
        assert "asymmetry_rate" not in row or int(row["asymmetry_rate"]) == spec.rate
