"""Makes tests/fixtures/peft and tests/fixtures/train, or says whether they would come out the same.

    venv/bin/python train_generate.py [--check] [CASE ...]            # PEFT, full training, optimiser, losses
    venv-adapters/bin/python train_generate.py [--check] [CASE ...]   # bottleneck adapters

The Python that runs it decides which cases are made (requirements.txt or requirements-adapters.txt). A CASE is `peft/lora_dora`,
`train/adamw` and the like. With --check nothing is written; the exit code is 1 if something differs by more than --limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch

import train_alone
import train_forward
import train_steps
from safetensors.torch import load_file

from train_base import FIXTURES, compare_folders, read_json, relative, stack
from train_cases import PEFT_CASES, TRAIN_CASES


def makers(which: str) -> dict:
    found = {f"peft/{case.name}": partial(train_forward.make, case) for case in PEFT_CASES if case.stack == which}
    found |= {f"train/{case.name}": partial(train_steps.make, case) for case in TRAIN_CASES if case.stack == which}
    if which == "peft":
        found |= {f"train/{name}.safetensors": make for name, make in train_alone.FILES.items()}
    return found


def differences(made: Path, committed: Path, limit: float) -> list[str]:
    if made.is_dir():
        case = committed / "case.json"
        doubtful = read_json(case).get("f32_against_f64", {}).get("keys_in_doubt", []) if case.exists() else []
        return compare_folders(made, committed, limit, {f"step{step}.{name}" for step in (2, 20) for name in doubtful})
    if not committed.exists():
        return ["missing"]
    a, b = load_file(str(made)), load_file(str(committed))
    problems = [f"{key} is in one of them only" for key in sorted(a.keys() ^ b.keys())]
    return problems + [f"{key} differs" for key in sorted(a.keys() & b.keys()) if relative(a[key], b[key]) > limit]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--limit", type=float, default=1e-5, help="largest relative difference --check lets pass")
    args = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets, and so of lists in PEFT's configs
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]])
    torch.set_num_threads(1)
    os.chdir(FIXTURES)  # PEFT looks for the base's config under the name it writes down
    torch.manual_seed(0)
    available = makers(stack())
    names = {name.removesuffix(".safetensors"): name for name in available}
    if unknown := set(args.cases) - names.keys():
        raise SystemExit(f"not with this stack: {', '.join(sorted(unknown))}")
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        for short in args.cases or names:
            name = names[short]
            torch.manual_seed(0)
            target = FIXTURES / name
            made = Path(scratch) / name if args.check else target
            made.parent.mkdir(parents=True, exist_ok=True)
            said = available[name](made)
            if args.check:
                problems = differences(made, target, args.limit)
                bad += bool(problems)
                said = "; ".join(problems) or "same"
            print(f"{name}: {said}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
