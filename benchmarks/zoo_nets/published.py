"""Architectures of timm, torchvision and ultralytics, all with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.zoo_nets.entry import Entry

if TYPE_CHECKING:
    from torch import nn


def without_compiled_torchvision() -> None:
    """Let torchvision be imported where its compiled operators can't be loaded.

    PyPI's build needs a torch with CUDA. Its nets are Python all the same, as far as they need no
    NMS and no RoIAlign; but it insists on two operators that its library would have declared.
    """
    import torch

    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
            )


def without_idle_head(model: nn.Module) -> nn.Module:
    """Give random weights to layers that wait for training at 0: their output tells nothing."""
    from torch import nn

    for layer in model.modules():
        if isinstance(layer, nn.Linear) and not layer.weight.any():
            nn.init.normal_(layer.weight, std=0.02)
    return model


def _timm(name: str, size: int = 224) -> Entry:
    def build() -> nn.Module:
        without_compiled_torchvision()
        import timm

        return without_idle_head(timm.create_model(name, pretrained=False))

    return Entry(f"timm_{name}", "timm", build, (f"1,3,{size},{size}",))


def _torchvision(name: str, size: int = 224) -> Entry:
    def build() -> nn.Module:
        without_compiled_torchvision()
        from torchvision import models

        model: nn.Module = models.get_model(name, weights=None, weights_backbone=None)
        return model

    def build_classifier() -> nn.Module:
        without_compiled_torchvision()
        from torchvision import models

        extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        return without_idle_head(models.get_model(name, weights=None, **extra))

    chosen = build if name in _SEGMENTERS else build_classifier
    return Entry(f"torchvision_{name}", "torchvision", chosen, (f"1,3,{size},{size}",))


def _ultralytics(name: str, kind: str = "DetectionModel", size: int = 320) -> Entry:
    def build() -> nn.Module:
        without_compiled_torchvision()
        from ultralytics.nn import tasks

        model: nn.Module = getattr(tasks, kind)(f"{name}.yaml", verbose=False)
        return model

    known = name.replace("-", "_")
    return Entry(f"ultralytics_{known}", "ultralytics", build, (f"1,3,{size},{size}",))


_SEGMENTERS = ("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large", "fcn_resnet50")
TIMM = tuple(
    _timm(name, *size)
    for name, *size in (
        # Convolutional nets
        ("resnet18",),
        ("resnest14d",),
        ("skresnet18",),
        ("regnety_002",),
        ("mobilenetv2_050",),
        ("mobilenetv3_small_050",),
        ("tf_mobilenetv3_small_minimal_100",),
        ("mobilenetv4_conv_small",),
        ("efficientnet_b0",),
        ("tf_efficientnetv2_b0",),
        ("mixnet_s",),
        ("ghostnet_050",),
        ("lcnet_050",),
        ("rexnet_100",),
        ("densenet121",),
        ("repvgg_a0",),
        ("mobileone_s0",),
        ("convnext_atto",),
        ("convnextv2_atto",),
        ("starnet_s1",),
        ("nf_regnet_b0",),
        ("mambaout_femto",),
        # Attention and mixtures
        ("edgenext_xx_small",),
        ("mobilevit_xxs", 256),
        ("mobilevitv2_050", 256),
        ("fastvit_t8", 256),
        ("repvit_m0_9",),
        ("efficientformer_l1",),
        ("efficientvit_b0",),
        ("efficientvit_m0",),
        ("swiftformer_xs",),
        ("tiny_vit_5m_224",),
        ("levit_128s",),
        ("vit_tiny_patch16_224",),
        ("eva02_tiny_patch14_224",),
        ("swin_tiny_patch4_window7_224",),
        ("pvt_v2_b0",),
        ("poolformer_s12",),
        ("xcit_nano_12_p16_224",),
        ("convit_tiny",),
        ("hiera_tiny_224",),
        ("mixer_s32_224",),
        ("gmlp_ti16_224",),
        ("botnet26t_256", 256),
        ("halonet26t", 256),
    )
)

TORCHVISION = tuple(
    _torchvision(name, *size)
    for name, *size in (
        ("alexnet",),
        ("squeezenet1_1",),
        ("googlenet",),
        ("shufflenet_v2_x0_5",),
        ("mobilenet_v2",),
        ("mobilenet_v3_small",),
        ("mnasnet0_5",),
        ("resnet34",),
        ("vit_b_32",),
        ("lraspp_mobilenet_v3_large", 128),
        ("deeplabv3_mobilenet_v3_large", 128),
        ("fcn_resnet50", 64),
    )
)

ULTRALYTICS = (
    _ultralytics("yolov3-tiny"),
    _ultralytics("yolov5n"),
    _ultralytics("yolov8n"),
    _ultralytics("yolov8n-seg", "SegmentationModel"),
    _ultralytics("yolov8n-pose", "PoseModel"),
    _ultralytics("yolov8n-cls", "ClassificationModel", 224),
    _ultralytics("yolov9t"),
    _ultralytics("yolov10n"),
    _ultralytics("yolo11n"),
    _ultralytics("yolo12n"),
)
