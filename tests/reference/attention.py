"""tests/fixtures/attention: the attention probabilities that transformers returns for the cases of generate.py.

    python attention.py [--check]

For each case the last prompt position and the first answer tokens are queries; the rows are those of one uncached forward with
eager attention and `output_attentions`. Cached decoding must give the same rows, f64 must agree with f32, and no two heads of a
layer may look alike, or the fixture could not tell whether heads are mapped to the right keys. With --check nothing is written:
the committed files must come out again.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file, save_file

from generate import messages_of, model_inputs
from cases import CASES
from refcommon import FIXTURES, load_model, load_processor, prepare, require_pinned_versions

ANSWER = 5  # answer tokens after the prompt
FOLDER = FIXTURES / "attention"
# Grouped heads of several kinds, tiles, two pictures, a single frame, no picture; the text-only case has 32 layers: one prompt long enough.
WANTED = ["smolvlm_1x2", "idefics3_3x2", "smolvlm_1x4", "smolvlm_two_images", "smolvlm_tiny_upscaled", "idefics3_2x1"]
CACHE_TOLERANCE = 1e-5
MAX_ROUNDING = 4e-6  # f32 against f64: sums in another order stand about as far apart
MIN_DIFFERENCE = 0.05  # somewhere between any two maps (layer and head) of one query


@torch.no_grad()
def uncached(model, inputs, ids: list[int]) -> torch.Tensor:
    """-> [queries, layers, heads, keys], queries from the last prompt position on; keys are the prompt and the answer."""
    args = model_inputs(inputs)
    start = args["input_ids"].shape[1]
    args["input_ids"] = torch.cat([args["input_ids"], torch.tensor([ids])], dim=1)
    args["attention_mask"] = torch.ones_like(args["input_ids"])
    if "pixel_values" in args:
        args["pixel_values"] = args["pixel_values"].to(model.dtype)
    out = model(**args, use_cache=False, output_attentions=True)
    return torch.stack([layer[0, :, start - 1 :] for layer in out.attentions]).permute(2, 0, 1, 3).contiguous()


@torch.no_grad()
def cached(model, inputs, ids: list[int]) -> torch.Tensor:
    """The same by decoding token by token; keys that are not there yet are 0."""
    out = model(**model_inputs(inputs), use_cache=True, output_attentions=True)
    rows = [torch.stack([layer[0, :, -1] for layer in out.attentions])]
    for token in ids:
        out = model(
            input_ids=torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True, output_attentions=True
        )
        rows.append(torch.stack([layer[0, :, -1] for layer in out.attentions]))
    width = rows[-1].shape[-1]
    return torch.stack([torch.nn.functional.pad(row, (0, width - row.shape[-1])) for row in rows])


def closest(rows: torch.Tensor) -> float:
    """The smallest largest difference between two maps (layer and head) of one query."""
    least = float("inf")
    for query in rows.flatten(1, 2):
        gaps = (query[:, None] - query[None]).abs().amax(-1)
        gaps.fill_diagonal_(float("inf"))
        least = min(least, float(gaps.min()))
    return least


def make(name: str, check: bool) -> None:
    case = next(case for case in CASES if case.name == name)
    folder = FIXTURES / name
    processor = load_processor(folder, folder if case.self_contained else FIXTURES / "tokenizer")
    pictures = sorted(folder.glob("image*.png"))
    _, _, inputs = prepare(processor, messages_of(case), pictures)
    known = load_file(str(folder / "expected.safetensors"))
    assert torch.equal(inputs["input_ids"][0], known["input_ids"]), name
    ids = known["decode_ids"][:ANSWER].tolist()
    rows = uncached(load_model(folder), inputs, ids)
    prompt = inputs["input_ids"].shape[1]
    for i, query in enumerate(rows):
        assert float(query[..., prompt + i :].abs().sum()) == 0.0, f"{name}: query {i} sees what comes after it"
    sums = float((rows.double().sum(-1) - 1).abs().max())
    by_step = float((cached(load_model(folder), inputs, ids) - rows).abs().max())
    rounding = float((uncached(load_model(folder, torch.float64), inputs, ids) - rows.double()).abs().max())
    least = closest(rows)
    said = f"sums {sums:.1e}, cached {by_step:.1e}, f64 {rounding:.1e}, closest heads {least:.1e}"
    print(f"{name:24} {list(rows.shape)} {said}")
    assert by_step < CACHE_TOLERANCE and rounding < MAX_ROUNDING and least > MIN_DIFFERENCE, name
    tensors = {"answer_ids": torch.tensor(ids), "attention": rows}
    path = FOLDER / f"{name}.safetensors"
    if check:
        old = load_file(str(path))
        assert torch.equal(old["answer_ids"], tensors["answer_ids"]), name
        assert float((old["attention"] - rows).abs().max()) < CACHE_TOLERANCE, name
    else:
        FOLDER.mkdir(exist_ok=True)
        save_file(tensors, str(path))


def main() -> None:
    require_pinned_versions()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in WANTED:
        make(name, "--check" in sys.argv[1:])


if __name__ == "__main__":
    main()
