"""What every script here shares: paths, the processor without a video part, loading a checkpoint, running it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers
from transformers import AutoImageProcessor, AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor
from transformers.utils import logging as hf_logging

hf_logging.set_verbosity_error()
hf_logging.disable_progress_bar()

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
WANTED = {"transformers": "5.23.0", "torch": "2.15.0", "PIL": "12.3.0", "tokenizers": "0.23.3"}

END_OF_UTTERANCE = "<end_of_utterance>"

# Same behaviour as the template published with SmolVLM, our own wording.
CHAT_TEMPLATE = (
    "{{ '<|im_start|>' }}"
    "{%- for turn in messages -%}"
    "{{ turn.role | capitalize }}{{ ':' if turn.content[0].type == 'image' else ': ' }}"
    "{%- for part in turn.content -%}"
    "{%- if part.type == 'image' -%}{{ '<image>' }}{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}"
    "{{ '<end_of_utterance>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}"
)


def versions() -> dict[str, str]:
    import PIL
    import tokenizers

    return {
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "PIL": PIL.__version__,
        "tokenizers": tokenizers.__version__,
    }


def require_pinned_versions() -> None:
    """Fixtures made by another stack would silently move the goalposts, so refuse."""
    have = versions()
    wrong = [f"{name} {have[name]} (want {want})" for name, want in WANTED.items() if have[name] != want]
    if wrong:
        raise SystemExit("these versions differ from requirements.txt: " + ", ".join(wrong))


class ImageOnlySmolVLMProcessor(SmolVLMProcessor):
    """SmolVLMProcessor with its video half left out: that half needs torchvision, which is not part of this stack."""

    def check_argument_for_proper_class(self, argument_name, argument):
        if argument_name == "video_processor":
            return None
        return super().check_argument_for_proper_class(argument_name, argument)


def read_json(path: Path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer exactly as tokenizer.json says, whatever class tokenizer_config.json names."""
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token="<|im_start|>",
        eos_token=END_OF_UTTERANCE,
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
    )


def load_template(folder: Path) -> str:
    jinja = folder / "chat_template.jinja"
    if jinja.exists():
        return jinja.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists() and "chat_template" in (found := read_json(path)):
            return found["chat_template"]
    return CHAT_TEMPLATE


def load_processor(model_dir: Path, tokenizer_dir: Path | None = None):
    """The real processor of the checkpoint's family: PIL back end, tokenizer from `tokenizer_dir` (default: the model's)."""
    tokenizer_dir = tokenizer_dir or model_dir
    image_processor = AutoImageProcessor.from_pretrained(str(model_dir), backend="pil")
    if not type(image_processor).__name__.endswith("Pil"):
        raise SystemExit(f"{type(image_processor).__name__} is not a PIL image processor")
    tokenizer = load_tokenizer(tokenizer_dir)
    settings = read_json(model_dir / "processor_config.json")
    common = {"image_seq_len": settings["image_seq_len"], "chat_template": load_template(tokenizer_dir)}
    if "Idefics3" in settings["processor_class"]:
        return Idefics3Processor(image_processor, tokenizer, **common)
    no_video = SimpleNamespace(num_frames=None, fps=None)
    return ImageOnlySmolVLMProcessor(image_processor, tokenizer, no_video, **common)


def load_model(model_dir: Path, dtype=torch.float32, attention: str = "eager"):
    model, info = AutoModelForImageTextToText.from_pretrained(
        str(model_dir), dtype=dtype, attn_implementation=attention, output_loading_info=True
    )
    bad = {key: value for key, value in info.items() if value}
    if bad:
        raise SystemExit(f"{model_dir.name}: transformers loaded the weights with complaints: {bad}")
    return model.eval()


def user_turn(text: str, images: int) -> list[dict]:
    """One user turn, images first, then the text: what `plumbline ask` and `plumbline trace` build."""
    return [{"role": "user", "content": [{"type": "image"}] * images + [{"type": "text", "text": text}]}]


def prepare(processor, messages, image_paths: list[Path]):
    """-> (rendered prompt, expanded prompt, model inputs). Images go in by path, as from a file."""
    rendered = processor.apply_chat_template(messages, add_generation_prompt=True)
    images = [[str(path) for path in image_paths]] if image_paths else None
    inputs = processor(text=[rendered], images=images, return_tensors="pt")
    expanded = processor.tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=False)
    return rendered, expanded, inputs


def flat_pixels(inputs) -> torch.Tensor | None:
    pixels = inputs.get("pixel_values")
    return None if pixels is None else pixels.flatten(0, 1).contiguous()


@torch.no_grad()
def image_outputs(model, inputs):
    """-> (vision tower output after the last norm [frames, patches, d], connector output [frames * tokens, hidden])."""
    out = model.get_image_features(
        pixel_values=inputs["pixel_values"], pixel_attention_mask=inputs.get("pixel_attention_mask"), return_dict=True
    )
    return out.last_hidden_state, torch.cat(list(out.pooler_output), dim=0)
