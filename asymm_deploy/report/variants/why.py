"""One line on a variant: how it compares with the export in fp32, and why; pure.

Each sentence is made of what was measured. What was not, or can't be told from chance, is not said.
"""

from __future__ import annotations

from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.host.processor import Processor
from asymm_deploy.explain.views.operator_groups import by_kind
from asymm_deploy.report.variants.float_again import float_again
from asymm_deploy.report.variants.speed import SpeedChange, speed_change
from asymm_deploy.report.variants.variant_facts import VariantFacts

_SAME_INSN = 5e-4
"""Up to which share two counts are called equal: a second count of one file differs by 5e-5."""
_RISK = 0.05
_IN_BYTES = ("int8", "int8-mixed")


def why(base: VariantFacts, variant: VariantFacts, processor: Processor | None) -> str:
    """Return the line for a variant; ``base`` is the export in fp32, on the same device.

    ``processor`` is that of the device, None if nobody knows it.
    """
    file = variant.file
    if file.missing is not None:
        return file.missing
    if file.unmeasured is not None:
        return _joined([file.unmeasured, _instructions(base, variant)])
    if variant.file.variant == base.file.variant:
        return _joined(["what the others are compared with", _costliest(base), _accuracy(base)])
    speed = speed_change(base, variant)
    return _joined(
        [
            _with_processor(speed, variant, processor),
            _spent(variant) if file.variant in _IN_BYTES else None,
            _instructions(base, variant),
            _kept(variant),
            _size(base, variant),
            _accuracy(variant),
            file.note,
        ]
    )


def _joined(parts: list[str | None]) -> str:
    return "; ".join(part for part in parts if part)


def _with_processor(
    speed: SpeedChange, variant: VariantFacts, processor: Processor | None
) -> str | None:
    """Return the speed, and of int8 whether the processor has instructions for it."""
    if not speed.text:
        return None
    told = speed.verdict in ("faster", "slower")
    if variant.file.variant not in _IN_BYTES or processor is None or not told:
        return speed.text
    has = "has" if processor.are_there else "has no"
    link = "and" if (speed.verdict == "faster") == processor.are_there else "though"
    return f"{speed.text}, {link} the processor {has} {processor.instructions}"


def _spent(variant: VariantFacts) -> str | None:
    """Return what of the time is float again, and whether something disturbed the launch."""
    found = variant.explained
    text = None if found is None else float_again(found.operators)
    if found is None or text is None or found.valid:
        return text
    return f"{text}, in a launch that was flagged {' '.join(found.flags)}"


def _instructions(base: VariantFacts, variant: VariantFacts) -> str | None:
    """Return the change in instructions, which has no noise."""
    ours, theirs = variant.counted, base.counted
    if variant.insn is None or not base.insn or ours is None or theirs is None:
        return None
    if ours.key != theirs.key:
        return None
    change = variant.insn / base.insn - 1
    if abs(change) < _SAME_INSN:
        return "as many ARM instructions as fp32"
    return f"{abs(change):.1%} {'more' if change > 0 else 'fewer'} ARM instructions".replace(
        "%", " %"
    )


def _kept(variant: VariantFacts) -> str | None:
    """Return what is in fewer bits, and what it is computed in."""
    made = variant.file.made
    if made is None:
        return "the file of fp32, computed in fp16" if variant.file.variant == "fp16" else None
    if made.arithmetic == "int8":
        return (
            f"{made.changed_operators} of {made.operators} convolutions and products compute in "
            "8 bits"
        )
    return f"weights kept in {made.weight_bits} bits, arithmetic stays {variant.file.precision}"


def _size(base: VariantFacts, variant: VariantFacts) -> str | None:
    ours, theirs = variant.file.size, base.file.size
    if ours is None or not theirs or ours == theirs:
        return None
    change = f"{100 * ours / theirs:.0f} % of fp32's size"
    return f"a {'smaller' if ours < theirs else 'larger'} file, {change}"


def _accuracy(facts: VariantFacts) -> str | None:
    """Return what became of the answers, as far as it is no chance."""
    if facts.file.weights == "untrained":
        return "its weights are random, so its accuracy means nothing"
    found = facts.changed
    if facts.top1 is None:
        return _proof(facts)
    if found is None:
        return None
    asked = facts.top1.images
    if found.agreement_percent >= 100:
        return f"all {asked} answers as {found.compared_with}'s in fp32"
    moved = f"{found.became_wrong} of {asked} became wrong, {found.became_right} right"
    if found.p >= _RISK:
        return f"no change of top-1 seen ({moved})"
    points = 100 * (found.became_wrong - found.became_right) / asked
    return f"top-1 {'fell' if points > 0 else 'rose'} by {abs(points):.2f} points ({moved})"


def _proof(facts: VariantFacts) -> str | None:
    """Return how far the outputs are from the fp32 file's, where no images were evaluated."""
    if facts.sqnr_db is None:
        return None
    same = facts.proof_agreement
    agreeing = "" if same is None else f", the same class for {same:.0f} % of them"
    return f"outputs at {facts.sqnr_db:.1f} dB from fp32's over {facts.proof_inputs}{agreeing}"


def _costliest(base: VariantFacts) -> str | None:
    if base.explained is None:
        return None
    kinds = by_kind(base.explained.operators)
    whole = sum(part.cost or 0 for part in kinds)
    if not whole or not kinds[0].cost:
        return None
    of = "instructions" if base.device == EMULATED else "time"
    return f"{kinds[0].name} takes {100 * kinds[0].cost / whole:.0f} % of its {of}"
