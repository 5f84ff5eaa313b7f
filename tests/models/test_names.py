"""Names become networks, and every text that is no name becomes an error that helps."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import FAMILIES, TABLES, figure_models, known, parse, table_models
from asymm_deploy.models.spec import at_resolution

percents = st.integers(min_value=1, max_value=5000)
on_skeleton = st.builds(
    lambda family, scale, percent: f"{family}_{scale}_{percent:03}",
    st.sampled_from(FAMILIES),
    st.sampled_from(["large", "small"]),
    percents,
)
plain = st.builds(
    lambda family, percent: f"{family}_{percent:03}",
    st.sampled_from(["mobilenetv1", "mobilenetv2"]),
    percents,
)
of_tasks = st.builds(
    lambda backbone, task: f"{backbone}_{task}",
    on_skeleton | plain | st.just("resnet50_v1b"),
    st.sampled_from(["face", "action", "pose", "yolo3"]),
)
# Texts near the grammar find more than letters at random do.
# fmt: off
pieces = st.sampled_from([
    "asymmnet", "pruned", "mbv3", "mobilenetv1", "_", "large", "small", "100", "035", "_r", "0",
    "1", "-1", "+", ".", "/", "..", "٣", "0x1", "1e2", " ", "\n", "\0", "r",
    "ghost", "mobilefacenet", "resnet50_v1b", "_face", "_pose", "_yolo3", "_action",
])
# fmt: on


@given(on_skeleton | plain | of_tasks)
def test_a_canonical_name_is_parsed_to_itself(name: str) -> None:
    assert parse(name).name == name


@given(on_skeleton | plain | of_tasks)
def test_parsing_twice_gives_equal_networks(name: str) -> None:
    assert parse(parse(name).name) == parse(name)


@given(st.text() | st.lists(pieces).map("".join))
def test_any_other_text_is_a_usage_error_and_nothing_else(text: str) -> None:
    try:
        spec = parse(text)
    except UsageError as error:
        refused = error
    else:
        assert parse(spec.name) == spec
        return
    assert len(refused.what) < 400
    assert "\n" not in refused.what
    assert refused.hint


@pytest.mark.parametrize("name", known())
def test_every_known_name_is_canonical(name: str) -> None:
    assert parse(name).name == name


def test_rate_1_is_what_the_name_without_a_rate_means() -> None:
    assert parse("asymmnet_large_100_r1") == parse("asymmnet_large_100")
    assert parse("asymmnet_large_100").rate == 1


def test_the_width_in_the_name_is_in_hundredths() -> None:
    assert parse("asymmnet_large_035").width == 0.35
    assert parse("pruned_small_1250").width == 12.5
    assert parse("asymmnet_large_0100").name == "asymmnet_large_100"


def test_channels_are_rounded_up_to_multiples_of_8() -> None:
    # 200 x 0.28 is 56.00000000000001 in floating point; rounded up, that would be 64.
    assert parse("asymmnet_large_028").rows[7].expanded == 56
    assert parse("asymmnet_large_035").rows[0].out == 8


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("asymnet_large_100", "unknown model 'asymnet_large_100'", "asymmnet_large_100"),
        ("mobilnetv2_100", "unknown model", "mobilenetv2_100"),
        ("../x", "unknown model '../x'", "asymm-deploy models"),
        ("", "unknown model ''", "asymm-deploy models"),
        ("a" * 10_000, "unknown model 'aaaa", "asymm-deploy models"),
        ("asymmnet_large_" + "9" * 5000, "unknown model 'asymmnet_large_9999", "did you mean"),
        ("asymmnet_large_000", "the width in 'asymmnet_large_000' is 0", "positive"),
        ("asymmnet_large_-50", "width '-50'", "035 for 0.35"),
        ("asymmnet_large_0.5", "width '0.5'", "035 for 0.35"),
        ("asymmnet_large_50", "width '50'", "035 for 0.35"),
        ("asymmnet_large_٣٥٠", "width", "035 for 0.35"),
        ("asymmnet_large_100_r-1", "asymmetry rate '-1'", "_r0, _r2"),
        ("asymmnet_large_100_r1.5", "asymmetry rate '1.5'", "_r0, _r2"),
        ("asymmnet_large_100_r", "asymmetry rate ''", "_r0, _r2"),
        ("pruned_large_100_r2", "pruned has no asymmetry rate", "use pruned_large_100"),
        ("mbv3_small_100_r0", "mbv3 has no asymmetry rate", "use mbv3_small_100"),
        ("mobilenetv1_100_r0", "mobilenetv1 has no asymmetry rate", "use mobilenetv1_100"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(name)

    assert what in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        # a letter too few, too many, or exchanged
        ("asymnet_large_100", "asymmnet_large_100"),
        ("assymnet_small_035", "asymmnet_small_035"),
        ("bottelneck_large_100", "bottleneck_large_100"),
        ("resnet50_v1b_actoin", "resnet50_v1b_action"),
        ("mbv3_small_100_fce", "mbv3_small_100_face"),
        ("prunned_small_050", "pruned_small_050"),
        # other separators, and capitals
        ("asymmnet-small-035", "asymmnet_small_035"),
        ("asymmnetlarge100", "asymmnet_large_100"),
        ("mobilenet_v2_100", "mobilenetv2_100"),
        ("ASYMMNET_LARGE_100", "asymmnet_large_100"),
        ("MobileFaceNet", "mobilefacenet"),
        # names that others give the same networks
        ("mobilenetv3_large_100", "mbv3_large_100"),
        ("asymmnet_large_100_yolov3", "asymmnet_large_100_yolo3"),
        ("resnet50", "resnet50_v1b_action"),
        # a tail
        ("asymmnet_large_100_" + "pose" * 11, "asymmnet_large_100_pose"),
    ],
)
def test_a_typo_gets_the_network_that_was_meant_first(typed: str, first: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(typed)

    assert caught.value.hint.startswith(f"did you mean {first}")


@pytest.mark.parametrize(
    "part", ["mbv3", "asymnet", "AsymmNet-L", "ghost", "shufflenet", "pruned", "sandglass"]
)
def test_a_part_of_a_name_gets_networks_that_have_it(part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(part)

    family = {"asymnet": "asymmnet", "AsymmNet-L": "asymmnet", "shufflenet": "shuffle"}
    suggested = caught.value.hint.removeprefix("did you mean ").removesuffix("?").split(" or ")
    assert suggested[0].startswith(family.get(part, part) + "_")
    assert suggested[1].startswith(family.get(part, part) + "_")
    assert len(suggested) <= 3


@pytest.mark.parametrize("name", ["hello", "foo", "vgg16", "bert", "asdf", "--table", "ls"])
def test_what_is_like_nothing_gets_no_guess(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(name)

    assert caught.value.hint == "`asymm-deploy models` lists the names"


@pytest.mark.parametrize(
    ("base", "largest"),
    [("asymmnet_large_100", 5), ("asymmnet_small_100", 5), ("asymmnet_small_001", 1)],
)
def test_a_rate_that_leaves_no_block_expanding_is_refused_with_the_largest_that_works(
    base: str, largest: int
) -> None:
    assert parse(f"{base}_r{largest}").rate == largest

    with pytest.raises(UsageError, match="leaves no block") as caught:
        parse(f"{base}_r{largest + 1}")

    assert caught.value.hint == f"the largest rate that works for {base} is {largest}"


def test_tables_have_the_papers_rows() -> None:
    assert [len(table_models(number)) for number in (1, 3, 4, 5, 6)] == [3, 1, 1, 30, 6]
    listed = {name for number in TABLES for name in table_models(number)} | set(figure_models(1))
    assert listed == set(known())

    with pytest.raises(UsageError, match="Table 2"):
        table_models(2)


@pytest.mark.parametrize("shape", [(1, 1, 224, 224), (3, 224, 224), (0, 3, 8, 8), ()])
def test_a_resolution_needs_three_channels_and_no_empty_axis(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="asymmnet_large_100 takes images"):
        at_resolution(parse("asymmnet_large_100"), shape)


def test_names_are_read_without_importing_torch() -> None:
    code = (
        "import sys, asymm_deploy.models.names, asymm_deploy.models.source, "
        "asymm_deploy.models.catalog, asymm_deploy.models.cost; "
        "sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
