"""The tables in the code are the paper's, and the networks count to the paper's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import pytest

from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.families.asymmnet import ASYMMNET_LARGE, ASYMMNET_SMALL
from asymm_deploy.models.names import parse, table_models
from asymm_deploy.models.spec import Row

PaperTable = Callable[[int], list[dict[str, str]]]

# What the inverted residual counts to on this skeleton, in M. Table 5 prints the MobileNetV3
# paper's own figures for these rows, at every width but 1.0.
MBV3_MADDS_M = {
    "mbv3_large_035": "41.7",
    "mbv3_large_050": "65.9",
    "mbv3_large_075": "142.1",
    "mbv3_large_100": "216.6",
    "mbv3_large_125": "352.5",
    "mbv3_small_035": "14.8",
    "mbv3_small_050": "20.0",
    "mbv3_small_075": "40.4",
    "mbv3_small_100": "56.9",
    "mbv3_small_125": "91.4",
}

# The paper prints 125.3.
OFF_BY_A_DIGIT = {"pruned_large_075": "125.2"}


@cache
def counted(name: str) -> Complexity:
    return count_spec(parse(name))


def madds_m(name: str, *, like: str) -> str:
    """Print a network's MAdds in millions, to as many decimals as ``like`` has."""
    return f"{counted(name).madds / 1e6:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(
    ("number", "rows"), [(3, ASYMMNET_LARGE), (4, ASYMMNET_SMALL)], ids=["large", "small"]
)
def test_the_blocks_are_those_of_tables_3_and_4(
    number: int, rows: Sequence[Row], paper_table: PaperTable
) -> None:
    printed = [
        tuple(int(line[column]) for column in ("kernel", "expanded", "out", "stride"))
        for line in paper_table(number)
        if line["operator"] == "asymm-bneck"
    ]

    assert [(row.kernel, row.expanded, row.out, row.stride) for row in rows] == printed


@pytest.mark.parametrize(
    ("rows", "first_row", "se", "hard_swish"),
    [
        (ASYMMNET_LARGE, 2, {5, 6, 7, 12, 13, 14, 15, 16}, set(range(8, 17))),
        (ASYMMNET_SMALL, 2, {2, *range(5, 13)}, set(range(5, 13))),
    ],
    ids=["large", "small"],
)
def test_the_columns_that_the_paper_omits_are_mobilenetv3s(
    rows: Sequence[Row], first_row: int, se: set[int], hard_swish: set[int]
) -> None:
    numbered = list(enumerate(rows, start=first_row))

    assert {number for number, row in numbered if row.se} == se
    assert {number for number, row in numbered if row.act == "HS"} == hard_swish


@pytest.mark.parametrize("index", range(30), ids=table_models(5))
def test_every_row_of_table_5_counts_to_its_printed_madds(
    index: int, paper_table: PaperTable
) -> None:
    line, name = paper_table(5)[index], table_models(5)[index]
    percent = round(float(line["multiplier"]) * 100)
    assert name == f"{line['network'].lower()}_{line['scale'].lower()}_{percent:03}"

    expected = MBV3_MADDS_M.get(name) or OFF_BY_A_DIGIT.get(name) or line["madds_m"]

    assert madds_m(name, like=expected) == expected


@pytest.mark.parametrize("index", range(6), ids=table_models(6))
def test_every_row_of_table_6_counts_to_its_printed_madds(
    index: int, paper_table: PaperTable
) -> None:
    line, name = paper_table(6)[index], table_models(6)[index]
    spec = parse(name)
    assert (spec.scale, spec.rate) == (line["scale"].lower(), int(line["asymmetry_rate"]))

    assert madds_m(name, like=line["madds_m"]) == line["madds_m"]


def test_parameters_are_the_true_count_and_not_the_papers_lower_one() -> None:
    cost = counted("asymmnet_large_100")
    # The paper's tool took a k x k kernel as k weights.
    overlooked = sum(
        layer.params - layer.params // layer.kernel[0]
        for layer in cost.layers
        if layer.kernel and layer.kernel[0] > 1
    )

    assert cost.params == 6_076_608
    assert f"{(cost.params - overlooked) / 1e6:.2f}" == "5.99"


@pytest.mark.parametrize(
    "index", [i for i, name in enumerate(table_models(5)) if not name.startswith("mbv3")]
)
def test_parameters_are_within_a_tenth_of_a_million_of_table_5(
    index: int, paper_table: PaperTable
) -> None:
    name = table_models(5)[index]
    params_m = counted(name).params / 1e6

    if name == "pruned_small_100":  # printed 2.6, which no rule we know gives
        assert f"{params_m:.3f}" == "2.915"
    else:
        assert params_m == pytest.approx(float(paper_table(5)[index]["params_m"]), abs=0.12)


@pytest.mark.parametrize(
    ("index", "expected"),
    # V2's printed split, 6.2 / 84.4 / 9.4, does not follow from MobileNetV2 1.0 at 224x224.
    [(0, None), (1, (6.9, 89.5, 3.6)), (2, None)],
    ids=table_models(1),
)
def test_table_1_splits_as_printed_within_half_a_point(
    index: int, expected: tuple[float, ...] | None, paper_table: PaperTable
) -> None:
    line = paper_table(1)[index]
    printed = expected or tuple(
        float(line[f"{kind}_percent"]) for kind in ("depthwise", "pointwise", "vanilla")
    )

    ours = [round(share, 1) for share in counted(table_models(1)[index]).table1_percent()]

    assert ours == pytest.approx(printed, abs=0.5 + 1e-9)


@pytest.mark.parametrize(
    ("name", "madds", "params"),
    [("mobilenetv1_100", 569, 4.2), ("mobilenetv2_100", 300, 3.4)],
)
def test_the_older_mobilenets_count_to_their_own_papers_figures(
    name: str, madds: float, params: float
) -> None:
    cost = counted(name)

    assert cost.madds / 1e6 == pytest.approx(madds, abs=1)
    assert cost.params / 1e6 == pytest.approx(params, abs=0.11)


def test_rate_0_is_the_inverted_residual() -> None:
    for scale in ("large", "small"):
        zero, mbv3 = counted(f"asymmnet_{scale}_100_r0"), counted(f"mbv3_{scale}_100")

        assert zero == mbv3
