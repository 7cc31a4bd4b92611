"""Holds an adapter or a merged checkpoint written by Plumbline to the library it is meant for.

    python check_adapters.py --base DIR --adapter DIR --logits F.safetensors [--max 1e-4]   # PEFT, or a bottleneck adapter
    python check_adapters.py --merged DIR --logits F.safetensors
    python check_adapters.py --self-test

F holds what Plumbline computed: `input_ids` [seq], `pixel_values` [frames, 3, T, T] when there are pictures, `logits` [rows, vocab], the
last `rows` positions (all, or fewer). The libraries load a file with missing or extra tensors without a word, so the sets of
names are compared here: both differences must be empty, shapes equal, values loaded unchanged. Logits must be within
max + max * |reference| (PEFT's own test tolerance). A bottleneck adapter needs the Python of requirements-adapters.txt, everything
else that of requirements.txt; with pictures, F then needs `image_features` [tokens, hidden] too, because the library knows the text model
only. Exit code 0: all right, 1: not, 2: the question could not be asked. --self-test judges the committed fixtures of the running
stack, and spoilt copies of them, which must be refused.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import train_base  # first: it silences transformers

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from train_base import FIXTURES, read_json, relative, stack

WEIGHTS = ("adapter_model.safetensors", "adapter.safetensors")


class Refused(Exception):
    """The question could not be asked."""


class Report:
    def __init__(self):
        self.rows: list[tuple[str, bool, str]] = []

    def add(self, name: str, good: bool, text: str) -> None:
        self.rows.append((name, bool(good), text))

    @property
    def good(self) -> bool:
        return all(good for _, good, _ in self.rows)

    def show(self) -> None:
        for name, good, text in self.rows:
            print(f"{name:16} {'ok  ' if good else 'FAIL'}  {text}")

    def same_keys(self, file: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
        """`wanted`: what the library has in its model after loading, under the names it would save."""
        for name, keys in (("missing keys", wanted.keys() - file.keys()), ("unexpected keys", file.keys() - wanted.keys())):
            self.add(name, not keys, "none" if not keys else f"{len(keys)}: {', '.join(sorted(keys)[:4])}")
        both = sorted(file.keys() & wanted.keys())
        shapes = [key for key in both if file[key].shape != wanted[key].shape]
        self.add("shapes", not shapes, f"{len(both)} tensors" if not shapes else ", ".join(shapes[:4]))
        changed = [key for key in both if key not in shapes and not torch.equal(file[key].float(), wanted[key].float())]
        self.add("values", not changed, "loaded as they are in the file" if not changed else "changed: " + ", ".join(changed[:4]))

    def same_logits(self, ours: torch.Tensor, reference: torch.Tensor, limit: float) -> None:
        if ours.dim() != 2 or not 0 < len(ours) <= len(reference) or ours.shape[1] != reference.shape[1]:
            self.add("logits", False, f"shape {list(ours.shape)}, reference {list(reference.shape)}")
            return
        reference = reference[-len(ours) :]
        difference = (ours.double() - reference.double()).abs()
        good = bool((difference <= limit + limit * reference.double().abs()).all())  # NaN is not <=
        best = int((ours.argmax(-1) == reference.argmax(-1)).sum())
        self.add(
            "logits", good, f"{list(ours.shape)}, max abs {float(difference.max()):.2e}, rel {relative(ours, reference):.2e}, "
            f"same best token at {best}/{len(ours)} (want {limit:.0e} + {limit:.0e} * |reference|)",
        )


def base_model(folder: Path, report: Report | None = None):
    model, info = AutoModelForImageTextToText.from_pretrained(
        str(folder), dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    complaints = {key: value for key, value in info.items() if value}
    if report is not None:
        report.add("transformers", not complaints, "loads it without complaint" if not complaints else str(complaints)[:300])
    elif complaints:
        raise Refused(f"the base does not load cleanly: {complaints}")
    return model.eval().requires_grad_(False)


def inputs_of(dump: dict[str, torch.Tensor]) -> dict:
    if missing := {"input_ids", "logits"} - dump.keys():
        raise Refused(f"the logits file has no {', '.join(sorted(missing))}; it has {', '.join(sorted(dump))}")
    ids = dump["input_ids"].reshape(1, -1).long()
    pixels = {"pixel_values": dump["pixel_values"].float()[None]} if "pixel_values" in dump else {}
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **pixels}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    found = [folder / name for name in WEIGHTS if (folder / name).exists()]
    if len(found) != 1:
        raise Refused(f"{folder.name} must have one of {', '.join(WEIGHTS)}")
    return load_file(str(found[0]))


@torch.no_grad()
def check_peft(base: Path, folder: Path, dump: dict, limit: float) -> Report:
    from peft import PeftModel, get_peft_model_state_dict

    report, model, inputs = Report(), base_model(base), inputs_of(dump)
    plain = model(**inputs, use_cache=False).logits[0]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            wrapped = PeftModel.from_pretrained(model, str(folder)).eval()
        except (RuntimeError, ValueError, KeyError) as error:
            report.add("PEFT", False, f"{type(error).__name__}: {str(error)[:300]}")
            return report
    told = [str(entry.message)[:200] for entry in said if "is_gradient_checkpointing" not in str(entry.message)]
    report.add("PEFT", not told, "loads it without a warning" if not told else "; ".join(told))
    # "auto" would go looking for the base by its name; the adapter's own tensors are all that is asked for.
    report.same_keys(weights_of(folder), get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    out = wrapped(**inputs, use_cache=False).logits[0]
    report.same_logits(dump["logits"], out, limit)
    report.add("effect", True, f"the adapter moves the logits by {relative(out[-len(plain):], plain):.2e} (relative)")
    return report


@torch.no_grad()
def check_bottleneck(base: Path, folder: Path, dump: dict, limit: float) -> Report:
    import adapters

    report, model, inputs = Report(), base_model(base), inputs_of(dump)
    text = model.model.text_model
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    places = (inputs["input_ids"] == model.config.image_token_id).unsqueeze(-1)
    if places.any():
        if "image_features" not in dump:
            raise Refused("with pictures the logits file must have image_features for a bottleneck adapter")
        embeds = embeds.masked_scatter(places.expand_as(embeds), dump["image_features"].float())
    given = {"inputs_embeds": embeds, "attention_mask": inputs["attention_mask"], "use_cache": False}
    plain = model.lm_head(text(**given).last_hidden_state)[0]
    adapters.init(text)
    try:
        name = text.load_adapter(str(folder), use_safetensors=(folder / "adapter.safetensors").exists())
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        report.add("adapters", False, f"{type(error).__name__}: {str(error)[:300]}")
        return report
    text.set_active_adapters(name)
    model.eval()
    report.add("adapters", True, f"loads it under the name {name!r}")
    live = {key: value for key, value in text.named_parameters() if f".adapters.{name}." in key}
    report.same_keys(weights_of(folder), live)
    out = model.lm_head(text(**given).last_hidden_state)[0]
    report.same_logits(dump["logits"], out, limit)
    report.add("effect", True, f"the adapter moves the logits by {relative(out, plain):.2e} (relative)")
    return report


@torch.no_grad()
def check_merged(folder: Path, dump: dict, limit: float) -> Report:
    report = Report()
    model = base_model(folder, report)
    inputs = inputs_of(dump)
    file = {}
    for part in sorted(folder.glob("*.safetensors")):
        if twice := file.keys() & (tensors := load_file(str(part))).keys():
            report.add("twice", False, ", ".join(sorted(twice)[:4]))
        file |= tensors
    live = model.state_dict()
    if model.config.tie_word_embeddings and "lm_head.weight" not in file:
        live.pop("lm_head.weight")
    report.same_keys(file, live)
    report.same_logits(dump["logits"], model(**inputs, use_cache=False).logits[0], limit)
    return report


def check_adapter(base: Path, folder: Path, dump: dict, limit: float) -> Report:
    config = read_json(folder / "adapter_config.json")
    wanted = "peft" if "peft_type" in config else "adapters"
    if stack() != wanted:
        raise Refused(f"this adapter needs the stack of {wanted}, and this Python has that of {stack()}")
    return (check_peft if wanted == "peft" else check_bottleneck)(base, folder, dump, limit)


def self_test(limit: float) -> int:
    wrong = []

    def expect(name: str, report: Report, fails: set[str]) -> None:
        failed = {row for row, good, _ in report.rows if not good}
        good = failed == fails if not fails else fails <= failed
        print(f"{name:44} {'ok  ' if good else 'FAIL'}  {'refused: ' + ', '.join(sorted(failed)) if failed else 'accepted'}", flush=True)
        if not good:
            wrong.append(name)
            report.show()

    mine = stack()
    os.chdir(FIXTURES)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted((FIXTURES / "peft").iterdir()):
            case = read_json(folder / "case.json")
            if (mine == "adapters") != ("adapters" in case["made_with"]):
                continue
            base = FIXTURES / case["base"]
            shown, expected = load_file(str(base / "expected.safetensors")), load_file(str(folder / "expected.safetensors"))
            dump = {name: shown[name] for name in ("pixel_values", "image_features")}
            dump |= {"input_ids": expected["input_ids"], "logits": expected["logits"]}
            expect(folder.name, check_adapter(base, folder, dump, limit), set())
            spoilt = dict(dump, logits=dump["logits"] + 1e-2)
            expect(f"{folder.name}, logits off", check_adapter(base, folder, spoilt, limit), {"logits"})
            weights = weights_of(folder)
            name = next(path for path in WEIGHTS if (folder / path).exists())
            first = sorted(weights)[0]
            copies = {
                "a key missing": ({key: value for key, value in weights.items() if key != first}, {"missing keys"}),
                "a key too many": (weights | {first.replace("layers.0", "layers.9") + "_": weights[first].clone()}, {"unexpected keys"}),
                "half as strong": ({key: 0.5 * value for key, value in weights.items()}, {"logits"}),
            }
            if case["method"] == "prompt":
                copies = {"half as strong": copies["half as strong"]}
            for what, (tensors, fails) in copies.items():
                copy = Path(scratch) / "copy"
                shutil.rmtree(copy, ignore_errors=True)
                copy.mkdir()
                shutil.copy(folder / "adapter_config.json", copy)
                save_file(tensors, str(copy / name), metadata={"format": "pt"})
                report = check_adapter(base, copy, dump, limit)
                if len(report.rows) == 1:  # the library itself threw it out, as PEFT does for modules_to_save
                    fails = {"PEFT"}
                expect(f"{folder.name}, {what}", report, fails)
            if "merged_logits" in expected and mine == "peft":
                from peft import PeftModel

                merged = Path(scratch) / "merged"
                shutil.rmtree(merged, ignore_errors=True)
                PeftModel.from_pretrained(base_model(base), str(folder)).merge_and_unload().save_pretrained(str(merged))
                dump["logits"] = expected["merged_logits"]
                expect(f"{folder.name}, merged", check_merged(merged, dump, limit), set())
                file = merged / "model.safetensors"
                tensors = load_file(str(file))
                tensors["lm_head.bias"] = torch.zeros(3)
                save_file(tensors, str(file), metadata={"format": "pt"})
                expect(f"{folder.name}, merged, a key too many", check_merged(merged, dump, limit), {"unexpected keys"})
    print(f"{len(wrong)} wrong" if wrong else "all as they should be")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="checkpoint folder the adapter belongs to")
    parser.add_argument("--adapter", type=Path, help="folder with adapter_config.json and the adapter's weights")
    parser.add_argument("--merged", type=Path, help="checkpoint folder with the adapter merged into it")
    parser.add_argument("--logits", type=Path, help="safetensors with input_ids, logits and, with pictures, pixel_values")
    parser.add_argument("--max", type=float, default=1e-4)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        torch.set_num_threads(1)
        return self_test(args.max)
    if not args.logits or bool(args.adapter) == bool(args.merged) or (args.adapter and not args.base):
        parser.error("give --logits, and --base with --adapter, or --merged")
    dump = load_file(str(args.logits))
    try:
        report = check_merged(args.merged, dump, args.max) if args.merged else check_adapter(args.base, args.adapter, dump, args.max)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    report.show()
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
