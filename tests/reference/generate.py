"""Makes every case folder under tests/fixtures: a random tiny checkpoint and what transformers computes with it.

    python make_tokenizer.py && python generate.py [CASE ...]

A seed is accepted only if the case is a fair and sharp judge: every greedy step has a clear winner, the greedy text is not a
short loop, each tensor of the checkpoint moves the logits well beyond the tolerance, and the cached and the uncached forward
agree. The first seed that passes is used, so the output is reproducible.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file

from cases import CASES, Case
from checkpoint import load_config, random_weights, write_case, write_weights
from refcommon import (
    FIXTURES, flat_pixels, image_outputs, load_model, load_processor, prepare, require_pinned_versions, user_turn, versions,
    write_json,
)

DECODE = 30
MIN_MARGIN = 5e-3  # best minus second best logit, relative to the largest |logit|
MIN_DISTINCT = 8  # different ids among the DECODE greedy ones
MIN_EFFECT = 2e-3  # relative change of the logits when 10 % noise is put on one tensor
CACHE_TOLERANCE = 1e-4
MAX_ROUNDING = 8e-6  # relative difference of eager and sdpa attention: how far honest f32 implementations stand apart


def messages_of(case: Case) -> list[dict]:
    if case.content is None:
        return user_turn(case.prompt, len(case.pictures))
    parts = [{"type": "text", "text": part} if part else {"type": "image"} for part in case.content]
    return [{"role": "user", "content": parts}]


def model_inputs(inputs) -> dict:
    return {key: inputs[key] for key in ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask") if key in inputs}


@torch.no_grad()
def greedy(model, inputs):
    """Greedy continuation with the KV cache; the end token does not stop it. -> (ids [n], logits that chose them [n, vocab])"""
    out = model(**model_inputs(inputs), use_cache=True, logits_to_keep=1)
    ids, rows = [], []
    for _ in range(DECODE):
        row = out.logits[0, -1]
        rows.append(row)
        ids.append(int(row.argmax()))
        out = model(input_ids=torch.tensor([ids[-1:]]), past_key_values=out.past_key_values, use_cache=True)
    return torch.tensor(ids), torch.stack(rows)


@torch.no_grad()
def forward(model, inputs, extra: list[int] | None = None) -> torch.Tensor:
    """Logits [seq + extra, vocab] of one uncached forward over the prompt and `extra` ids after it."""
    args = model_inputs(inputs)
    if extra:
        args["input_ids"] = torch.cat([args["input_ids"], torch.tensor([extra])], dim=1)
        args["attention_mask"] = torch.ones_like(args["input_ids"])
    return model(**args, use_cache=False).logits[0]


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def continuation_logprob(model, inputs, ids: list[int]) -> float:
    """Sum of log p(id | everything before) over `ids` placed right after the prompt, logits in f32, log-softmax in f64."""
    start = inputs["input_ids"].shape[1]
    logits = forward(model, inputs, ids)[start - 1 : start - 1 + len(ids)].double()
    chosen = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])
    return float(chosen.sum())


@torch.no_grad()
def effects(model, inputs, logits: torch.Tensor) -> dict[str, float]:
    """Relative change of the prompt's logits when one tensor gets noise of 10 % of its size."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, parameter in model.named_parameters():
        if "pixel_values" not in inputs and not name.startswith(("model.text_model", "lm_head")):
            continue
        kept = parameter.clone()
        size = parameter.pow(2).mean().sqrt()
        parameter.add_(0.1 * size * torch.randn(parameter.shape, generator=generator))
        found[name] = relative(forward(model, inputs), logits)
        parameter.copy_(kept)
    return found


def felt(name: str) -> bool:
    """A key bias adds the same number to every score of a query, which softmax does not see: it can not be tested by outputs."""
    return not name.endswith("k_proj.bias")


def judge(folder, model, inputs) -> tuple[str | None, dict]:
    """-> (why this seed is no good, or None; what was computed)"""
    ids, rows = greedy(model, inputs)
    best = rows.topk(2, dim=-1).values
    margin = float(((best[:, 0] - best[:, 1]) / rows.abs().max()).min())
    if margin < MIN_MARGIN:
        return f"margin {margin:.1e}", {}
    if len(set(ids.tolist())) < MIN_DISTINCT:
        return "loops", {}
    if model.config.image_token_id in ids:
        return "an image token in the text", {}
    start = inputs["input_ids"].shape[1]
    uncached = forward(model, inputs, ids.tolist())
    cache_error = relative(rows, uncached[start - 1 : start - 1 + DECODE])
    if cache_error > CACHE_TOLERANCE:
        return f"cache {cache_error:.1e}", {}
    logits = forward(model, inputs)
    rounding = relative(forward(load_model(folder, attention="sdpa"), inputs), logits)
    if rounding > MAX_ROUNDING:
        return f"eager and sdpa differ by {rounding:.1e}", {}
    moved = effects(model, inputs, logits)
    weakest = min((name for name in moved if felt(name)), key=moved.get)
    if moved[weakest] < MIN_EFFECT:
        return f"{weakest} moves the logits by {moved[weakest]:.1e} only", {}
    computed = {"ids": ids, "rows": rows, "logits": logits, "margin": margin, "cache_error": cache_error, "rounding": rounding}
    return None, computed | {"weakest": weakest, "effect": moved[weakest]}


