"""Names of variants: ``MODEL@w8`` is MODEL with its weights in 8 bits. No torch."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, TypeAlias, get_args

from asymm_deploy.errors import UsageError
from asymm_deploy.models.input_shape import shown

VariantName: TypeAlias = Literal["half", "w8", "w4", "int8", "int8-mixed"]
"""Weights in fp16, in 8 bits, in 4 bits; weights and arithmetic in 8 bits, of all or of most."""

VARIANTS: tuple[VariantName, ...] = get_args(VariantName)


def variant_named(text: str) -> VariantName:
    """Return the variant of that name; raise UsageError if there is none."""
    for name in VARIANTS:
        if text == name:
            return name
    near = get_close_matches(text.lower(), VARIANTS, 1, cutoff=0.5)
    raise UsageError(
        f"{shown(text)} is no variant" if text else "no variant is named",
        (f"did you mean {near[0]}? " if near else "")
        + "half, w8 and w4 keep the weights in 16, 8 and 4 bits; int8 computes in 8 bits as well, "
        "and int8-mixed leaves what loses most in fp32",
    )


def split_variant(text: str) -> tuple[str, VariantName | None]:
    """Return MODEL and VARIANT of ``MODEL@VARIANT``; a MODEL alone has none.

    A path that ends in ``.onnx`` may have an ``@`` of its own. Raises UsageError if what follows
    the ``@`` is no variant, or if nothing is before it.
    """
    if "@" not in text or text.lower().endswith((".onnx", ".mnn")):
        return text, None
    model, _, name = text.rpartition("@")
    if not model:
        raise UsageError(
            f"{shown(text)} names no model", "put one before the @: asymmnet_small_100@w8"
        )
    variant = variant_named(name)
    if model.lower().endswith(".mnn"):
        raise UsageError(
            f"{shown(model)} is taken as it is, and has no variants",
            "name the network, the .onnx file or the callable that it was made from",
        )
    if split_variant(model)[1] is not None:
        raise UsageError(f"{shown(text)} names two variants", f"give one: {model}")
    return model, variant


def variant_model(model: str, variant: VariantName | None) -> str:
    """Return the name of a variant of ``model``, which is also that of its artifacts folder."""
    return model if variant is None else f"{model}@{variant}"
