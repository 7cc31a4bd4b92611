"""The tiny configurations. Every one goes down the same code path as a published SmolVLM; none is like another.

A case names only what `config.json` shall say: a key that is left out is left out of the file on purpose, and the reader has
to know its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

OPTIONS = [" A", " B", " (C)", " lamp", " the chair on the left", "12"]


@dataclass
class Picture:
    """A synthetic picture; `mode` is the PNG's colour type."""

    width: int
    height: int
    mode: str = "RGB"


@dataclass
class Case:
    name: str
    note: str
    family: str  # "idefics3" or "smolvlm"
    vision: dict
    text: dict
    top: dict = field(default_factory=dict)
    scale_factor: int | None = 2  # None: leave the key out (the default is 2)
    tokens: int = 1  # image tokens per frame
    longest_edge: int = 32  # working size L
    tile: int = 16  # tile size T
    split: bool = True
    pictures: list[Picture] = field(default_factory=list)
    content: list[str] | None = None  # parts of the user turn; "" is a picture. None: pictures first, then `prompt`
    prompt: str = "What is to the left of the lamp?"
    dtype: str = "f32"  # of the weight file
    shards: int = 1
    self_contained: bool = False  # carries its own copy of the tokenizer files
    beyond_published: bool = False  # legal for the architecture, but no published SmolVLM has it
    options: list[str] = field(default_factory=lambda: list(OPTIONS))


