"""The adapters the fixtures use: how each library makes, names, saves and loads them.

A method hides the library: `wrap` puts a fresh adapter on a base model, `logits` runs a sequence through it, `keys` maps the
names of the saved file to the live parameters.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open

from train_base import Base

TEXT = r"model\.text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
TEXT_VISION = (
    r"model\.(text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    r"|vision_model\.encoder\.layers\.\d+\.(self_attn\.(q_proj|k_proj|v_proj|out_proj)|mlp\.fc[12]))"
)
ADAPTER = "spatial"  # the name inside the keys of a bottleneck adapter


@dataclass
class Adapter:
    """`kind`: lora, ia3, prompt or bottleneck; `config`: the arguments of the library's config class."""

    name: str
    base: str
    kind: str
    config: dict
    note: str
    dtype: torch.dtype = torch.float32  # of the saved file
    options: dict = field(default_factory=dict)

    @property
    def stack(self) -> str:
        return "adapters" if self.kind == "bottleneck" else "peft"

    @property
    def mergeable(self) -> bool:
        return self.kind in ("lora", "ia3")


def lora(name: str, base: str, note: str, dtype=torch.float32, **config) -> Adapter:
    defaults = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": TEXT}
    return Adapter(name, base, "lora", defaults | config, note, dtype)


def patterns() -> dict:
    """Keys of all three kinds: a plain tail, a longer tail, a regex; one module has a rank only, one an alpha only."""
    return {
        "rank_pattern": {"q_proj": 2, "layers.0.mlp.down_proj": 6, r"layers\.[01]\.self_attn\.v_proj": 3},
        "alpha_pattern": {"k_proj": 2, "layers.1.mlp.gate_proj": 20, r"layers\.\d+\.self_attn\.v_proj": 5},
    }


def bottleneck(name: str, base: str, note: str, **config) -> Adapter:
    return Adapter(name, base, "bottleneck", {"architecture": name} | config, note)


def prompt(name: str, base: str, note: str) -> Adapter:
    return Adapter(name, base, "prompt", {"num_virtual_tokens": 5}, note)


def ia3(name: str, base: str, note: str) -> Adapter:
    modules = [rf"model\.text_model\.layers\.\d+\.({part})" for part in (r"self_attn\.(k|v)_proj|mlp\.down_proj", r"mlp\.down_proj")]
    return Adapter(name, base, "ia3", {"target_modules": modules[0], "feedforward_modules": modules[1]}, note)


def peft_config(adapter: Adapter):
    from peft import IA3Config, LoraConfig, PromptTuningConfig

    kinds = {"lora": LoraConfig, "ia3": IA3Config, "prompt": PromptTuningConfig}
    return kinds[adapter.kind](task_type="CAUSAL_LM", **adapter.config)


def wrap(adapter: Adapter, model):
    """A fresh adapter of the library's own initial values on `model` (changed in place). -> what `logits` takes"""
    if adapter.kind == "bottleneck":
        import adapters

        settings = dict(adapter.config)
        architecture = settings.pop("architecture")
        classes = {"seq_bn": adapters.SeqBnConfig, "double_seq_bn": adapters.DoubleSeqBnConfig, "par_bn": adapters.ParBnConfig}
        text = model.model.text_model
        adapters.init(text)
        text.add_adapter(ADAPTER, config=classes[architecture](**settings))
        text.set_active_adapters(ADAPTER)
        text.requires_grad_(False)
        for parameter in keys(adapter, model).values():
            parameter.requires_grad_(True)
        return model.eval()
    from peft import get_peft_model

    return get_peft_model(model, peft_config(adapter)).eval()


def keys(adapter: Adapter, wrapped) -> dict[str, torch.nn.Parameter]:
    """The saved file's names -> the live parameters."""
    if adapter.kind == "bottleneck":
        mark = f".adapters.{ADAPTER}."
        return {name: value for name, value in wrapped.model.text_model.named_parameters() if mark in name}
    from peft import get_peft_model_state_dict

    if adapter.kind == "prompt":
        return {"prompt_embeddings": wrapped.prompt_encoder["default"].embedding.weight}
    by_place = {value.data_ptr(): value for value in wrapped.parameters() if value.requires_grad}
    return {name: by_place[value.data_ptr()] for name, value in get_peft_model_state_dict(wrapped).items()}


def save(adapter: Adapter, wrapped, folder: Path) -> None:
    """As the library does it, less PEFT's README.md."""
    if adapter.dtype != torch.float32:
        for value in keys(adapter, wrapped).values():
            value.data = value.data.to(adapter.dtype)
    if adapter.kind == "bottleneck":
        wrapped.model.text_model.save_adapter(str(folder), ADAPTER, use_safetensors=True)
        for extra in folder.iterdir():
            if extra.name not in ("adapter_config.json", "adapter.safetensors"):
                raise SystemExit(f"the library wrote {extra.name} too")
        return
    wrapped.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    with safe_open(str(folder / "adapter_model.safetensors"), "pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}
    if kinds != {adapter.dtype}:
        raise SystemExit(f"{adapter.name}: the file holds {kinds}")


def load(adapter: Adapter, base: Base, folder: Path):
    """The saved adapter on a fresh base, as a user of the library would load it."""
    model = base.model()
    if adapter.kind == "bottleneck":
        import adapters

        text = model.model.text_model
        adapters.init(text)
        name = text.load_adapter(str(folder), use_safetensors=True)  # the library looks for a pickle otherwise
        text.set_active_adapters(name)
        return model.eval()
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder)).eval()


def logits(adapter: Adapter | None, base: Base, wrapped, ids: torch.Tensor) -> torch.Tensor:
    """[virtual tokens + seq, vocab] of one uncached forward over `ids` with the base's pictures."""
    if adapter is not None and adapter.kind == "bottleneck":
        # The library reaches the text model only, so it is called on its own with the embeddings the whole model would give it.
        text = wrapped.model.text_model
        mask = torch.ones_like(ids)[None]
        return wrapped.lm_head(text(inputs_embeds=base.embeds(wrapped, ids), attention_mask=mask, use_cache=False).last_hidden_state)[0]
    inputs = base.inputs(ids)
    inputs["pixel_values"] = inputs["pixel_values"].to(next(wrapped.parameters()).dtype)
    return wrapped(**inputs, use_cache=False).logits[0]


def clean(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
