"""Nets of plain torch.nn that need more than a line, in the ways that people write them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class Calls(nn.Module):
    """A forward that is one function of its parts and its inputs."""

    def __init__(self, forward: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.function = forward

    def forward(self, *inputs: Tensor) -> Any:
        """Whatever the function says."""
        return self.function(self.parts, *inputs)


class LstmTagger(nn.Module):
    """Token ids -> embedding -> LSTM of two layers both ways -> a class for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(500, 32)
        self.lstm = nn.LSTM(32, 24, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(48, 9)

    def forward(self, ids: Tensor) -> Tensor:
        """(N, T) -> (N, T, 9)."""
        states, _ = self.lstm(self.embedding(ids))
        return self.head(states)


class Stateful(nn.Module):
    """A recurrent cell for streams: the state comes in and goes out."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell: nn.Module = getattr(nn, kind)(16, 32)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 16), (N, 32) -> (N, 4), (N, 32)."""
        state = self.cell(x, state)
        return self.head(state), state


class LstmStream(nn.Module):
    """An LSTM whose two states come in and go out."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1, T, 16) and two states (1, 1, 32) -> (1, T, 4) and the next states."""
        y, (h, c) = self.lstm(x, (h, c))
        return self.head(y), h, c


class ConvLstm(nn.Module):
    """ConvLSTM (Shi et al. 2015) over five frames, unrolled."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Conv2d(3 + channels, 4 * channels, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, T, 3, H, W) -> (N, channels, H, W), the last state."""
        n, steps, _, height, width = frames.shape
        h = frames.new_zeros(n, self.channels, height, width)
        c = h
        for step in range(steps):
            i, f, o, g = self.gates(torch.cat((frames[:, step], h), 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) of three levels."""

    def __init__(self, *, transposed: bool) -> None:
        super().__init__()

        def block(a: int, b: int) -> nn.Sequential:
            layers = (nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            return nn.Sequential(*layers, nn.Conv2d(b, b, 3, padding=1), nn.ReLU(inplace=True))

        self.down = nn.ModuleList([block(3, 16), block(16, 32), block(32, 64)])
        self.up: nn.ModuleList = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, 2)
            if transposed
            else nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(a, b, 1))
            for a, b in ((64, 32), (32, 16))
        )
        self.merge = nn.ModuleList([block(64, 32), block(32, 16)])
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 2, H, W)."""
        kept = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for up, merge, skip in zip(self.up, self.merge, (kept[1], kept[0]), strict=True):
            x = merge(torch.cat((up(x), skip), 1))
        return self.head(x)


class WaveNet(nn.Module):
    """Gated dilated convolutions with skips, after WaveNet (van den Oord et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 16, 1)
        self.gates = nn.ModuleList(
            nn.Conv1d(16, 32, 2, dilation=2**i, padding=2**i) for i in range(5)
        )
        self.skips = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in range(5))
        self.head = nn.Conv1d(16, 64, 1)

    def forward(self, wave: Tensor) -> Tensor:
        """(N, 1, T) -> (N, 64, T)."""
        x = self.first(wave)
        total = torch.zeros_like(x)
        for gate, skip in zip(self.gates, self.skips, strict=True):
            a, b = gate(x)[..., : x.shape[-1]].chunk(2, 1)
            y = skip(torch.tanh(a) * torch.sigmoid(b))
            x, total = x + y, total + y
        return self.head(functional.relu(total))


class Tcn(nn.Module):
    """Temporal convolutional net (Bai et al. 2018) with weight norm and left padding."""

    def __init__(self) -> None:
        super().__init__()
        norm = torch.nn.utils.parametrizations.weight_norm
        self.layers = nn.ModuleList(
            norm(nn.Conv1d(a, 24, 3, dilation=2**i)) for i, a in enumerate((8, 24, 24))
        )
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 8, T) -> (N, 5)."""
        for i, layer in enumerate(self.layers):
            x = functional.relu(layer(functional.pad(x, (2 * 2**i, 0))))
        return self.head(x[..., -1])


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021) of two blocks."""

    def __init__(self) -> None:
        super().__init__()

        def mlp(a: int, b: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, a))

        self.stem = nn.Conv2d(3, 64, 8, 8)
        self.tokens = nn.ModuleList(mlp(16, 32) for _ in range(2))
        self.channels = nn.ModuleList(mlp(64, 128) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(4))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 10)."""
        x = self.stem(x).flatten(2).transpose(1, 2)
        for i in range(2):
            x = x + self.tokens[i](self.norms[2 * i](x).transpose(1, 2)).transpose(1, 2)
            x = x + self.channels[i](self.norms[2 * i + 1](x))
        return self.head(x.mean(1))


class SsdHead(nn.Module):
    """A detector without NMS: boxes and scores of two scales, decoded against anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 16, 3, 4, 1), nn.ReLU6())
        self.b = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU6())
        self.heads = nn.ModuleList(nn.Conv2d(c, 2 * (4 + 3), 3, padding=1) for c in (16, 32))
        self.register_buffer("anchors", torch.rand(2 * (16 * 16 + 8 * 8), 4) + 0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 64, 64) -> boxes (N, 640, 4), scores (N, 640, 3)."""
        a = self.a(x)
        found = [
            head(y).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 7)
            for head, y in zip(self.heads, (a, self.b(a)), strict=True)
        ]
        raw = torch.cat(found, 1)
        centre = raw[..., :2] * 0.1 * self.anchors[:, 2:] + self.anchors[:, :2]
        size = torch.exp(raw[..., 2:4].clamp(max=4) * 0.2) * self.anchors[:, 2:]
        return torch.cat((centre - size / 2, centre + size / 2), -1), raw[..., 4:].softmax(-1)


