"""What the training fixtures share: the two stacks, base checkpoints, seeds, samples, and writing or checking a folder.

Works with transformers 5.23.0 (PEFT) and 4.57.6 (the `adapters` library), so it does not import refcommon.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
import zlib
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.utils import logging as hf_logging

hf_logging.set_verbosity_error()
hf_logging.disable_progress_bar()
logging.getLogger("adapters").setLevel(logging.ERROR)  # "none are activated", said between adding and activating
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")  # transformers warns of its own property

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
STACKS = {
    "peft": {"torch": "2.15.0", "transformers": "5.23.0", "peft": "0.21.2"},
    "adapters": {"torch": "2.15.0", "transformers": "4.57.6", "adapters": "1.3.0"},
}
BASE_TOLERANCE = 2e-6  # a base's logits against its own committed ones, relative; the bases were made with transformers 5.23.0


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    for name in ("peft", "adapters"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def stack() -> str:
    """Which of the two this Python has. Anything else would silently move the goalposts, so refuse."""
    have = versions()
    for name, wanted in STACKS.items():
        if have == wanted:
            return name
    raise SystemExit(f"{have} is neither of {STACKS}")


def seed_of(*names) -> int:
    return zlib.crc32("/".join(str(name) for name in names).encode())


def generator(*names) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(*names))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|, in f64; the plain difference when b is all zero."""
    a, b = a.double(), b.double()
    worst = float((a - b).abs().max()) if a.numel() else 0.0
    largest = float(b.abs().max()) if b.numel() else 0.0
    return worst / largest if largest else worst


class Base:
    """A fixture checkpoint with its own prompt and pictures."""

    def __init__(self, name: str):
        self.name = name
        self.folder = FIXTURES / name
        expected = load_file(str(self.folder / "expected.safetensors"))
        self.ids = expected["input_ids"]
        self.pixels = expected["pixel_values"][None]
        self.features = expected["image_features"]
        self.logits = expected["logits"]

    def model(self):
        """A fresh model, f32, eager attention, everything frozen. Its name carries no path of this machine."""
        loaded, info = AutoModelForImageTextToText.from_pretrained(
            str(self.folder), dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        bad = {key: value for key, value in info.items() if value}
        if bad:
            raise SystemExit(f"{self.name}: transformers loaded the weights with complaints: {bad}")
        for part in (loaded, loaded.model, loaded.model.text_model):
            part.name_or_path = self.name
            part.config._name_or_path = self.name
        return loaded.eval().requires_grad_(False)

    def inputs(self, ids: torch.Tensor) -> dict:
        return {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None], "pixel_values": self.pixels}

    @torch.no_grad()
    def embeds(self, model, ids: torch.Tensor) -> torch.Tensor:
        """What the text model is fed: token embeddings, with the fixture's connector output where `<image>` is."""
        tokens = model.get_input_embeddings()(ids[None])
        places = (ids[None] == model.config.image_token_id).unsqueeze(-1)
        return tokens.masked_scatter(places.expand_as(tokens), self.features.to(tokens.dtype))

    @torch.no_grad()
    def check(self, model) -> float:
        """This stack must compute what the base's fixture says, or nothing made with it means anything.

        Of transformers 4.57.6 only the text model is asked (and used): it gives patch i > 0 of a row the position i - 1,
        because `i / n * (1 - 1e-6)` falls below the boundary i / n.
        """
        if transformers.__version__.startswith("4."):
            mask = torch.ones_like(self.ids)[None]
            hidden = model.model.text_model(inputs_embeds=self.embeds(model, self.ids), attention_mask=mask, use_cache=False)
            out = model.lm_head(hidden.last_hidden_state)[0]
        else:
            out = model(**self.inputs(self.ids), use_cache=False).logits[0]
        error = relative(out, self.logits)
        if error > BASE_TOLERANCE:
            raise SystemExit(f"{self.name}: base logits are off by {error:.1e}")
        return error

    def samples(self, count: int = 3) -> list[torch.Tensor]:
        """Answer ids, 3 to 6 each, all different lengths where `count` allows; plain text ids only."""
        g = generator(self.name, "answers")
        lengths = (torch.randperm(4, generator=g) + 3)[:count].tolist()
        return [torch.randint(10, 250, (length,), generator=g) for length in lengths]


def randomise(parameters: dict[str, torch.Tensor], case: str, strength: float = 1.0) -> None:
    """Every tensor random and felt: a zero B or a magnitude equal to the norm would let half of the formulas go untested."""
    with torch.no_grad():
        for name, value in sorted(parameters.items()):
            noise = torch.randn(value.shape, generator=generator(case, name))
            if "lora_A" in name:
                new = noise / value.shape[1] ** 0.5
            elif "lora_B" in name:
                new = 0.4 * strength * noise / value.shape[1] ** 0.5
            elif "magnitude" in name or "ia3_l" in name:
                new = value * (1 + 0.25 * noise)
            elif "prompt" in name:
                new = noise
            elif name.endswith(".bias"):
                new = 0.3 * noise
            elif "adapter_down" in name:
                new = 1.2 * noise / value.shape[1] ** 0.5
            elif "adapter_up" in name:
                new = 0.5 * strength * noise / value.shape[1] ** 0.5
            else:
                new = value + 0.3 * value.pow(2).mean().sqrt() * noise
            value.copy_(new)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, str(path), metadata=metadata)


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def compare_folders(made: Path, committed: Path, limit: float, loose: set[str]) -> list[str]:
    """Differences that matter between two folders, as sentences. Tensors named in `loose` may differ by any amount."""
    names = {path.name for path in made.iterdir()}
    have = {path.name for path in committed.iterdir()} if committed.is_dir() else set()
    problems = [f"{name}: {'missing' if name in names else 'not made any more'}" for name in sorted(names ^ have)]
    for name in sorted(names & have):
        if (made / name).read_bytes() == (committed / name).read_bytes():
            continue
        if name.endswith(".json"):
            a, b = read_json(made / name), read_json(committed / name)
            wrong = [key for key in sorted(a.keys() | b.keys()) if not same_setting(key, a.get(key), b.get(key), limit)]
            problems += [f"{name}: {key} differs" for key in wrong]
            continue
        a, b = load_file(str(made / name)), load_file(str(committed / name))
        problems += [f"{name}: {key} is in one of them only" for key in sorted(a.keys() ^ b.keys())]
        for key in sorted(a.keys() & b.keys()):
            if a[key].shape != b[key].shape or a[key].dtype != b[key].dtype:
                problems.append(f"{name}: {key} has another shape or type")
            elif key not in loose and (error := relative(a[key], b[key])) > (limit if a[key].is_floating_point() else 0.0):
                problems.append(f"{name}: {key} differs by {error:.1e}")
    return problems


def close(a, b, limit: float) -> bool:
    """Equal, but floats may differ by rounding."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= limit * max(1.0, abs(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key], limit) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y, limit) for x, y in zip(a, b))
    return a == b


def same_setting(key: str, a, b, limit: float) -> bool:
    """PEFT writes lists of modules in the order of a set."""
    if key == "target_modules" and isinstance(a, list) and isinstance(b, list):
        return sorted(a) == sorted(b)
    return close(a, b, limit)
