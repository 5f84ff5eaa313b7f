"""Each sentence of a variant's line is said where the records support it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord, Counts
from asymm_deploy.bench.host.processor import Processor
from asymm_deploy.bench.records import PairedRatio, RowSummary
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.export.quantize.variant import CalibrationImages, Variant, VariantOutput
from asymm_deploy.report.variants.variant_facts import ChangedAnswers, VariantFacts, VariantFile
from asymm_deploy.report.variants.why import why
from tests.made_costs import KEY
from tests.made_explanations import explained_net

VNNI, NO_VNNI = Processor("VNNI", are_there=True), Processor("VNNI", are_there=False)
MakeRow = Callable[..., RowSummary]


def made(name: Any, arithmetic: Any = "fp32") -> Variant:
    bits = {"half": 16, "w4": 4}.get(name, 8)
    return Variant(
        name=name,
        of="net",
        of_mnn_sha256="0" * 64,
        method="converter",
        weight_bits=bits,
        arithmetic=arithmetic,
        operators=54,
        changed_operators=53,
        weights_db=47.0,
        outputs=(VariantOutput(name="y", sqnr_db=46.51, agreement_percent=100.0),),
        limit_db=30.0,
        trained=True,
        mnn_bytes=300,
        of_mnn_bytes=1000,
    )


def file_of(variant: str, **changes: Any) -> VariantFile:
    is_file = variant not in ("fp32", "fp16")
    arithmetic = "int8" if variant.startswith("int8") else "fp32"
    return replace(
        VariantFile(
            model="net",
            variant=variant,
            precision="fp16" if variant == "fp16" else "fp32",
            artifact=f"net@{variant}" if is_file else "net",
            size=300 if is_file else 1000,
            made=made(variant, arithmetic) if is_file else None,
            weights="trained",
        ),
        **changes,
    )


def facts(variant: str, **changes: Any) -> VariantFacts:
    known = {k: changes.pop(k) for k in tuple(changes) if k not in VariantFacts.__slots__}
    return VariantFacts(file=file_of(variant, **known), device="vm", **changes)


def cost(insn: int) -> CostRecord:
    rest = dict.fromkeys(Counts.__struct_fields__[1:9], 0)
    return CostRecord(
        model="net",
        artifact_sha256="0" * 64,
        inputs_sha256=None,
        precision="fp32",
        key=KEY,
        counts=Counts(insn=insn, **rest),
        operators=(),
        output_sha256=None,
        relative_error=None,
        flags=(),
        valid=True,
    )


def pair(low: float, high: float, launches: int = 8) -> PairedRatio:
    middle = (low + high) / 2
    return PairedRatio(partner="net", ratio=middle, low=low, high=high, launches=launches, made=8)


def timed(row: MakeRow, variant: str, found: PairedRatio | None, **changes: Any) -> VariantFacts:
    return facts(variant, row=row(), pair=found, **changes)


def int8_operators() -> Explanation:
    """4 ms: half of it in 8 bits, 1 ms in conversions, 1 ms in two concats and an activation."""
    conv, _, concat, _, activation, _ = explained_net().operators

    def operator(like: ExplainedOperator, ms: float, **changes: Any) -> ExplainedOperator:
        return msgspec.structs.replace(like, time_ms=ms, **changes)

    operators: Sequence[ExplainedOperator] = (
        operator(conv, 2.0, in_8_bits=True),
        operator(conv, 0.5, type="FloatToInt8", kind="conversion", in_8_bits=True),
        operator(conv, 0.5, type="Int8ToFloat", kind="conversion"),
        operator(concat, 0.4, node="/a"),
        operator(concat, 0.4, node="/b"),
        operator(activation, 0.2),
    )
    return msgspec.structs.replace(explained_net(), operators=tuple(operators))


@pytest.mark.parametrize(
    ("low", "high", "processor", "text"),
    [
        (
            1.70,
            1.78,
            NO_VNNI,
            "70.0 to 78.0 % slower here, in turns with fp32, and the ",
        ),
        (
            1.02,
            1.04,
            VNNI,
            "2.0 to 4.0 % slower here, in turns with fp32, though the ",
        ),
        (
            0.50,
            0.60,
            VNNI,
            "40.0 to 50.0 % faster here, in turns with fp32, and the ",
        ),
        (0.99, 1.02, VNNI, "no difference of speed seen (-1.0 to +2.0 %, in turns with fp32);"),
        (1.00, 1.02, NO_VNNI, "no difference of speed seen (+0.0 to +2.0 %, in turns with fp32);"),
        (
            1.001,
            1.012,
            NO_VNNI,
            "no difference of speed seen (+0.1 to +1.2 %, in turns with fp32);",
        ),
        (0.98, 0.995, VNNI, "no difference of speed seen (-2.0 to -0.5 %, in turns with fp32);"),
        (1.70, 1.78, None, "70.0 to 78.0 % slower here, in turns with fp32;"),
    ],
)
def test_speed_is_told_where_the_interval_leaves_out_no_change(
    row: MakeRow, low: float, high: float, processor: Processor | None, text: str
) -> None:
    line = why(facts("fp32", row=row()), timed(row, "int8", pair(low, high)), processor)
    assert line.startswith(text)
    assert ("has no VNNI" in line) == (processor is NO_VNNI and low > 1.01)


def test_a_processor_is_named_for_arithmetic_in_8_bits_alone(row: MakeRow) -> None:
    line = why(facts("fp32", row=row()), timed(row, "w8", pair(1.1, 1.2)), NO_VNNI)
    assert line.startswith("10.0 to 20.0 % slower here, in turns with fp32;")
    assert "VNNI" not in line


def interval(row: MakeRow, low: float | None, high: float | None, **changes: Any) -> RowSummary:
    return msgspec.structs.replace(row(), ci_low_ms=low, ci_high_ms=high, **changes)


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        ((2.0, 2.2), (1.0, 1.1), "81.8 to 120.0 % slower here, by launches apart"),
        ((1.0, 1.1), (2.0, 2.2), "45.0 to 54.5 % faster here, by launches apart"),
        (
            (1.0, 1.2),
            (1.1, 1.3),
            "no difference of speed seen (-23.1 to +9.1 %, by launches apart)",
        ),
        (
            (1.0, 1.1),
            (1.1, 1.3),
            "no difference of speed seen (-23.1 to +0.0 %, by launches apart)",
        ),
        ((None, None), (1.1, 1.3), "nothing is said of speed: one launch has no interval"),
    ],
)
def test_without_launches_in_turns_intervals_must_not_overlap(
    row: MakeRow,
    ours: tuple[float | None, float | None],
    theirs: tuple[float, float],
    text: str,
) -> None:
    base = facts("fp32", row=interval(row, *theirs))
    assert why(base, facts("fp16", row=interval(row, *ours)), None).startswith(text)
    few = timed(row, "w8", pair(3.0, 4.0, launches=3))
    assert "300" not in why(base, replace(few, row=interval(row, *ours)), None)


def test_spoilt_launches_say_nothing_of_speed(row: MakeRow) -> None:
    spoilt = interval(row, 2.0, 2.1, valid=False, flags=("stolen-time",))
    good = interval(row, 1.0, 1.1)
    text = "nothing is said of speed: its launches are stolen-time;"
    assert why(facts("fp32", row=good), facts("w8", row=spoilt), None).startswith(text)
    text = "nothing is said of speed: fp32's launches are stolen-time;"
    assert why(facts("fp32", row=spoilt), facts("w8", row=good), None).startswith(text)
    assert "speed" not in why(facts("fp32"), facts("w8", row=good), None)
    assert "speed" not in why(facts("fp32", row=good), facts("w8"), None)


def test_int8_tells_what_is_float_again_and_around_what() -> None:
    line = why(facts("fp32"), facts("int8", explained=int8_operators()), VNNI)
    expected = (
        "50 % of its time is float again around 2 concats and 1 activation (25 % is 2 conversions);"
        " 53 of 54 convolutions and products compute in 8 bits; a smaller file, 30 % of fp32's size"
    )
    assert line.startswith(expected)
    flagged = msgspec.structs.replace(int8_operators(), valid=False, flags=("stolen-time",))
    line = why(facts("fp32"), facts("int8", explained=flagged), VNNI)
    assert "conversions), in a launch that was flagged stolen-time;" in line
    bare = explained_net()
    assert "float again" not in why(facts("fp32"), facts("int8", explained=bare), VNNI), "unknown"
    assert "float again" not in why(facts("fp32"), facts("w8", explained=int8_operators()), VNNI)


def test_counts_are_told_as_instructions() -> None:
    counted = int8_operators()
    operators = tuple(
        msgspec.structs.replace(each, time_ms=None, insn=round(1e6 * (each.time_ms or 0)))
        for each in counted.operators
    )
    counted = msgspec.structs.replace(counted, operators=operators)
    line = why(facts("fp32"), facts("int8", explained=counted), None)
    assert line.startswith("50 % of its instructions are float again")


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (700_000, "30.0 % fewer ARM instructions;"),
        (1_250_000, "25.0 % more ARM instructions;"),
        (1_000_400, "as many ARM instructions as fp32;"),
    ],
)
def test_instructions_are_compared_where_both_were_counted(insn: int, text: str) -> None:
    base = facts("fp32", counted=cost(1_000_000))
    line = why(base, facts("w8", counted=cost(insn)), None)
    assert line.startswith(text)
    assert "ARM" not in why(facts("fp32"), facts("w8", counted=cost(insn)), None)
    other = msgspec.structs.replace(KEY, emulator="8.2.2")
    apart = msgspec.structs.replace(cost(insn), key=other)
    assert "ARM" not in why(base, facts("w8", counted=apart), None), "other emulators' counts"


@pytest.mark.parametrize(
    ("variant", "text"),
    [
        ("half", "weights kept in 16 bits, arithmetic stays fp32; a smaller file, 30 % of fp32's"),
        ("w4", "weights kept in 4 bits, arithmetic stays fp32; a smaller file, 30 % of fp32's"),
        ("fp16", "the file of fp32, computed in fp16"),
    ],
)
def test_what_is_in_fewer_bits_is_told_as_it_was_made(variant: str, text: str) -> None:
    assert why(facts("fp32"), facts(variant), None).startswith(text)


def answers(wrong: int, right: int, p: float, same: float = 90.0) -> ChangedAnswers:
    return ChangedAnswers(same, "torch", wrong, right, p)


TOP1 = MeasuredTop1(99.0, 98.0, 99.5, 719)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (answers(0, 0, 1.0, 100.0), "all 719 answers as torch's in fp32"),
        (answers(2, 1, 0.9), "no change of top-1 seen (2 of 719 became wrong, 1 right)"),
        (answers(30, 1, 1e-6), "top-1 fell by 4.03 points (30 of 719 became wrong, 1 right)"),
        (answers(1, 30, 1e-6), "top-1 rose by 4.03 points (1 of 719 became wrong, 30 right)"),
    ],
)
def test_a_change_of_accuracy_is_told_unless_chance_makes_as_large_a_one(
    changed: ChangedAnswers, text: str
) -> None:
    line = why(facts("fp32"), facts("w8", top1=TOP1, changed=changed), None)
    assert line.endswith(text)
    random = facts("w8", weights="untrained", top1=TOP1, changed=changed)
    assert why(facts("fp32"), random, None).endswith(
        "its weights are random, so its accuracy means nothing"
    )


def test_without_images_outputs_are_compared_over_the_exports_inputs() -> None:
    assert why(facts("fp32"), facts("w8"), None).endswith(
        "outputs at 46.5 dB from fp32's over the export's inputs, the same class for 100 % of them"
    )


def test_int8_was_compared_over_its_own_images() -> None:
    known = made("int8", "int8")
    images = CalibrationImages(
        path="/train",
        count=64,
        preprocessing="{}",
        listing_sha256="0" * 64,
        images_sha256="0" * 64,
    )
    variant = facts("int8", made=msgspec.structs.replace(known, images=images))
    assert "outputs at 46.5 dB from fp32's over int8's images," in why(facts("fp32"), variant, None)


def test_the_export_says_what_takes_most_of_its_time() -> None:
    base = facts("fp32", explained=explained_net())
    text = "what the others are compared with; pointwise takes 50 % of its time"
    assert why(base, base, None) == text
    assert why(facts("fp32"), facts("fp32"), None) == "what the others are compared with"


def test_a_variant_that_is_not_there_or_not_measured_has_its_reason() -> None:
    assert why(facts("fp32"), facts("int8", missing="no images"), None) == "no images"
    base = facts("fp32", counted=cost(1_000_000))
    half = facts("fp16", unmeasured="not here", counted=cost(600_000))
    assert why(base, half, None) == "not here; 40.0 % fewer ARM instructions"


def test_what_could_not_be_timed_says_why(row: MakeRow) -> None:
    failed = msgspec.structs.replace(row(), latency_median_ms=None, reason="the runner died")
    line = why(facts("fp32", row=row()), facts("int8", row=failed), VNNI)
    assert line.startswith("it could not be timed: the runner died;")