class GptBlock(nn.Module):
    """Causal attention by scaled_dot_product_attention, with tied embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(300, 64)
        self.places = nn.Embedding(64, 64)
        self.qkv = nn.Linear(64, 192)
        self.out = nn.Linear(64, 64)
        self.norm = nn.LayerNorm(64)

    def forward(self, ids: Tensor) -> Tensor:
        """(N, T) -> (N, T, 300)."""
        n, t = ids.shape
        x = self.tokens(ids) + self.places(torch.arange(t, device=ids.device))
        q, k, v = (
            part.view(n, t, 4, 16).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, 64))
        return x @ self.tokens.weight.t()


class Nerf(nn.Module):
    """Sines of positions into an MLP (Mildenhall et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(6) * math.pi)
        self.mlp = nn.Sequential(nn.Linear(36, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, xyz: Tensor) -> Tensor:
        """(N, 3) -> (N, 4)."""
        angles = (xyz[..., None] * self.frequencies).flatten(-2)
        return self.mlp(torch.cat((angles.sin(), angles.cos()), -1))


class Vae(nn.Module):
    """A variational autoencoder at inference: the mean is decoded, and both heads come out."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ELU(), nn.Flatten())
        self.mean, self.log_var = nn.Linear(8 * 14 * 14, 16), nn.Linear(8 * 14 * 14, 16)
        self.decoder = nn.Sequential(
            nn.Linear(16, 8 * 7 * 7),
            nn.Unflatten(1, (8, 7, 7)),
            nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1),
            nn.SELU(),
            nn.ConvTranspose2d(8, 1, 3, 2, 1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(N, 1, 28, 28) -> reconstruction, mean and log_var by name."""
        y = self.encoder(x)
        mean = self.mean(y)
        return {"image": self.decoder(mean), "mean": mean, "log_var": self.log_var(y)}


class PointNet(nn.Module):
    """PointNet (Qi et al. 2017) with its alignment by a learnt matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.align = nn.Sequential(nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU())
        self.matrix = nn.Linear(32, 9)
        self.features = nn.Sequential(nn.Conv1d(3, 64, 1), nn.BatchNorm1d(64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, points: Tensor) -> Tensor:
        """(N, 3, P) -> (N, 10)."""
        matrix = self.matrix(self.align(points).amax(2)).view(-1, 3, 3) + torch.eye(3)
        aligned = torch.bmm(points.transpose(1, 2), matrix).transpose(1, 2)
        return functional.log_softmax(self.head(self.features(aligned).amax(2)), dim=1)


class Graph(nn.Module):
    """A graph convolution (Kipf, Welling 2017) on a dense adjacency matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """(V, 16), (V, V) -> (V, 4)."""
        degree = adjacency.abs().sum(1, keepdim=True) + 1
        return self.b(adjacency @ functional.relu(self.a(adjacency @ nodes / degree)) / degree)


class WideDeep(nn.Module):
    """Categories and numbers of a table, with one embedding each."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 8) for n in (10, 50, 200))
        self.mlp = nn.Sequential(nn.Linear(24 + 6, 32), nn.BatchNorm1d(32), nn.Mish())
        self.head = nn.Linear(32, 1)

    def forward(self, categories: Tensor, numbers: Tensor) -> Tensor:
        """(N, 3) ids, (N, 6) -> (N, 1)."""
        looked_up = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        return self.head(self.mlp(torch.cat((*looked_up, numbers), 1))).sigmoid()


class Seq2Seq(nn.Module):
    """torch's nn.Transformer, source and target given."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Embedding(100, 32), nn.Embedding(100, 32)
        self.body = nn.Transformer(32, 4, 1, 1, 64, batch_first=True)
        self.head = nn.Linear(32, 100)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(N, S), (N, T) -> (N, T, 100)."""
        mask = torch.triu(torch.full((target.shape[1],) * 2, float("-inf")), 1)
        return self.head(self.body(self.a(source), self.b(target), tgt_mask=mask))


class Crnn(nn.Module):
    """CRNN (Shi et al. 2015): columns of an image into a GRU, for CTC."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, (2, 1), 1), nn.ReLU()
        )
        self.gru = nn.GRU(32 * 8, 32, bidirectional=True)
        self.head = nn.Linear(64, 37)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 32, W) -> (W / 2, N, 37)."""
        columns = self.conv(x).flatten(1, 2).permute(2, 0, 1)
        return self.head(self.gru(columns)[0]).log_softmax(2)


class Timestep(nn.Module):
    """A denoiser's step: an image, and the time as a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(N, 3, H, W), () -> (N, 3, H, W)."""
        return self.conv(x) * torch.cos(t.float() * 0.01)
