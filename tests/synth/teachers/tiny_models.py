"""Depth-estimation models of a few thousand random weights, in folders like those of published ones."""

import torch
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
    ZoeDepthImageProcessor,
)

_BODY = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "initializer_range": 0.2}
_NECK = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "initializer_range": 0.2}
_TAPS = {"out_features": ["stage1", "stage2", "stage3", "stage4"], "reshape_hidden_states": False}


def dinov2():
    return Dinov2Config(**_BODY, **_TAPS, image_size=42, patch_size=14, mlp_ratio=2)


def dpt(**changes):
    config = DPTConfig(
        **(_BODY | _NECK), intermediate_size=32, image_size=32, patch_size=8, backbone_out_indices=[0, 1, 2, 3],
        **changes,
    )  # fmt: skip
    return DPTForDepthEstimation(config), DPTImageProcessor(size={"height": 32, "width": 32})


def depth_anything(kind="relative"):
    config = DepthAnythingConfig(
        **_NECK, backbone_config=dinov2(), patch_size=14, reassemble_hidden_size=16, head_hidden_size=8,
        depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    processor = DPTImageProcessor(size={"height": 42, "width": 42}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return DepthAnythingForDepthEstimation(config), processor


def glpn():
    config = GLPNConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8,
        initializer_range=0.2, drop_path_rate=0.0,
    )  # fmt: skip
    return GLPNForDepthEstimation(config), GLPNImageProcessor(size_divisor=32)


def zoedepth():
    backbone = BeitConfig(
        **_BODY, **_TAPS, intermediate_size=32, image_size=64, patch_size=16, use_relative_position_bias=True,
        add_fpn=False,
    )  # fmt: skip
    config = ZoeDepthConfig(
        **_NECK, backbone_config=backbone, reassemble_factors=[4, 2, 1, 0.5], bottleneck_features=8,
        num_relative_features=8, bin_embedding_dim=8, num_attractors=[2, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )  # fmt: skip
    return ZoeDepthForDepthEstimation(config), ZoeDepthImageProcessor(size={"height": 64, "width": 64})


def save(folder, make=dpt, seed=0, **arguments):
    """Writes a model and its pre-processing; returns the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, processor = make(**arguments)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
