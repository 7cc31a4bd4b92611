"""Ours and torch side by side: same weights, same kind of input, alternating rounds on one machine.

    python bench_torch.py --model DIR --ours PATH_TO_plumbline [--repeat 3] [--rounds 2] [--decode 32] [--out results.json]

One frame of the checkpoint's size with random pixels and a 129-token prompt around it, new ones in every repeat. Measured:
the vision tower with the connector (vision), the vision tower with the prompt (prefill; logits at the last position only), and
greedy decoding with the KV cache, in tokens per second. Each engine runs in a process of its own in every round, in the order
ours f32, torch f32, ours f16, torch bf16, so that a slow minute of the machine falls on all of them; peak memory is that
process's largest resident set as the kernel reports it. The first pass of a process is a warm-up and is not counted.

torch: the model class of transformers, sdpa attention, no_grad, --threads threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ENGINES = ["ours f32", "torch f32", "ours f16", "torch bf16"]
LISTS = {"vision_s": "vision_s_all", "prefill_s": "prefill_s_all", "decode_tok_s": "decode_tok_s_all"}
# Each of ours against what a person would use instead of it.
RATIOS = [("ours f32", "torch f32"), ("ours f16", "torch f32"), ("ours f16", "torch bf16")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--ours", type=Path, help="the plumbline binary; leave out to time torch alone")
    parser.add_argument("--repeat", type=int, default=3, help="measured repeats in each process")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each engine")
    parser.add_argument("--prompt-tokens", type=int, default=129)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--out", type=Path, help="where to write every measurement as JSON")
    parser.add_argument("--torch-worker", choices=["f32", "bf16"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def prompt_ids(config, length: int, generator):
    """`<|im_start|>User:`, one untiled picture, then random text, in the ids of the 49280-entry SmolVLM vocabulary."""
    import torch

    vision, image, vocabulary = config.vision_config, config.image_token_id, config.text_config.vocab_size
    tokens = (vision.image_size // vision.patch_size // config.scale_factor) ** 2
    fake, whole = (49189, 49152) if vocabulary > 49190 else (3, 4)
    head = [token if token < vocabulary else 5 for token in (1, 11126, 42)] + [fake, whole] + [image] * tokens + [fake]
    if length < len(head) + 1:
        raise SystemExit(f"--prompt-tokens must be over {len(head)} for this checkpoint")
    rest = torch.randint(100, min(40000, image), (length - len(head),), generator=generator)
    return torch.cat([torch.tensor(head), rest])[None]


def torch_worker(args) -> None:
    """Runs in a process of its own and prints one JSON object."""
    import torch

    from refcommon import load_model

    torch.set_num_threads(args.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.torch_worker]
    started = time.perf_counter()
    model = load_model(args.model, dtype, "sdpa")
    load_s = time.perf_counter() - started
    size = model.config.vision_config.image_size
    found = {name: [] for name in LISTS}
    for turn in range(args.repeat + 1):
        generator = torch.Generator().manual_seed(args.seed * 1000 + turn)
        pixels = (torch.rand(1, 1, 3, size, size, generator=generator) * 2 - 1).to(dtype)
        ids = prompt_ids(model.config, args.prompt_tokens, generator)
        with torch.no_grad():
            t0 = time.perf_counter()
            model.get_image_features(pixel_values=pixels)
            t1 = time.perf_counter()
            out = model(
                input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, use_cache=True, logits_to_keep=1
            )
            token = out.logits[:, -1].argmax(-1, keepdim=True)
            t2 = time.perf_counter()
            for _ in range(args.decode):
                out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
                token = out.logits[:, -1].argmax(-1, keepdim=True)
            t3 = time.perf_counter()
        if turn:
            found["vision_s"].append(t1 - t0)
            found["prefill_s"].append(t2 - t1)
            found["decode_tok_s"].append(args.decode / (t3 - t2))
    result = {LISTS[name]: values for name, values in found.items()}
    result |= {name: median(values) for name, values in found.items()}
    print(json.dumps(result | {"load_s": load_s, "dtype": args.torch_worker, "device": "cpu", "torch": torch.__version__}))


def command(args, engine: str, seed: int) -> list[str]:
    side, dtype = engine.split()
    shared = ["--model", str(args.model), "--prompt-tokens", str(args.prompt_tokens), "--decode", str(args.decode)]
    shared += ["--repeat", str(args.repeat)]
    if side == "ours":
        return [str(args.ours), "bench", *shared, "--device", "cpu", "--dtype", dtype, "--json"]
    script = [sys.executable, str(Path(__file__).resolve()), "--torch-worker", dtype]
    return script + [*shared, "--threads", str(args.threads), "--seed", str(seed)]


def run(args, engine: str, seed: int) -> dict:
    """One process. Its peak memory is read from the kernel when it ends, the same way for every engine."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads), "OMP_NUM_THREADS": str(args.threads)}
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command(args, engine, seed), stdout=output, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if child.returncode:
        raise SystemExit(f"{engine} ended with {child.returncode}: {text[-2000:]}")
    lines = [line for line in text.splitlines() if line.startswith("{")]
    try:
        result = json.loads(lines[-1] if lines else text)
    except json.JSONDecodeError:
        raise SystemExit(f"{engine} printed no JSON object but: {text[-2000:]}") from None
    missing = [name for name in LISTS.values() if name not in result]
    if missing:
        raise SystemExit(f"{engine} printed JSON without {', '.join(missing)}")
    return result | {"rss_mib": usage.ru_maxrss / 1024}


