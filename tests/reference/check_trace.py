"""Holds one `plumbline trace` to transformers on the same checkpoint, picture and prompt.

    python check_trace.py --model DIR --image F --prompt TEXT --trace T.safetensors [--dtype f32] [--max-rel 1e-4]

`input_ids` and `pixel_values` must be equal; `image_features` and `logits` must agree within --max-rel, measured as
max|ours - reference| / max|reference|. Exit code 0: within, 1: beyond, 2: the question could not be asked.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from refcommon import flat_pixels, image_outputs, load_model, load_processor, prepare, read_json, user_turn

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
EAGER_SCORES_LIMIT = 2 << 30  # bytes of vision attention scores beyond which sdpa is used


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder in the hub's layout")
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer files, when not --model")
    parser.add_argument("--image", type=Path, action="append", default=[], help="picture file; leave out for text only")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--dtype", choices=DTYPES, default="f32", help="what the reference computes in")
    parser.add_argument("--attention", choices=["auto", "eager", "sdpa"], default="auto")
    parser.add_argument("--longest-edge", type=int, help="working size, when the trace was made with another than the checkpoint's")
    parser.add_argument("--max-rel", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    return parser.parse_args()


def attention_kind(choice: str, model_dir: Path, frames: int) -> str:
    if choice != "auto":
        return choice
    vision = read_json(model_dir / "config.json")["vision_config"]
    patches = (vision.get("image_size", 224) // vision.get("patch_size", 32)) ** 2
    scores = frames * vision.get("num_attention_heads", 16) * patches**2 * 4
    return "eager" if 2 * scores < EAGER_SCORES_LIMIT else "sdpa"


def compare(name: str, ours: np.ndarray, reference: np.ndarray, limit: float | None) -> bool:
    """Prints one line. `limit` None: must be equal."""
    if ours.shape != reference.shape:
        print(f"{name:15} FAIL  shape {list(ours.shape)}, reference {list(reference.shape)}")
        return False
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    if not np.isfinite(a).all():
        print(f"{name:15} FAIL  {np.count_nonzero(~np.isfinite(a))} values of ours are not finite")
        return False
    difference = np.abs(a - b)
    largest = np.abs(b).max(initial=0.0)
    worst = difference.max(initial=0.0)
    rel = worst / largest if largest else worst
    power = np.square(b).mean() if b.size else 0.0
    rms = np.sqrt(np.square(a - b).mean() / power) if power else 0.0
    unequal = np.count_nonzero(difference)
    good = unequal == 0 if limit is None else rel <= limit
    wanted = "equal" if limit is None else f"rel <= {limit:.0e}"
    print(
        f"{name:15} {'ok  ' if good else 'FAIL'}  {str(list(ours.shape)):18} max abs {worst:.3e}  rel {rel:.3e}  rms rel {rms:.3e}"
        f"  unequal {unequal}/{a.size}  (want {wanted})"
    )
    return bool(good)


def agreement(ours: np.ndarray, reference: np.ndarray) -> None:
    """How often the best token is the same; a disagreement counts little where the reference itself is undecided."""
    if ours.shape != reference.shape:
        return
    a, b = ours.argmax(-1), reference.argmax(-1)
    rows = np.arange(len(a))
    gaps = reference[rows, b] - reference[rows, a]
    print(
        f"{'argmax':15}       {np.count_nonzero(a == b)}/{len(a)} positions agree; last position: ours {a[-1]}, reference {b[-1]}; "
        f"largest reference gap at a disagreement {gaps.max():.3e}"
    )


def main() -> int:
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    trace = load_file(str(args.trace))
    wanted = ["input_ids", "logits"] + (["pixel_values", "image_features"] if args.image else [])
    missing = [name for name in wanted if name not in trace]
    if missing:
        print(f"{args.trace.name} has no {', '.join(missing)}; it has {', '.join(sorted(trace))}", file=sys.stderr)
        return 2

    processor = load_processor(args.model, args.tokenizer)
    if args.longest_edge:
        processor.image_processor.size = {"longest_edge": args.longest_edge}
    rendered, _, inputs = prepare(processor, user_turn(args.prompt, len(args.image)), args.image)
    print(f"prompt: {rendered!r}")
    ids = inputs["input_ids"][0].numpy()
    good = compare("input_ids", trace["input_ids"].reshape(-1), ids, None)
    pixels = flat_pixels(inputs)
    if pixels is not None:
        good &= compare("pixel_values", trace["pixel_values"], pixels.numpy(), None)
    if not good and trace["input_ids"].size != ids.size:
        print("the prompts differ in length, so the logits can not be compared")
        return 1

    frames = 0 if pixels is None else len(pixels)
    attention = attention_kind(args.attention, args.model, frames)
    model = load_model(args.model, DTYPES[args.dtype], attention)
    print(f"reference: {type(model).__name__}, {args.dtype}, {attention}, {frames} frames, {len(ids)} ids")
    with torch.no_grad():
        keys = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
        if pixels is not None:
            _, features = image_outputs(model, inputs)
            good &= compare("image_features", trace["image_features"], features.float().numpy(), args.max_rel)
            # The features just made stand in for a second pass through the vision tower: the model puts them where
            # `<image>` is, as it would its own.
            embeds = model.get_input_embeddings()(inputs["input_ids"])
            places = (inputs["input_ids"] == model.config.image_token_id).unsqueeze(-1)
            embeds = embeds.masked_scatter(places, features.to(embeds.dtype))
            keys = {"inputs_embeds": embeds, "attention_mask": inputs["attention_mask"]}
        logits = model(**keys, use_cache=False).logits[0].float().numpy()
    good &= compare("logits", trace["logits"], logits, args.max_rel)
    agreement(trace["logits"], logits)
    print(f"peak memory of this check: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    print("within tolerance" if good else "BEYOND TOLERANCE")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
