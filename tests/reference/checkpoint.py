"""Writes a case's checkpoint folder in the layout of the model hub: configs, pictures, random weights."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from cases import Case, synthetic_picture
from refcommon import FIXTURES, load_tokenizer, write_json

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.json"]


def config_json(case: Case, tokenizer) -> dict:
    architecture = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[case.family] + "ForConditionalGeneration"
    config = {
        "architectures": [architecture],
        "model_type": case.family,
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "tie_word_embeddings": False,
        "vision_config": {"model_type": f"{case.family}_vision", **case.vision},
        "text_config": {
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 8192,
            "pad_token_id": tokenizer.pad_token_id,
            # Published configs carry this dead section; it says "tied" and must not be believed.
            "perceiver_config": {"tie_word_embeddings": True, "num_key_value_heads": 1},
            **case.text,
        },
        **case.top,
    }
    if case.scale_factor is not None:
        config["scale_factor"] = case.scale_factor
    return config


def write_side_files(case: Case, folder: Path, tokenizer) -> None:
    prefix = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[case.family]
    write_json(folder / "config.json", config_json(case, tokenizer))
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": True,
            "do_image_splitting": case.split,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "image_processor_type": f"{prefix}ImageProcessor",
            "max_image_size": {"longest_edge": case.tile},
            "processor_class": f"{prefix}Processor",
            "resample": 1,
            "rescale_factor": 0.00392156862745098,
            "size": {"longest_edge": case.longest_edge},
        },
    )
    write_json(folder / "processor_config.json", {"image_seq_len": case.tokens, "processor_class": f"{prefix}Processor"})
    write_json(
        folder / "generation_config.json",
        {
            "_from_model_config": True,
            "bos_token_id": 0,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "transformers_version": "4.47.1",
        },
    )


def random_tensor(name: str, shape: torch.Size, seed: int) -> torch.Tensor:
    """Large enough that every tensor is felt in the logits: unit gain through the layers, norms near one, real biases."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
    noise = torch.randn(shape, generator=generator, dtype=torch.float32)
    if name.endswith(".bias"):
        return 0.3 * noise
    if "norm" in name:
        return 1.0 + 0.25 * noise
    if "position_embedding" in name:
        return 0.7 * noise
    if "embed_tokens" in name:
        return noise
    fan_in = shape[1:].numel()
    # Sharper attention (q, k) and logits of a few units (lm_head) make the outputs depend on more than the largest terms.
    gain = 1.6 if ("q_proj" in name or "k_proj" in name) else 3.0 if "lm_head" in name else 1.2
    return gain / fan_in**0.5 * noise


def random_weights(config, seed: int) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    tied = config.tie_word_embeddings
    names = {name: value.shape for name, value in model.state_dict().items() if not (tied and name == "lm_head.weight")}
    return {name: random_tensor(name, shape, seed) for name, shape in sorted(names.items())}


def write_weights(weights: dict[str, torch.Tensor], folder: Path, dtype: str, shards: int) -> None:
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    stored = {name: value.to(DTYPES[dtype]).contiguous() for name, value in weights.items()}
    if shards == 1:
        save_file(stored, str(folder / "model.safetensors"), metadata={"format": "pt"})
        return
    names = sorted(stored)
    weight_map = {name: f"model-{1 + i % shards:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for file in sorted(set(weight_map.values())):
        part = {name: stored[name] for name in names if weight_map[name] == file}
        save_file(part, str(folder / file), metadata={"format": "pt"})
    total = sum(value.numel() * value.element_size() for value in stored.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_case(case: Case) -> tuple[Path, list[Path]]:
    """Everything but the weights. -> (the folder, its pictures)"""
    folder = FIXTURES / case.name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    shared = FIXTURES / "tokenizer"
    write_side_files(case, folder, load_tokenizer(shared))
    if case.self_contained:
        for name in TOKENIZER_FILES:
            shutil.copy(shared / name, folder / name)
    pictures = []
    for index, picture in enumerate(case.pictures):
        path = folder / ("image.png" if len(case.pictures) == 1 else f"image_{index}.png")
        synthetic_picture(picture, zlib.crc32(f"{case.name}/{index}".encode())).save(path)
        pictures.append(path)
    return folder, pictures


def load_config(folder: Path):
    return AutoConfig.from_pretrained(str(folder))