def cpu_name() -> str:
    fields = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    except OSError:
        return "unknown CPU"
    flags = set(fields.get("flags", "").split())
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    family = f"family {fields.get('cpu family')} model {fields.get('model')}"
    return f"{fields.get('model name', 'unknown CPU')} ({family}; {', '.join(wide) or 'no AVX2'}), {os.cpu_count()} logical CPUs"


def summarise(rounds: dict[str, list[dict]]) -> dict[str, dict]:
    summary = {}
    for engine, results in rounds.items():
        pooled = {name: [value for result in results for value in result[key]] for name, key in LISTS.items()}
        summary[engine] = {name: median(values) for name, values in pooled.items()}
        summary[engine]["best"] = {
            name: max(values) if name == "decode_tok_s" else min(values) for name, values in pooled.items()
        }
        summary[engine]["rss_mib"] = max(result["rss_mib"] for result in results)
    return summary


def table(summary: dict[str, dict]) -> None:
    print(f"{'':24}{'vision s':>12}{'prefill s':>12}{'decode tok/s':>14}{'peak MiB':>12}")
    for engine, row in summary.items():
        print(f"{engine:24}{row['vision_s']:12.3f}{row['prefill_s']:12.3f}{row['decode_tok_s']:14.2f}{row['rss_mib']:12.0f}")
    for a, b in RATIOS:
        if a in summary and b in summary:
            ours, other = summary[a], summary[b]
            ratio = {name: ours[name] / other[name] for name in (*LISTS, "rss_mib")}
            print(
                f"{a + ' / ' + b:24}{ratio['vision_s']:11.2f}x{ratio['prefill_s']:11.2f}x{ratio['decode_tok_s']:13.2f}x"
                f"{ratio['rss_mib']:11.2f}x"
            )
    print("medians; for seconds and memory a ratio under 1 is in our favour, for decoding one over 1")


def main() -> None:
    args = arguments()
    if args.torch_worker:
        torch_worker(args)
        return
    engines = [engine for engine in args.engines if args.ours or not engine.startswith("ours")]
    rounds = {engine: [] for engine in engines}
    load = [os.getloadavg()[0]]
    for number in range(args.rounds):
        for engine in engines:
            result = run(args, engine, seed=1 + number)
            rounds[engine].append(result)
            print(
                f"round {number + 1} {engine:11} vision {median(result['vision_s_all']):.3f} s, prefill "
                f"{median(result['prefill_s_all']):.3f} s, decode {median(result['decode_tok_s_all']):.2f} tok/s, "
                f"peak {result['rss_mib']:.0f} MiB",
                flush=True,
            )
    load.append(os.getloadavg()[0])
    summary = summarise(rounds)
    cpu = cpu_name()
    print(f"\n{cpu}; {args.threads} torch threads; load average before {load[0]:.1f}, after {load[1]:.1f}")
    if load[0] > 0.5:
        print("the machine was not idle when this began, so the figures are no record of it")
    table(summary)
    if args.out:
        settings = {name: getattr(args, name) for name in ("repeat", "rounds", "prompt_tokens", "decode", "threads")}
        report = {"cpu": cpu, "load_average": load, "settings": settings, "model": args.model.name, "summary": summary, "rounds": rounds}
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
