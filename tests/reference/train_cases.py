"""The adapter fixtures (tests/fixtures/peft) and the training fixtures (tests/fixtures/train), by name.

smolvlm_1x4: 9 heads on 3, head_dim 10 with hidden/heads 4, two vision layers. idefics3_2x1: 3 heads on 1, head_dim 16 with hidden/heads
8, no wide connector. smolvlm_small_tile: the smallest whole model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from train_methods import TEXT_VISION, Adapter, bottleneck, ia3, lora, patterns, prompt

S, I, T = "smolvlm_1x4", "idefics3_2x1", "smolvlm_small_tile"

PEFT_CASES: list[Adapter] = [
    lora("lora_list", S, "a list of suffixes: it hits the vision tower's q and v too", target_modules=["q_proj", "v_proj"]),
    lora("lora_regex", I, "one full-match regex: the seven linears of the text model"),
    lora("lora_all_linear", S, "all-linear: text, vision and connector, not lm_head", target_modules="all-linear", r=2, lora_alpha=2),
    lora("lora_rslora", I, "scaling alpha / sqrt(r)", use_rslora=True),
    lora("lora_dora", I, "magnitudes away from the row norms", use_dora=True),
    lora("lora_patterns", S, "rank_pattern and alpha_pattern: tails and regexes, one of them without the other", **patterns()),
    lora("lora_layers", S, "layers_to_transform reads the first numbered path segment, so vision layer 1 is hit too",
         target_modules=["q_proj", "v_proj"], layers_to_transform=[1]),
    lora("lora_exclude", S, "exclude_modules takes the vision tower out of a suffix list", target_modules=["q_proj", "v_proj"],
         exclude_modules=r".*vision_model.*"),
    lora("lora_bias", S, "bias='lora_only': the biases of the touched linears are in the file", bias="lora_only", r=2,
         target_modules=["q_proj", "v_proj"]),
    lora("lora_modules_to_save", I, "a trained copy of the connector's projection", modules_to_save=["modality_projection.proj"]),
    lora("lora_bf16", S, "the file is bf16; the library computes in f32 from it", dtype=torch.bfloat16),
    lora("lora_text_vision", S, "one regex over text and vision linears", target_modules=TEXT_VISION, r=2, lora_alpha=2),
    prompt("prompt_tuning", I, "five virtual tokens before everything; logits have 5 rows more than input_ids"),
    ia3("ia3", S, "k, v (outputs scaled) and down_proj (input scaled)"),
    bottleneck("seq_bn", S, "Pfeiffer: after the layer's output", reduction_factor=6),
    bottleneck("double_seq_bn", S, "Houlsby: after attention and after the MLP, before the residuals", reduction_factor=9),
    bottleneck("par_bn", S, "He: beside the MLP, scaled by 4", reduction_factor=6),
]


@dataclass
class Train:
    """`adapter` None: the parameters whose names start with one of `parts` are trained."""

    name: str
    base: str
    note: str
    adapter: Adapter | None = None
    parts: tuple[str, ...] = ()
    distil: dict | None = None  # alpha and T of logit distillation
    lean: bool = False  # no step2, to keep the file small

    @property
    def stack(self) -> str:
        return self.adapter.stack if self.adapter else "peft"


def adapted(adapter: Adapter, **rest) -> Train:
    return Train(adapter.name, adapter.base, adapter.note, adapter, **rest)


TRAIN_CASES: list[Train] = [
    adapted(lora("lora", S, "LoRA on the seven text linears")),
    adapted(lora("rslora", I, "scaling alpha / sqrt(r)", use_rslora=True)),
    adapted(lora("dora", I, "the norm is a constant for the gradient", use_dora=True)),
    adapted(lora("lora_patterns", S, "different ranks and alphas", r=2, **patterns())),
    adapted(lora("lora_text_vision", S, "gradients through the connector into the vision tower", target_modules=TEXT_VISION, r=2)),
    adapted(ia3("ia3", S, "k, v and down_proj")),
    adapted(prompt("prompt_tuning", I, "five virtual tokens, without labels")),
    adapted(bottleneck("seq_bn", S, "Pfeiffer", reduction_factor=6)),
    adapted(bottleneck("double_seq_bn", S, "Houlsby", reduction_factor=9)),
    adapted(bottleneck("par_bn", S, "He", reduction_factor=6)),
    Train("full_head", I, "lm_head only", parts=("lm_head.",)),
    Train("full_connector", I, "the connector's projection", parts=("model.connector.",)),
    Train("full_vision", S, "the whole vision tower", parts=("model.vision_model.",)),
    Train("full_all", T, "every parameter", parts=("model.", "lm_head."), lean=True),
    adapted(lora("kd_logit", I, "LoRA student, teacher of the same shape with other weights"), distil={"alpha": 0.5, "T": 2.0}),
]