def resolved(config) -> dict:
    """The numbers transformers really uses after filling in defaults."""
    vision, text = config.vision_config, config.text_config
    return {
        "scale_factor": config.scale_factor,
        "image_token_id": config.image_token_id,
        "tie_word_embeddings": config.tie_word_embeddings,
        "vision": {
            key: getattr(vision, key)
            for key in (
                "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size",
                "patch_size", "hidden_act", "layer_norm_eps",
            )
        },
        "text": {
            key: getattr(text, key)
            for key in (
                "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
                "rms_norm_eps", "vocab_size", "max_position_embeddings", "hidden_act", "attention_bias", "mlp_bias",
            )
        }
        | {"rope_theta": text.rope_parameters["rope_theta"]},
    }


def grids(processor, pictures) -> list[list[int]]:
    """[rows, cols] per picture; 0, 0 for an untiled one."""
    if not pictures:
        return []
    found = processor.image_processor([[str(path) for path in pictures]], return_row_col_info=True)
    return [list(pair) for pair in zip(found["rows"][0], found["cols"][0])]


def make(case: Case) -> None:
    folder, pictures = write_case(case)
    tokenizer_dir = folder if case.self_contained else FIXTURES / "tokenizer"
    processor = load_processor(folder, tokenizer_dir)
    messages = messages_of(case)
    rendered, expanded, inputs = prepare(processor, messages, pictures)
    config = load_config(folder)
    for seed in range(1, 400):
        write_weights(random_weights(config, seed), folder, case.dtype, case.shards)
        model = load_model(folder)
        problem, computed = judge(folder, model, inputs)
        if problem is None:
            break
        print(f"{case.name}: seed {seed}: {problem}", file=sys.stderr)
    else:
        raise SystemExit(f"{case.name}: no seed makes a fair case")

    pixels = flat_pixels(inputs)
    expected = {
        "input_ids": inputs["input_ids"][0],
        "logits": computed["logits"],
        "decode_ids": computed["ids"],
        "decode_logits": computed["rows"],
    }
    if pixels is not None:
        vision, features = image_outputs(model, inputs)
        expected |= {"pixel_values": pixels, "vision_last_hidden": vision, "image_features": features}
    save_file({name: value.contiguous() for name, value in expected.items()}, str(folder / "expected.safetensors"))

    eos = processor.tokenizer.eos_token_id
    option_ids = [processor.tokenizer(option, add_special_tokens=False)["input_ids"] for option in case.options]
    write_json(
        folder / "case.json",
        {
            "name": case.name,
            "note": case.note,
            "beyond_published": case.beyond_published,
            "made_with": versions(),
            "seed": seed,
            "tokenizer": "." if case.self_contained else "../tokenizer",
            "images": [path.name for path in pictures],
            "grids": grids(processor, pictures),
            "frames": 0 if pixels is None else len(pixels),
            "tokens_per_frame": case.tokens,
            "messages": messages,
            "prompt": case.prompt if case.content is None else None,
            "rendered": rendered,
            "expanded": expanded,
            "options": case.options,
            "option_ids": option_ids,
            "option_logprobs": [continuation_logprob(model, inputs, ids) for ids in option_ids],
            "option_logprobs_eos": [continuation_logprob(model, inputs, [*ids, eos]) for ids in option_ids],
            "eos_token_id": eos,
            "decode_text": processor.tokenizer.decode(computed["ids"]),
            "weights_dtype": case.dtype,
            "resolved_config": resolved(config),
            "sharpness": {
                "smallest_greedy_margin": computed["margin"],
                "cache_error": computed["cache_error"],
                "eager_against_sdpa": computed["rounding"],
                "weakest_tensor": computed["weakest"],
                "weakest_effect": computed["effect"],
            },
        },
    )
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"{case.name}: seed {seed}, {len(expected['input_ids'])} ids, {0 if pixels is None else len(pixels)} frames, "
        f"{size / 1e3:.0f} kB, weakest {computed['weakest']} {computed['effect']:.1e}, margin {computed['margin']:.1e}, "
        f"cache {computed['cache_error']:.1e}"
    )


def main() -> None:
    require_pinned_versions()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    wanted = set(sys.argv[1:])
    unknown = wanted - {case.name for case in CASES}
    if unknown:
        raise SystemExit(f"no such case: {', '.join(sorted(unknown))}")
    for case in CASES:
        if not wanted or case.name in wanted:
            make(case)


if __name__ == "__main__":
    main()
