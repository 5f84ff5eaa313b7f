"""What torch's exporter lacks comes out in ONNX's own operators, with the same values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.torch_to_onnx import to_onnx


def exported(
    module: nn.Module, x: Tensor, into: Path, opset: int = 17
) -> tuple[Sequence[np.ndarray], list[str]]:
    """Return what the graph of ``module`` gives for ``x``, and its operators."""
    spec = TensorSpec("x", tuple(x.shape))
    outputs = (TensorSpec("y", tuple(module(x).shape)),)
    to_onnx(module, (spec,), outputs, {"x": x.numpy()}, into / "m.onnx", opset)
    session = onnxruntime.InferenceSession(into / "m.onnx", providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(into / "m.onnx").graph.node]
    return session.run(None, {"x": x.numpy()}), kinds


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
@pytest.mark.parametrize(
    "norm",
    [
        nn.RMSNorm(8),
        nn.RMSNorm(8, eps=0.5),
        nn.RMSNorm(8, elementwise_affine=False),
        nn.RMSNorm((6, 8), eps=1e-5),
    ],
    ids=["plain", "eps", "no weight", "two axes"],
)
def test_rms_norm_is_exported(norm: nn.RMSNorm, opset: int, tmp_path: Path) -> None:
    if norm.weight is not None:
        nn.init.uniform_(norm.weight)
    x = torch.randn(2, 6, 8)
    (found,), _ = exported(norm.eval(), x, tmp_path, opset)
    np.testing.assert_allclose(found, norm(x).detach().numpy(), atol=2e-6)


def test_rms_norm_of_zeros_is_zero_and_no_nan(tmp_path: Path) -> None:
    (found,), _ = exported(nn.RMSNorm(8), torch.zeros(2, 8), tmp_path)
    np.testing.assert_array_equal(found, np.zeros((2, 8)))


@pytest.mark.parametrize("shape", [(2, 12, 5, 4), (1, 12, 7)])
@pytest.mark.parametrize("groups", [1, 3, 12])
def test_channel_shuffle_is_exported(groups: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    x = torch.randn(shape)
    shuffle = nn.ChannelShuffle(groups)
    (found,), kinds = exported(shuffle, x, tmp_path)
    np.testing.assert_array_equal(found, shuffle(x).numpy())
    assert [kind for kind in kinds if kind != "Constant"] == ["Reshape", "Transpose", "Reshape"]


class Diff(nn.Module):
    """torch.diff, with something put before and after if ``padded``."""

    def __init__(self, n: int, dim: int, *, padded: bool = False) -> None:
        super().__init__()
        self.n, self.dim, self.padded = n, dim, padded

    def forward(self, x: Tensor) -> Tensor:
        more = {"prepend": x[:, :1], "append": x[:, :2]} if self.padded else {}
        return torch.diff(x, self.n, self.dim, **more)


@pytest.mark.parametrize(
    "module",
    [Diff(1, -1), Diff(2, 1), Diff(3, 0), Diff(0, 1), Diff(1, 1, padded=True)],
    ids=["once", "twice", "beyond the end", "never", "padded"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_diff_is_exported(module: Diff, dtype: torch.dtype, tmp_path: Path) -> None:
    x = torch.randint(-9, 9, (2, 6, 3)).to(dtype)
    (found,), _ = exported(module, x, tmp_path)
    np.testing.assert_array_equal(found, module(x).numpy())


class CumSum(nn.Module):
    """torch.cumsum of x, or of where it is positive."""

    def __init__(self, *, of_booleans: bool = False, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.of_booleans, self.dtype = of_booleans, dtype

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x > 0 if self.of_booleans else x, -1, dtype=self.dtype)


@pytest.mark.parametrize(
    ("module", "dtype", "kind"),
    [
        (CumSum(), torch.float32, np.float32),
        (CumSum(), torch.int32, np.int64),
        (CumSum(of_booleans=True), torch.float32, np.int64),
        (CumSum(of_booleans=True, dtype=torch.float32), torch.float32, np.float32),
    ],
)
def test_cumulative_sums_have_torchs_type(
    module: CumSum, dtype: torch.dtype, kind: type[np.generic], tmp_path: Path
) -> None:
    x = torch.randint(-9, 9, (2, 6)).to(dtype)
    (found,), _ = exported(module, x, tmp_path)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, module(x).numpy())


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch's own
@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv2d(3, 4, 3, padding="same", dilation=3), (1, 3, 9, 8)),
        (nn.Conv2d(4, 4, (4, 3), padding="same", groups=2, bias=False), (1, 4, 9, 8)),
        (nn.Conv2d(3, 4, 3, stride=2, padding="valid", dilation=2), (1, 3, 9, 8)),
        (nn.Conv1d(3, 4, 4, padding="same", dilation=2), (1, 3, 20)),
        (nn.Conv3d(1, 2, (1, 2, 3), padding="same", dilation=(1, 1, 2)), (1, 1, 4, 5, 6)),
    ],
    ids=["dilated", "even", "valid", "one axis", "three axes"],
)
def test_padding_in_words_is_exported_in_numbers(
    module: nn.Module, shape: tuple[int, ...], tmp_path: Path
) -> None:
    x = torch.randn(shape)
    (found,), kinds = exported(module.eval(), x, tmp_path)
    np.testing.assert_allclose(found, module(x).detach().numpy(), atol=2e-6)
    assert kinds == ["Conv"]


class Padded(nn.Module):
    """Attention that leaves out the places where x is above 0, in every way to say so."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        left_out = x[..., 0] > 0
        mask = left_out if self.kind == "booleans" else torch.where(left_out, -torch.inf, 0.0)
        y: Tensor = self.attention(x, x, x, key_padding_mask=mask, need_weights=False)[0]
        return y


@pytest.mark.parametrize("kind", ["booleans", "numbers"])
@pytest.mark.parametrize("opset", [14, 17])
def test_attention_that_a_mask_leaves_nothing_over_for_is_no_nan(
    kind: str, opset: int, tmp_path: Path
) -> None:
    module = Padded(kind).eval()
    nn.init.normal_(module.attention.out_proj.bias)
    torch.backends.mha.set_fastpath_enabled(False)
    x = torch.randn(2, 5, 8)
    x[0, :, 0] = 1.0  # all of the first sample is left out
    x[1, :2, 0] = -1.0
    (found,), _ = exported(module, x, tmp_path, opset)
    with torch.no_grad():
        np.testing.assert_allclose(found, module(x).numpy(), atol=1e-6)


class Causal(nn.Module):
    """Attention whose mask no input goes into."""

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)


def test_attention_with_a_mask_of_constants_needs_no_more_operators(tmp_path: Path) -> None:
    x = torch.randn(1, 5, 8)
    (found,), kinds = exported(Causal(), x, tmp_path)
    np.testing.assert_allclose(found, Causal()(x).numpy(), atol=1e-6)
    assert "IsNaN" not in kinds
