"""torchvision, which timm imports, beside a torch that its compiled part was not made for.

PyPI has torchvision for CUDA alone on Linux. Its library doesn't load beside torch for the CPU:
torchvision then goes on without it, as timm could, but describes two operators of that library to
torch all the same, and fails since nobody has defined them.
"""

from __future__ import annotations

_OPERATORS = ("nms", "qnms")
"""Those that torchvision describes whether its library is there or not (0.28)."""


def import_torchvision() -> None:
    """Import torchvision; define the missing operators' names first, where that alone is missing.

    They can't be called then, as before. Any other error is torchvision's own.
    """
    import torch

    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in _OPERATORS:
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        import torchvision  # noqa: F401
