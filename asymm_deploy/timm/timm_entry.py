"""Our classifiers with the methods and the facts that timm expects of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from timm.layers import SelectAdaptivePool2d
from timm.models import DefaultCfg, PretrainedCfg, build_model_with_cfg, checkpoint_seq
from torch import Tensor, nn

from asymm_deploy.errors import UsageError
from asymm_deploy.images.preprocessing import IMAGENET
from asymm_deploy.models.build import DROPOUT, Classifier
from asymm_deploy.models.spec import IMAGE_CHANNELS, NetSpec, with_classes

_WHITE = 255.0
"""timm counts mean and deviation in shares of it."""


class TimmClassifier(Classifier):
    """One of our classifiers; its parameters are called as in `models.build.Classifier`."""

    def __init__(
        self,
        spec: NetSpec,
        *,
        num_classes: int,
        in_chans: int = IMAGE_CHANNELS,
        drop_rate: float = DROPOUT,
        global_pool: str = "avg",
    ) -> None:
        super().__init__(with_classes(spec, max(num_classes, 1)))
        if in_chans != IMAGE_CHANNELS:
            self.stem.conv = nn.Conv2d(
                in_chans, spec.stem, spec.stem_kernel, 2, spec.stem_kernel // 2, bias=False
            )
        self.in_chans = in_chans
        self.num_features = self.channels[-1]
        self.head_hidden_size = spec.head or self.num_features
        self.drop_rate = drop_rate
        self.dropout = nn.Dropout(drop_rate)
        self.grad_checkpointing = False
        self.feature_info = feature_info(spec)
        self.reset_classifier(num_classes, global_pool)

    def get_classifier(self) -> nn.Module:
        """Return the last layer: linear, or the identity for 0 classes."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Give the network a new last layer for ``num_classes``, and another pooling if any.

        0 classes are none: the network then returns what comes before, (N, head_hidden_size).
        Raises UsageError for poolings that change the number of channels, which the head fixes.
        """
        if global_pool is not None:
            if global_pool not in {"avg", "max", "avgmax"}:
                raise UsageError(
                    f"global_pool {global_pool!r} leaves another shape than the head takes",
                    "give avg, max or avgmax",
                )
            self.pool = SelectAdaptivePool2d(pool_type=global_pool)
        self.num_classes = num_classes
        like = self.stem.conv.weight
        self.classifier = (
            nn.Linear(self.head_hidden_size, num_classes, device=like.device, dtype=like.dtype)
            if num_classes > 0
            else nn.Identity()
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Return which parameters belong together, for learning rates by layer."""
        del coarse  # a block is as coarse as it is fine
        return {"stem": r"^stem|^after_stem", "blocks": r"^blocks\.(\d+)"}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the blocks' values again for the gradients, to save memory, or keep them."""
        self.grad_checkpointing = enable

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> the last map, (N, num_features, h, w)."""
        if not self.grad_checkpointing:
            return self.features(x)[-1]
        x = self.stem(x)
        if self.after_stem is not None:
            x = self.after_stem(x)
        x = checkpoint_seq(self.blocks, x)
        return x if self.last is None else self.last(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, num_features, h, w) -> (N, num_classes), or what the classifier gets."""
        x = self.pool(x)
        if self.head is not None:
            x = self.head(x)
        x = self.dropout(x.flatten(1))
        return x if pre_logits else self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, num_classes)."""
        return self.forward_head(self.forward_features(x))


def feature_info(spec: NetSpec) -> list[dict[str, Any]]:
    """Return the last block of each stride, as ``features_only=True`` takes them."""
    found = {2: {"num_chs": spec.stem, "reduction": 2, "module": "stem"}}
    stride = spec.stem_stride
    for index, row in enumerate(spec.rows):
        stride *= row.stride
        found[stride] = {"num_chs": row.out, "reduction": stride, "module": f"blocks.{index}"}
    return list(found.values())


def default_cfg(spec: NetSpec) -> DefaultCfg:
    """Return what timm is to know of ``spec``: no weights, and the authors' preprocessing."""
    channels, height, width = spec.input_shape[1:]
    facts = PretrainedCfg(
        num_classes=spec.classes,
        input_size=(channels, height, width),
        pool_size=(height // 32, width // 32),
        crop_pct=IMAGENET.crop_ratio,
        interpolation=IMAGENET.interpolation,
        mean=tuple(value / _WHITE for value in IMAGENET.mean),
        std=tuple(value / _WHITE for value in IMAGENET.std),
        first_conv="stem.conv",
        classifier="classifier",
    )
    return DefaultCfg(tags=[""], cfgs={"": facts})


def entry_point(spec: NetSpec, module: str) -> Callable[..., nn.Module]:
    """Return a function that makes ``spec``, as `timm.models.register_model` takes it."""

    def make(pretrained: bool = False, **options: Any) -> nn.Module:
        options.setdefault("num_classes", spec.classes)
        made: nn.Module = build_model_with_cfg(
            TimmClassifier,
            spec.name,
            pretrained,
            model_cfg=None,
            feature_cfg={
                "out_indices": tuple(range(len(feature_info(spec)))),
                "feature_cls": "hook",
            },
            spec=spec,
            **options,
        )
        return made

    make.__name__ = make.__qualname__ = spec.name
    make.__module__ = module
    make.__doc__ = f"Make {spec.name}: an nn.Module, (N, 3, H, W) -> (N, num_classes)."
    return make
