"""tests/fixtures/peft: an adapter as its library saves it, and the logits the library computes with it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from train_base import Base, randomise, relative, versions, write_json, write_tensors
from train_methods import Adapter, clean, keys, load, logits, save, wrap

MERGED_ROWS = 4  # of the end: the rest would only repeat `logits`
MIN_EFFECT = 2e-2  # relative change of the logits by the adapter, or the fixture could not tell whether it is applied
MIN_TENSOR_EFFECT = 5e-4  # the same for each tensor of the adapter, when it is replaced by new noise of 20 % of its size
RELOAD_TOLERANCE = 1e-6
MAX_ROUNDING = 3e-5
MERGE_TOLERANCE = 2e-5


@torch.no_grad()
def weakest(adapter: Adapter, base: Base, wrapped, out: torch.Tensor) -> tuple[str, float]:
    """The tensor that moves the logits least when it gets 20 % noise."""
    found = {}
    for name, value in keys(adapter, wrapped).items():
        kept = value.clone()
        noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        value.add_((0.2 * value.float().pow(2).mean().sqrt() * noise).to(value.dtype))
        found[name] = relative(logits(adapter, base, wrapped, base.ids), out)
        value.copy_(kept)
    name = min((key for key in found if "k_proj.base_layer.bias" not in key and not key.endswith("k_proj.bias")), key=found.get)
    return name, found[name]


def make(adapter: Adapter, folder: Path) -> str:
    base = Base(adapter.base)
    model = base.model()
    base_error = base.check(model)
    clean(folder)
    wrapped = wrap(adapter, model)
    live = keys(adapter, wrapped)
    randomise(live, f"peft/{adapter.name}")
    with torch.no_grad():
        before = logits(adapter, base, wrapped, base.ids)
    save(adapter, wrapped, folder)
    wrapped = load(adapter, base, folder)
    with torch.no_grad():
        out = logits(adapter, base, wrapped, base.ids)
    exact = load(adapter, base, folder).double()
    with torch.no_grad():
        exact = logits(adapter, base, exact, base.ids)
    # How far f32 itself is from the truth: another order of the same sums is about as far, and must be within the tests' tolerance.
    rounding = float(((out.double() - exact).abs() / (1 + exact.abs())).max())
    reload_error = relative(out, before) if adapter.dtype == torch.float32 else 0.0
    rows = out[-len(base.ids) :]
    effect = relative(rows, base.logits)
    for parameter in wrapped.parameters():
        parameter.requires_grad_(True)  # `keys` finds live parameters only; nothing is trained here
    name, least = weakest(adapter, base, wrapped, out)
    expected = {"input_ids": base.ids, "logits": out}
    case = {
        "name": adapter.name,
        "note": adapter.note,
        "base": adapter.base,
        "text_only": False,
        "method": adapter.kind if adapter.kind != "bottleneck" else adapter.config["architecture"],
        "given": adapter.config,  # to the library; the folder's own config is what it made of that
        "made_with": versions(),
        "file_dtype": {torch.float32: "f32", torch.bfloat16: "bf16"}[adapter.dtype],
        "effect_on_logits": effect,
        "weakest_tensor": name,
        "weakest_effect": least,
        "base_error": base_error,
        "rounding": rounding,
    }
    if adapter.kind == "prompt":
        case["virtual_tokens"] = adapter.config["num_virtual_tokens"]
    if adapter.kind == "bottleneck":
        case["adapter_name"] = "spatial"
    if adapter.mergeable:
        merged = load(adapter, base, folder).merge_and_unload()
        with torch.no_grad():
            merged_rows = merged(**base.inputs(base.ids), use_cache=False).logits[0]
        case["merge_error"] = relative(merged_rows, out)
        case["merged_rows"] = MERGED_ROWS
        expected["merged_logits"] = merged_rows[-MERGED_ROWS:]
        if case["merge_error"] > MERGE_TOLERANCE:
            raise SystemExit(f"{adapter.name}: merging moves the logits by {case['merge_error']:.1e}")
    if rounding > MAX_ROUNDING:
        raise SystemExit(f"{adapter.name}: f32 alone moves the logits by {rounding:.1e}: weaken the adapter")
    if reload_error > RELOAD_TOLERANCE:
        raise SystemExit(f"{adapter.name}: saving and loading moves the logits by {reload_error:.1e}")
    if effect < MIN_EFFECT or least < MIN_TENSOR_EFFECT:
        raise SystemExit(f"{adapter.name}: effect {effect:.1e}, of {name} {least:.1e}: not felt")
    write_tensors(folder / "expected.safetensors", expected)
    write_json(folder / "case.json", case)
    file = next(folder.glob("adapter*.safetensors"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    return (
        f"{len(load_file(str(file)))} tensors, {size / 1e3:.0f} kB, effect {effect:.2f}, weakest {name} {least:.1e}, "
        f"base {base_error:.1e}, merge {case.get('merge_error', 0.0):.1e}"
    )
