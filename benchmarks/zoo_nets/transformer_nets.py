"""Architectures of transformers, from small configurations and with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.zoo_nets.entry import Entry
from benchmarks.zoo_nets.published import without_compiled_torchvision

if TYPE_CHECKING:
    from torch import nn

_SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_TEXT: dict[str, Any] = {**_SMALL, "vocab_size": 1000, "intermediate_size": 128}
_IDS = "input_ids=1,32:int64:0..999"
_MASK = "attention_mask=1,32:int64:0..1"
_REDUCED = "two layers, 64 wide"


def _transformers(
    name: str,
    *inputs: str,
    kind: str = "",
    part: str = "",
    remark: str = _REDUCED,
    **options: Any,
) -> Entry:
    """Return ``{name}Model``, or ``kind``, or a part of it, made from ``{name}Config``."""

    def build() -> nn.Module:
        without_compiled_torchvision()
        import transformers

        config = getattr(transformers, f"{name}Config")(**options)
        model: Any = getattr(transformers, kind or f"{name}Model")(config)
        for step in part.split(".") if part else ():
            model = getattr(model, step)
        found: nn.Module = model
        return found

    known = f"transformers_{kind or name}{'_' + part.replace('.', '_') if part else ''}".lower()
    return Entry(known, "transformers", build, inputs, remark)


_PICTURE: dict[str, Any] = {**_SMALL, "intermediate_size": 128, "image_size": 64, "patch_size": 16}
_PIXELS = "1,3,64,64"
_SOUND: dict[str, Any] = {
    **_SMALL,
    "intermediate_size": 128,
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
_CAUSAL: dict[str, Any] = {**_TEXT, "use_cache": False}

TRANSFORMERS = (
    # Text
    _transformers("Bert", _IDS, _MASK, **_TEXT),
    _transformers("Bert", _IDS, _MASK, kind="BertForSequenceClassification", **_TEXT),
    _transformers("Bert", _IDS, kind="BertForMaskedLM", **_TEXT),
    _transformers(
        "DistilBert", _IDS, _MASK, vocab_size=1000, dim=64, n_layers=2, n_heads=4, hidden_dim=128
    ),
    _transformers("Roberta", "input_ids=1,32:int64:5..999", _MASK, **_TEXT),
    _transformers("Albert", _IDS, _MASK, embedding_size=32, **_TEXT),
    _transformers("Electra", _IDS, _MASK, embedding_size=32, **_TEXT),
    _transformers("MobileBert", _IDS, _MASK, embedding_size=32, intra_bottleneck_size=32, **_TEXT),
    _transformers("SqueezeBert", _IDS, _MASK, embedding_size=64, **_TEXT),
    _transformers(
        "DebertaV2", _IDS, _MASK, relative_attention=True, pos_att_type=["p2c", "c2p"], **_TEXT
    ),
    _transformers("MPNet", "input_ids=1,32:int64:5..999", _MASK, **_TEXT),
    _transformers("Nystromformer", _IDS, segment_means_seq_len=32, num_landmarks=8, **_TEXT),
    _transformers("FNet", _IDS, **_TEXT),
    _transformers("ModernBert", _IDS, _MASK, pad_token_id=0, **_TEXT),
    _transformers(
        "GPT2",
        _IDS,
        kind="GPT2LMHeadModel",
        vocab_size=1000,
        n_embd=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
    ),
    _transformers(
        "OPT",
        _IDS,
        kind="OPTForCausalLM",
        vocab_size=1000,
        hidden_size=64,
        ffn_dim=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=64,
        use_cache=False,
    ),
    _transformers("Llama", _IDS, kind="LlamaForCausalLM", **_CAUSAL),
    _transformers("Qwen2", _IDS, kind="Qwen2ForCausalLM", num_key_value_heads=2, **_CAUSAL),
    _transformers(
        "Gemma", _IDS, kind="GemmaForCausalLM", head_dim=16, num_key_value_heads=1, **_CAUSAL
    ),
    _transformers(
        "Bloom",
        _IDS,
        kind="BloomForCausalLM",
        vocab_size=1000,
        hidden_size=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
    ),
    _transformers("GPTNeoX", _IDS, kind="GPTNeoXForCausalLM", **_CAUSAL),
    _transformers(
        "T5",
        _IDS,
        _MASK,
        kind="T5EncoderModel",
        vocab_size=1000,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        use_cache=False,
    ),
    _transformers(
        "Bart",
        _IDS,
        vocab_size=1000,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        use_cache=False,
    ),
    # Images
    _transformers("ViT", _PIXELS, **_PICTURE),
    _transformers("ViT", _PIXELS, kind="ViTForImageClassification", **_PICTURE),
    _transformers("DeiT", _PIXELS, **_PICTURE),
    _transformers("Beit", _PIXELS, **_PICTURE),
    _transformers("Dinov2", _PIXELS, **_PICTURE),
    _transformers(
        "Swin", _PIXELS, image_size=64, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4
    ),
    _transformers("ConvNext", _PIXELS, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]),
    _transformers(
        "MobileViT",
        _PIXELS,
        image_size=64,
        hidden_sizes=[48, 64, 80],
        neck_hidden_sizes=[16, 24, 32, 48, 64, 80, 96],
        remark="64x64, narrower",
    ),
    _transformers(
        "Segformer",
        _PIXELS,
        kind="SegformerForSemanticSegmentation",
        hidden_sizes=[16, 32, 40, 64],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=64,
        remark="one block a stage, 64x64",
    ),
    _transformers("ResNet", _PIXELS, hidden_sizes=[16, 32], depths=[1, 1], embedding_size=16),
    _transformers("PoolFormer", _PIXELS, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]),
    _transformers(
        "Yolos",
        _PIXELS,
        kind="YolosForObjectDetection",
        **{**_PICTURE, "image_size": [64, 64]},
        num_detection_tokens=10,
    ),
    _transformers(
        "Detr",
        _PIXELS,
        kind="DetrForObjectDetection",
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_queries=10,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config={
            "model_type": "resnet",
            "hidden_sizes": [16, 32, 48, 64],
            "depths": [1, 1, 1, 1],
            "embedding_size": 16,
            "out_features": ["stage4"],
        },
        remark="one layer, 32 wide, ResNet of four blocks",
    ),
    _transformers(
        "DPT",
        _PIXELS,
        kind="DPTForDepthEstimation",
        **{**_PICTURE, "num_hidden_layers": 4},
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
        remark="four layers, 64 wide",
    ),
    _transformers("CLIPVision", _PIXELS, **_PICTURE),
    _transformers("CLIPText", _IDS, _MASK, max_position_embeddings=64, **_TEXT),
    _transformers("SiglipVision", _PIXELS, **_PICTURE),
    # Sound
    _transformers(
        "Whisper",
        "1,16,128",
        part="encoder",
        d_model=64,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_mel_bins=16,
        max_source_positions=64,
        vocab_size=1000,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    ),
    _transformers("Wav2Vec2", "1,2000", **_SOUND),
    _transformers("Wav2Vec2", "1,2000", kind="Wav2Vec2ForCTC", **_SOUND),
    _transformers("Hubert", "1,2000", **_SOUND),
    _transformers(
        "AST",
        "1,128,64",
        max_length=128,
        num_mel_bins=64,
        **_SMALL,
        intermediate_size=128,
    ),
)