def synthetic_picture(picture: Picture, seed: int) -> Image.Image:
    """Gradients, stripes and noise: no two pixels alike, no direction favoured."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : picture.height, 0 : picture.width].astype(np.int64)
    a, b, c = (int(value) for value in rng.integers(3, 40, 3))
    planes = [
        (a * x + b * y) % 256,
        (x * x // 5 + c * y + a) % 256,
        ((x ^ y) * 5 + rng.integers(0, 48, x.shape)) % 256,
        (255 - (b * x + a * y) % 200) % 256,
    ]
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[picture.mode]
    data = np.stack(planes[:channels], axis=-1).astype(np.uint8)
    return Image.fromarray(data[..., 0] if channels == 1 else data, picture.mode)


CASES = [
    Case(
        name="smolvlm_1x2",
        note="V2-like config: vision layers and activation left to defaults (12 layers), rope_theta an integer, kv shared by 2 heads",
        family="smolvlm",
        vision={"hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 4, "patch_size": 4, "image_size": 16},
        text={
            "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 3, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5, "rope_theta": 100000,
        },
        top={"pad_token_id": 128002, "torch_dtype": "float32"},
        tokens=4,
        pictures=[Picture(61, 23)],
    ),
    Case(
        name="idefics3_2x1",
        note="patch 8 does not divide image 34; scale 4; one kv head; head_dim 16 is not hidden/heads; default vision MLP (3072); rope_theta a float",
        family="idefics3",
        vision={
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8, "image_size": 34,
        },
        text={
            "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3,
            "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-5, "rope_theta": 273768.0,
        },
        scale_factor=4,
        longest_edge=68,
        tile=34,
        pictures=[Picture(19, 47)],
        prompt="How far is the door (in metres)?",
    ),
    Case(
        name="idefics3_2x2",
        note="2.2B-like config: no head counts in text_config (32 heads, kv = heads), patch 14 leaves 3 pixels over, scale 3, odd sizes; bf16 file",
        family="idefics3",
        vision={
            "hidden_size": 18, "intermediate_size": 43, "num_hidden_layers": 2, "num_attention_heads": 3,
            "patch_size": 14, "image_size": 45,
        },
        text={
            "hidden_size": 64, "intermediate_size": 72, "num_hidden_layers": 2, "rms_norm_eps": 1e-5,
            "rope_theta": 273768.0,
        },
        scale_factor=3,
        longest_edge=90,
        tile=45,
        pictures=[Picture(131, 97)],
        prompt="Which object is closer to the camera? (A) the lamp (B) the chair",
        dtype="bf16",
    ),
    Case(
        name="idefics3_3x2",
        note="six tiles and the global frame, 4 tokens each; kv shared by 2 heads; head_dim 12; rms eps 1e-6",
        family="idefics3",
        vision={
            "hidden_size": 20, "intermediate_size": 33, "num_hidden_layers": 3, "num_attention_heads": 5,
            "patch_size": 4, "image_size": 24,
        },
        text={
            "hidden_size": 36, "intermediate_size": 52, "num_hidden_layers": 3, "num_attention_heads": 6,
            "num_key_value_heads": 3, "head_dim": 12, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        },
        scale_factor=3,
        tokens=4,
        longest_edge=72,
        tile=24,
        pictures=[Picture(33, 51)],
        prompt="How many chairs are around the table?",
    ),
    Case(
        name="smolvlm_two_images",
        note="two pictures with different grids, the second grey and later in the turn; bf16 file; newer keys rope_parameters and dtype",
        family="smolvlm",
        vision={
            "hidden_size": 16, "intermediate_size": 36, "num_hidden_layers": 2, "num_attention_heads": 2,
            "patch_size": 4, "image_size": 16,
        },
        text={
            "hidden_size": 40, "intermediate_size": 60, "num_hidden_layers": 2, "num_attention_heads": 5,
            "num_key_value_heads": 5, "head_dim": 8, "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"}, "dtype": "bfloat16",
        },
        top={"dtype": "bfloat16"},
        scale_factor=4,
        pictures=[Picture(57, 22), Picture(45, 43, "L")],
        content=["", "Here is the first room. ", "", "Which of them has a lamp?"],
        dtype="bf16",
    ),
    Case(
        name="idefics3_text_only",
        note="no picture at all; f16 file; text layers (32), kv heads, rope_theta (10000) and rms eps (1e-6) left to defaults",
        family="idefics3",
        vision={
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4,
            "patch_size": 4, "image_size": 16,
        },
        text={"hidden_size": 20, "intermediate_size": 24, "num_attention_heads": 2},
        scale_factor=2,
        tokens=4,
        prompt="Is the box above the shelf or below it?",
        dtype="f16",
    ),
    Case(
        name="smolvlm_tiny_upscaled",
        note="a 5x3 picture with alpha (dropped, not blended) enlarged to one square frame; vision heads left to default (16); sharded file",
        family="smolvlm",
        vision={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "patch_size": 4, "image_size": 32,
        },
        text={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 8,
            "num_key_value_heads": 1, "head_dim": 6, "rms_norm_eps": 1e-5, "rope_theta": 100000,
        },
        scale_factor=4,
        tokens=4,
        longest_edge=32,
        tile=32,
        pictures=[Picture(5, 3, "RGBA")],
        prompt="The table is",
        shards=3,
    ),
    Case(
        name="smolvlm_no_split",
        note="self-contained folder; splitting off: a wide picture squeezed into one square frame; patch (32) and scale (2) left to defaults",
        family="smolvlm",
        vision={"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 64},
        text={
            "hidden_size": 28, "intermediate_size": 44, "num_hidden_layers": 2, "num_attention_heads": 7,
            "num_key_value_heads": 7, "head_dim": 4, "rms_norm_eps": 1e-5, "rope_theta": 130000,
        },
        scale_factor=None,
        longest_edge=128,
        tile=64,
        split=False,
        pictures=[Picture(201, 89)],
        prompt="Answer with the letter of the option.\nIs the door on the right?",
        self_contained=True,
    ),
    Case(
        name="smolvlm_1x4",
        note="a very wide picture, one row of four tiles; scale 8 folds a frame's 8x8 patches into one token; one vision head",
        family="smolvlm",
        vision={
            "hidden_size": 6, "intermediate_size": 17, "num_hidden_layers": 2, "num_attention_heads": 1,
            "patch_size": 4, "image_size": 32,
        },
        text={
            "hidden_size": 36, "intermediate_size": 41, "num_hidden_layers": 2, "num_attention_heads": 9,
            "num_key_value_heads": 3, "head_dim": 10, "rms_norm_eps": 1e-5, "rope_theta": 100000,
        },
        scale_factor=8,
        longest_edge=128,
        tile=32,
        pictures=[Picture(333, 41)],
        prompt="Describe the room.",
    ),
    Case(
        name="idefics3_tied",
        note="tie_word_embeddings true: the file has no lm_head.weight and the embedding is the head",
        family="idefics3",
        vision={
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
            "patch_size": 4, "image_size": 16,
        },
        text={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5, "rope_theta": 100000,
            "tie_word_embeddings": True,
        },
        top={"tie_word_embeddings": True},
        tokens=4,
        pictures=[Picture(40, 40)],
        beyond_published=True,
    ),
    Case(
        name="smolvlm_small_tile",
        note="tiles smaller than image_size: the 6x6 patches of a frame pick positions out of a 10x10 table, floor(i * 10 / 6)",
        family="smolvlm",
        vision={
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
            "patch_size": 4, "image_size": 40,
        },
        text={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 4, "head_dim": 8, "rms_norm_eps": 1e-5, "rope_theta": 100000,
        },
        scale_factor=3,
        tokens=4,
        longest_edge=48,
        tile=24,
        pictures=[Picture(50, 26)],
        beyond_published=True,
    ),
]
