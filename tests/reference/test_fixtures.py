"""Quick sanity of what generate.py left: every case folder loads in transformers and reproduces its expected tensors.

    python test_fixtures.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoProcessor, AutoTokenizer

from cases import CASES
from checkpoint import DTYPES, TOKENIZER_FILES
from generate import forward, relative
from refcommon import FIXTURES, flat_pixels, image_outputs, load_model, load_processor, prepare, read_json

BUDGET = 700_000


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def check_case(folder: Path) -> str:
    case = read_json(folder / "case.json")
    expected = load_file(str(folder / "expected.safetensors"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    expect(size < BUDGET, f"{size} bytes is over the budget of {BUDGET}")
    processor = load_processor(folder, folder / case["tokenizer"])
    rendered, _, inputs = prepare(processor, case["messages"], [folder / name for name in case["images"]])
    expect(rendered == case["rendered"], "rendered prompt differs")
    ids = inputs["input_ids"][0]
    expect(torch.equal(ids, expected["input_ids"]), "input_ids differ")
    expect(processor.tokenizer(case["expanded"])["input_ids"] == ids.tolist(), "the expanded text does not give the ids")
    tokens = case["frames"] * case["tokens_per_frame"]
    expect(int((ids == case["resolved_config"]["image_token_id"]).sum()) == tokens, "number of image tokens")
    for file in folder.glob("model*.safetensors"):
        with safe_open(str(file), "pt") as weights:
            kinds = {weights.get_tensor(name).dtype for name in weights.keys()}
        expect(kinds == {DTYPES[case["weights_dtype"]]}, f"{file.name} holds {kinds}")
    model = load_model(folder)
    worst = relative(forward(model, inputs), expected["logits"])
    pixels = flat_pixels(inputs)
    if pixels is not None:
        expect(torch.equal(pixels, expected["pixel_values"]), "pixel_values differ")
        vision, features = image_outputs(model, inputs)
        worst = max(worst, relative(vision, expected["vision_last_hidden"]), relative(features, expected["image_features"]))
    decoded = forward(model, inputs, expected["decode_ids"].tolist())[len(ids) - 1 : -1]
    worst = max(worst, relative(decoded, expected["decode_logits"]))
    expect(torch.equal(decoded.argmax(-1), expected["decode_ids"]), "the greedy ids are not the best of an uncached forward")
    # Another CPU sums in another order; anything beyond that is a different computation.
    expect(worst < 5e-5, f"expected tensors differ by {worst:.1e}")
    return f"{size / 1e3:4.0f} kB, {len(ids):3} ids, {case['frames']} frames, rel {worst:.1e}"


def check_alpha_is_dropped() -> None:
    """The one step of the picture path that is easy to get wrong: a file's alpha is thrown away, not blended."""
    folder = FIXTURES / "smolvlm_tiny_upscaled"
    picture = Image.open(folder / "image.png").convert("RGB").resize((32, 20), Image.Resampling.LANCZOS)
    data = np.asarray(picture.resize((32, 32), Image.Resampling.LANCZOS), np.float32)
    mine = (data / np.float32(127.5) - np.float32(1.0)).transpose(2, 0, 1)[None]
    got = load_file(str(folder / "expected.safetensors"))["pixel_values"].numpy()
    expect(np.array_equal(mine, got), f"alpha: {np.abs(mine - got).max()}")


def check_padding_changes_nothing() -> None:
    """A sample with few frames, batched with one of many, gives the features it gives alone."""
    folder = FIXTURES / "smolvlm_two_images"
    processor = load_processor(folder, FIXTURES / "tokenizer")
    paths = [str(folder / name) for name in ("image_0.png", "image_1.png")]
    model = load_model(folder)
    batch = processor.image_processor([[path] for path in paths], return_tensors="pt")
    _, together = image_outputs(model, batch)
    alone = [image_outputs(model, processor.image_processor([[path]], return_tensors="pt"))[1] for path in paths]
    expect(relative(together, torch.cat(alone)) < 1e-6, "padding frames change the features")


def check_auto_classes() -> None:
    """The tokenizer folder works through AutoTokenizer, and a whole folder through AutoProcessor (the family without video)."""
    text = "<|im_start|>User: 12 lamps\n\n<image> left<end_of_utterance>\nAssistant:"
    plain = load_processor(FIXTURES / "idefics3_2x1", FIXTURES / "tokenizer").tokenizer(text)["input_ids"]
    expect(AutoTokenizer.from_pretrained(str(FIXTURES / "tokenizer"))(text)["input_ids"] == plain, "AutoTokenizer differs")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("config.json", "preprocessor_config.json", "processor_config.json"):
            shutil.copy(FIXTURES / "idefics3_2x1" / name, folder / name)
        for name in TOKENIZER_FILES:
            shutil.copy(FIXTURES / "tokenizer" / name, folder / name)
        processor = AutoProcessor.from_pretrained(str(folder), backend="pil")
        case = read_json(FIXTURES / "idefics3_2x1" / "case.json")
        rendered, _, inputs = prepare(processor, case["messages"], [FIXTURES / "idefics3_2x1" / "image.png"])
        expected = load_file(str(FIXTURES / "idefics3_2x1" / "expected.safetensors"))
        expect(rendered == case["rendered"], "AutoProcessor renders another prompt")
        expect(torch.equal(inputs["input_ids"][0], expected["input_ids"]), "AutoProcessor gives other ids")
        expect(torch.equal(flat_pixels(inputs), expected["pixel_values"]), "AutoProcessor gives other pixels")


def main() -> int:
    torch.set_num_threads(1)
    failed = 0
    checks = [(case.name, lambda name=case.name: check_case(FIXTURES / name)) for case in CASES]
    checks += [(check.__name__, check) for check in (check_alpha_is_dropped, check_padding_changes_nothing, check_auto_classes)]
    for name, check in checks:
        try:
            print(f"ok    {name:30} {check() or ''}")
        except (AssertionError, SystemExit) as problem:
            failed += 1
            print(f"FAIL  {name:30} {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
