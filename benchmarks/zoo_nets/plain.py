"""Entries of plain torch.nn: a line each where a line is enough, the others in plain_nets."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.zoo_nets.entry import Entry
from benchmarks.zoo_nets.plain_nets import (
    Calls,
    ConvLstm,
    Crnn,
    GptBlock,
    Graph,
    LstmStream,
    LstmTagger,
    Mixer,
    Nerf,
    PointNet,
    Seq2Seq,
    SsdHead,
    Stateful,
    Tcn,
    Timestep,
    UNet,
    Vae,
    WaveNet,
    WideDeep,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _sequence(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


def _vanilla_encoder(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(64, 4, 128, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def _masked_attention(m: Any, x: Tensor, keep: Tensor) -> Tensor:
    return m["a"](x, x, x, key_padding_mask=~keep, need_weights=False)[0]


def _siamese(m: Any, a: Tensor, b: Tensor) -> Tensor:
    return functional.cosine_similarity(m["net"](a), m["net"](b))


def _folded(_m: Any, x: Tensor) -> Tensor:
    columns = functional.unfold(x, 4, stride=4)
    return functional.fold(columns * columns, (16, 16), 4, stride=4)


def _non_maximum_free(_m: Any, heat: Tensor) -> tuple[Tensor, Tensor]:
    peaks = heat * (functional.max_pool2d(heat, 3, 1, 1) == heat)
    found = peaks.flatten(1).topk(5)
    return found.values, found.indices


def _embedding() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.PReLU(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16)
    )


IMAGE = ("1,3,32,32",)
TOKENS = ("1,20:int64:0..499",)


def _of(name: str, build: Callable[[], nn.Module], *inputs: str) -> Entry:
    return Entry(f"nn_{name}", "torch", build, inputs or IMAGE)


def _resized(name: str, **options: Any) -> Entry:
    return _of(
        f"interpolate_{name}",
        lambda: Calls(
            lambda m, x: functional.interpolate(m["conv"](x), **options),
            conv=nn.Conv2d(3, 4, 3, padding=1),
        ),
    )


def _activation(name: str, layer: Callable[[], nn.Module]) -> Entry:
    return _of(f"act_{name}", lambda: _sequence(nn.Conv2d(3, 8, 3), layer(), nn.Conv2d(8, 4, 1)))


PLAIN = (
    # Recurrent nets
    _of("lstm_tagger", LstmTagger, "1,12:int64:0..499"),
    _of("lstm_stream", LstmStream, "x=1,6,16", "h=1,1,32", "c=1,1,32"),
    _of(
        "lstm_last",
        lambda: Calls(lambda m, x: m["l"](x)[0][:, -1], l=nn.LSTM(8, 16, batch_first=True)),
        "1,10,8",
    ),
    _of(
        "lstm_proj",
        lambda: Calls(lambda m, x: m["l"](x)[0], l=nn.LSTM(8, 16, proj_size=4, batch_first=True)),
        "1,10,8",
    ),
    _of(
        "gru",
        lambda: Calls(lambda m, x: m["g"](x)[0], g=nn.GRU(8, 16, batch_first=True)),
        "1,10,8",
    ),
    _of(
        "gru_both_ways",
        lambda: Calls(lambda m, x: m["g"](x), g=nn.GRU(8, 16, 2, bidirectional=True)),
        "10,1,8",
    ),
    _of("rnn", lambda: Calls(lambda m, x: m["r"](x)[0], r=nn.RNN(8, 16)), "10,1,8"),
    _of("gru_cell", lambda: Stateful("GRUCell"), "x=1,16", "state=1,32"),
    _of("rnn_cell", lambda: Stateful("RNNCell"), "x=1,16", "state=1,32"),
    _of("conv_lstm", ConvLstm, "1,5,3,16,16"),
    _of("crnn", Crnn, "1,1,32,64"),
    # Attention
    _of("transformer_encoder", lambda: _vanilla_encoder(batch_first=True), "1,16,64"),
    _of(
        "transformer_encoder_gelu_prenorm",
        lambda: _vanilla_encoder(batch_first=True, activation="gelu", norm_first=True),
        "1,16,64",
    ),
    _of("transformer_encoder_time_first", _vanilla_encoder, "16,1,64"),
    _of("transformer", Seq2Seq, "source=1,9:int64:0..99", "target=1,7:int64:0..99"),
    _of(
        "multihead_attention",
        lambda: Calls(
            lambda m, x: m["a"](x, x, x), a=nn.MultiheadAttention(32, 4, batch_first=True)
        ),
        "1,10,32",
    ),
    _of(
        "multihead_attention_masked",
        lambda: Calls(_masked_attention, a=nn.MultiheadAttention(32, 4, batch_first=True)),
        "1,10,32",
        "1,10:bool",
    ),
    _of("gpt_block", GptBlock, "1,24:int64:0..299"),
    _of(
        "cross_attention_einsum",
        lambda: Calls(
            lambda m, q, k: torch.einsum(
                "bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", m["q"](q), k).softmax(-1), k
            ),
            q=nn.Linear(16, 16),
        ),
        "1,4,10,16",
        "1,4,12,16",
    ),
    # Embeddings and tables
    _of(
        "embedding_mean",
        lambda: Calls(lambda m, ids: m["e"](ids).mean(1), e=nn.Embedding(500, 16)),
        *TOKENS,
    ),
    _of("embedding_bag", lambda: nn.EmbeddingBag(500, 16, mode="mean"), *TOKENS),
    _of(
        "embedding_masked_mean",
        lambda: Calls(
            lambda m, ids, mask: (
                (m["e"](ids) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            ),
            e=nn.Embedding(500, 16),
        ),
        *TOKENS,
        "1,20:int64:0..1",
    ),
    _of("wide_deep", WideDeep, "categories=1,3:int64:0..9", "numbers=1,6"),
    # Convolutions
    _of(
        "conv1d", lambda: _sequence(nn.Conv1d(4, 8, 5, 2), nn.ReLU(), nn.Conv1d(8, 4, 3)), "1,4,64"
    ),
    _of(
        "conv3d",
        lambda: _sequence(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.MaxPool3d(2)),
        "1,3,8,32,32",
    ),
    _of("conv_transpose1d", lambda: nn.ConvTranspose1d(4, 8, 4, 2, 1), "1,4,32"),
    _of(
        "conv_transpose2d",
        lambda: _sequence(
            nn.ConvTranspose2d(3, 8, 3, 2, 1, output_padding=1),
            nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=4),
        ),
    ),
    _of("conv_transpose3d", lambda: nn.ConvTranspose3d(2, 4, 2, 2), "1,2,4,8,8"),
    _of("conv_reflect", lambda: nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")),
    _of("conv_replicate", lambda: nn.Conv2d(3, 8, 3, padding=1, padding_mode="replicate")),
    _of("conv_circular", lambda: nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")),
    _of("conv_dilated", lambda: nn.Conv2d(3, 8, 3, padding="same", dilation=3)),
    _of("pixel_shuffle", lambda: _sequence(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))),
    _of("pixel_unshuffle", lambda: _sequence(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 1))),
    _of("channel_shuffle", lambda: _sequence(nn.Conv2d(3, 8, 1), nn.ChannelShuffle(4))),
    _of("unfold_fold", lambda: Calls(_folded), "1,3,16,16"),
    _of("wavenet", WaveNet, "1,1,128"),
    _of("tcn", Tcn, "1,8,64"),
    # Norms and pools
    _of("group_norm", lambda: _sequence(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.SiLU())),
    _of("instance_norm", lambda: _sequence(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True))),
    _of("layer_norm", lambda: _sequence(nn.Linear(32, 64), nn.LayerNorm(64)), "1,10,32"),
    _of("rms_norm", lambda: _sequence(nn.Linear(32, 64), nn.RMSNorm(64)), "1,10,32"),
    _of("local_response_norm", lambda: _sequence(nn.Conv2d(3, 8, 3), nn.LocalResponseNorm(3))),
    _of("adaptive_pool", lambda: _sequence(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d((5, 6)))),
    _of("avg_pool_ceil", lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)),
    _of("lp_pool", lambda: nn.LPPool2d(2, 2)),
    _of(
        "max_pool_indices",
        lambda: Calls(lambda _m, x: functional.max_pool2d(x, 2, return_indices=True)),
    ),
    # Activations
    _activation("gelu", nn.GELU),
    _activation("gelu_tanh", lambda: nn.GELU("tanh")),
    _activation("quick_gelu", lambda: Calls(lambda _m, x: x * torch.sigmoid(1.702 * x))),
    _activation("mish", nn.Mish),
    _activation("celu", nn.CELU),
    _activation("softplus", nn.Softplus),
    _activation("hardtanh", nn.Hardtanh),
    _activation("prelu", lambda: nn.PReLU(8)),
    _activation("glu", lambda: _sequence(nn.GLU(1), nn.Conv2d(4, 8, 1))),
    _activation("logsigmoid", nn.LogSigmoid),
    # Resizing
    _resized("nearest", scale_factor=2, mode="nearest"),
    _resized("bilinear", size=(50, 70), mode="bilinear", align_corners=False),
    _resized("bilinear_corners", scale_factor=2, mode="bilinear", align_corners=True),
    _resized("bicubic", scale_factor=2, mode="bicubic"),
    _resized("area", size=(8, 8), mode="area"),
    _of(
        "grid_sample",
        lambda: Calls(lambda _m, x, grid: functional.grid_sample(x, grid, align_corners=False)),
        "1,3,16,16",
        "1,8,8,2:float32:-1..1",
    ),
    # Whole nets
    _of("unet_transposed", lambda: UNet(transposed=True), "1,3,64,64"),
    _of("unet_bilinear", lambda: UNet(transposed=False), "1,3,64,64"),
    _of("mlp_mixer", Mixer),
    _of("vae", Vae, "1,1,28,28"),
    _of(
        "autoencoder",
        lambda: _sequence(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 64), nn.Sigmoid()),
        "1,64",
    ),
    _of("siamese", lambda: Calls(_siamese, net=_embedding()), "1,3,32,32", "1,3,32,32"),
    _of(
        "face_embedding",
        lambda: Calls(lambda m, x: functional.normalize(m["net"](x)), net=_embedding()),
    ),
    _of("ssd_head", SsdHead, "1,3,64,64"),
    _of("centernet_peaks", lambda: Calls(_non_maximum_free), "1,1,16,16:float32:0..1"),
    _of("point_net", PointNet, "1,3,100"),
    _of("graph_convolution", Graph, "nodes=12,16", "adjacency=12,12:float32:0..1"),
    _of("nerf", Nerf, "64,3:float32:-1..1"),
    # What modules return and take
    _of(
        "segmentation_argmax",
        lambda: Calls(lambda m, x: m["c"](x).argmax(1), c=nn.Conv2d(3, 5, 3, padding=1)),
    ),
    _of("none_output", lambda: Calls(lambda m, x: (m["c"](x), None), c=nn.Conv2d(3, 5, 3))),
    _of(
        "ordered_dict_output",
        lambda: Calls(
            lambda m, x: OrderedDict(logits=m["c"](x), mask=m["c"](x) > 0), c=nn.Conv2d(3, 5, 3)
        ),
    ),
    _of(
        "nested_output",
        lambda: Calls(
            lambda m, x: (m["c"](x), [m["c"](x).mean(), m["c"](x).amax((2, 3))]),
            c=nn.Conv2d(3, 5, 3),
        ),
    ),
    _of(
        "bool_mask",
        lambda: Calls(lambda m, x, keep: m["c"](x).masked_fill(~keep, -1.0), c=nn.Conv2d(3, 4, 1)),
        "1,3,16,16",
        "1,1,16,16:bool",
    ),
    _of(
        "uint8_image",
        lambda: Calls(
            lambda m, x: m["c"](x.float().permute(0, 3, 1, 2) / 255), c=nn.Conv2d(3, 4, 3)
        ),
        "1,32,32,3:uint8",
    ),
    _of(
        "int8_input",
        lambda: Calls(lambda m, x: m["l"](x.float() * 0.05), l=nn.Linear(16, 4)),
        "1,16:int8",
    ),
    _of("float64_input", lambda: nn.Linear(8, 4).double(), "1,8:float64"),
    _of("half", lambda: nn.Linear(8, 4).half(), "1,8:float16"),
    _of("timestep", Timestep, "x=1,3,16,16", "t=:int64:0..999"),
    _of(
        "fixed_batch",
        lambda: Calls(
            lambda m, x: m["l"](m["c"](x).reshape(1, -1)),
            c=_sequence(nn.Conv2d(3, 2, 3, 2), nn.BatchNorm2d(2), nn.ReLU()),
            l=nn.Linear(450, 5),
        ),
    ),
    _of(
        "cumsum_sort",
        lambda: Calls(lambda _m, x: (x.cumsum(1), x.sort(1, descending=True).values)),
        "1,20",
    ),
    _of(
        "where_scatter",
        lambda: Calls(
            lambda _m, x, i: torch.where(x > 0, torch.zeros_like(x).scatter(1, i, x), -x)
        ),
        "1,10",
        "1,10:int64:0..9",
    ),
    _of(
        "spectrogram",
        lambda: Calls(
            lambda _m, x: torch.stft(
                x, 64, 32, window=torch.hann_window(64), return_complex=True
            ).abs()
        ),
        "1,512",
    ),
)
