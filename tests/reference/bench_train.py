"""One LoRA training step: torch with transformers and PEFT, and ours beside it, alternating on one machine.

    python bench_train.py --model DIR | --config FILE [--ours 'COMMAND'] [--repeat 5] [--rounds 2] [--out results.json]

A step: one frame of the checkpoint's size with random pixels, a 129-token sequence around it of which the last 8 tokens carry labels,
LoRA with rank 8 on the seven linears of the text model, cross entropy of the labelled tokens, backward, gradient clipping, AdamW.
New pixels, ids and labels in every step; the first step of a process is a warm-up and is not counted. `cached` puts connector
outputs made beforehand where the pictures are, so that the vision tower is not run in the timed step; `pixels` runs it.

torch computes the head at the labelled rows only (what a careful user would do, and what ours does); `--whole-head` has it compute
and keep all of them, as the Trainer does. sdpa attention, the vision tower under no_grad, --threads threads. bf16: base
weights in bf16, LoRA and optimiser in f32 (PEFT's default), no autocast.

--model takes weights from a checkpoint folder (`plumbline models random --config DIR --out DIR` makes one); --config makes random
ones of that shape in memory, for torch alone. COMMAND is run by the shell once in each round and mode with {model}, {mode} (`cached` or
`pixels`), {dtype} (f32, or f16 for the bf16 rounds), {steps} (repeat + 1), {seed}, {tokens}, {labels} and {rank} filled in; the last line
of its output that starts with `{` must be a JSON object with `step_s_all` (seconds of the counted steps), and may have `loss_all` and
`peak_mib`. Every process is a fresh one. Two peaks are shown: of the whole process as the kernel reports it when it ends (ru_maxrss), and
`of steps`: VmHWM as the process reads it after its last step, for torch with cached features counted from after the vision tower
has made them; a process that does not say has the first. The ratios are of the second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

from bench_torch import cpu_name, prompt_ids

TEXT = r"model\.text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
MODES = ["cached", "pixels"]
DTYPES = ["f32", "bf16"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="checkpoint folder")
    parser.add_argument("--config", type=Path, help="config.json, for random weights in memory")
    parser.add_argument("--ours", help="command line of ours; leave out to time torch alone")
    parser.add_argument("--repeat", type=int, default=5, help="counted steps in each process")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each kind")
    parser.add_argument("--tokens", type=int, default=129)
    parser.add_argument("--labels", type=int, default=8)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--whole-head", action="store_true")
    parser.add_argument("--out", type=Path, help="where to write every measurement as JSON")
    parser.add_argument("--torch-worker", nargs=2, metavar=("DTYPE", "MODE"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if bool(args.model) == bool(args.config) or (args.ours and not args.model):
        parser.error("give --model, or --config without --ours")
    return args


def random_model(path: Path, dtype):
    """Random weights of the size a trained model has, drawn tensor by tensor so that no second copy is alive."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(str(path))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation="sdpa")
    rotary = model.model.text_model.rotary_emb
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                value.fill_(1.0)
            elif name.endswith("bias"):
                value.zero_()
            else:
                value.normal_(0.0, 0.02, generator=generator)
    # Buffers are not in the file and are not initialised by to_empty.
    model.model.text_model.rotary_emb = type(rotary)(config=config.text_config)
    vision = model.model.vision_model.embeddings
    if hasattr(vision, "position_ids"):
        vision.position_ids = torch.arange(vision.num_positions).expand((1, -1))
    return model.eval()


def peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def torch_worker(args) -> None:
    """Runs in a process of its own and prints one JSON object."""
    import torch
    import torch.nn.functional as F
    from peft import LoraConfig, get_peft_model

    from refcommon import load_model

    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
    torch.set_num_threads(args.threads)
    kind, mode = args.torch_worker
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
    model = load_model(args.model, dtype, "sdpa") if args.model else random_model(args.config, dtype)
    config = model.config
    lora = LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules=TEXT, task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, lora).eval()
    inner = wrapped.base_model.model
    trained = [value for value in wrapped.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01)
    size = config.vision_config.image_size

    def features(pixels):
        with torch.no_grad():
            return torch.cat([part.flatten(0, -2) for part in inner.model.get_image_features(pixels).pooler_output])

    def batch(turn: int):
        generator = torch.Generator().manual_seed(args.seed * 1000 + turn)
        pixels = (torch.rand(1, 1, 3, size, size, generator=generator) * 2 - 1).to(dtype)
        return prompt_ids(config, args.tokens, generator), pixels

    batches = [batch(turn) for turn in range(args.repeat + 1)]
    ready = [features(pixels) for _, pixels in batches] if mode == "cached" else None
    # The tower's own peak is no part of a step with cached features: what is reported is what training needs after it.
    if mode == "cached":
        reset_peak()
    seconds, losses = [], []
    for turn, (ids, pixels) in enumerate(batches):
        started = time.perf_counter()
        found = ready[turn] if ready else features(pixels)
        places = (ids == config.image_token_id).unsqueeze(-1)
        with torch.no_grad():
            embeds = inner.get_input_embeddings()(ids).masked_scatter(places, found.to(dtype))
        hidden = inner.model.text_model(inputs_embeds=embeds, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state
        rows = slice(-args.labels - 1, -1)
        logits = inner.lm_head(hidden)[0, rows] if args.whole_head else inner.lm_head(hidden[0, rows])
        loss = F.cross_entropy(logits.float(), ids[0, -args.labels :])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if turn:
            seconds.append(time.perf_counter() - started)
    result = {
        "step_s_all": seconds, "loss_all": losses, "dtype": kind, "mode": mode, "trained": sum(value.numel() for value in trained),
        "torch": torch.__version__, "peak_mib": peak_mib(),
    }
    print(json.dumps(result))


def reset_peak() -> None:
    """Writing 5 to clear_refs sets VmHWM back to what is resident now; where that is not allowed the higher peak stands."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def command(args, side: str, dtype: str, mode: str, seed: int):
    if side == "ours":
        ours = {"f32": "f32", "bf16": "f16"}[dtype]
        values = {
            "model": args.model, "mode": mode, "dtype": ours, "steps": args.repeat + 1, "seed": seed, "tokens": args.tokens,
            "labels": args.labels, "rank": args.rank,
        }
        return args.ours.format(**values)
    script = [sys.executable, str(Path(__file__).resolve()), "--torch-worker", dtype, mode]
    script += ["--model", str(args.model)] if args.model else ["--config", str(args.config)]
    for name in ("repeat", "tokens", "labels", "rank", "threads"):
        script += [f"--{name}", str(getattr(args, name))]
    return script + ["--seed", str(seed)] + (["--whole-head"] if args.whole_head else [])


def run(args, side: str, dtype: str, mode: str, seed: int) -> dict:
    """One process. ru_maxrss is the peak over its whole life; `peak_mib` is the process's own word, from after loading."""
    line = command(args, side, dtype, mode, seed)
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads), "OMP_NUM_THREADS": str(args.threads)}
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(line, stdout=output, env=environment, shell=isinstance(line, str))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    what = f"{side} {dtype} {mode}"
    if child.returncode:
        raise SystemExit(f"{what} ended with {child.returncode}: {text[-2000:]}")
    lines = [part for part in text.splitlines() if part.startswith("{")]
    try:
        result = json.loads(lines[-1] if lines else text)
    except json.JSONDecodeError:
        raise SystemExit(f"{what} printed no JSON object but: {text[-2000:]}") from None
    if len(result.get("step_s_all", [])) != args.repeat:
        raise SystemExit(f"{what}: step_s_all must have {args.repeat} numbers")
    if bad := [value for value in result.get("loss_all", []) if not math.isfinite(value)]:
        raise SystemExit(f"{what}: {len(bad)} losses are not finite")
    return result | {"rss_mib": usage.ru_maxrss / 1024}


def main() -> None:
    args = arguments()
    if args.torch_worker:
        torch_worker(args)
        return
    sides = (["ours"] if args.ours else []) + ["torch"]
    kinds = [(side, dtype, mode) for dtype in args.dtypes for mode in args.modes for side in sides]
    found = {kind: [] for kind in kinds}
    load = [os.getloadavg()[0]]
    for number in range(args.rounds):
        for kind in kinds:
            result = run(args, *kind, seed=1 + number)
            found[kind].append(result)
            print(f"round {number + 1} {' '.join(kind):20} {median(result['step_s_all']):.3f} s, {result['rss_mib']:.0f} MiB", flush=True)
    load.append(os.getloadavg()[0])
    print(f"\n{cpu_name()}; {args.threads} threads; load average before {load[0]:.1f}, after {load[1]:.1f}")
    if load[0] > 0.5:
        print("the machine was not idle when this began, so the figures are no record of it")
    summary = {}
    print(f"{'':20}{'step s':>10}{'best s':>10}{'worst s':>10}{'peak MiB':>11}{'of steps':>11}")
    for kind, results in found.items():
        seconds = [value for result in results for value in result["step_s_all"]]
        row = {"step_s": median(seconds), "best_s": min(seconds), "worst_s": max(seconds)}
        row |= {"rss_mib": max(result["rss_mib"] for result in results), "steps_mib": max(r.get("peak_mib", r["rss_mib"]) for r in results)}
        summary[" ".join(kind)] = row
        print(f"{' '.join(kind):20}" + "".join(f"{row[name]:10.3f}" for name in ("step_s", "best_s", "worst_s"))
              + f"{row['rss_mib']:11.0f}{row['steps_mib']:11.0f}")
    if args.ours:
        for dtype in args.dtypes:
            for mode in args.modes:
                ours, other = summary[f"ours {dtype} {mode}"], summary[f"torch {dtype} {mode}"]
                ratios = [ours[name] / other[name] for name in ("step_s", "steps_mib")]
                name = {"f32": "f32", "bf16": "f16/bf16"}[dtype]
                print(f"ours / torch {name} {mode}: time {ratios[0]:.2f}x, peak memory {ratios[1]:.2f}x (under 1 is in our favour)")
    print("medians over all rounds; peak MiB: the whole process; of steps: what a process says of itself after loading, else the same")
    if args.out:
        settings = {name: getattr(args, name) for name in ("repeat", "rounds", "tokens", "labels", "rank", "threads", "whole_head")}
        report = {"cpu": cpu_name(), "load_average": load, "settings": settings, "summary": summary}
        report["rounds"] = {" ".join(kind): results for kind, results in found.items()}
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
