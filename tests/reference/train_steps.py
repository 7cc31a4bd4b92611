"""tests/fixtures/train: first gradients and 20 optimiser steps of every kind of training.

The data of a case are three samples: the base's pictures and prompt, then 3 to 6 answer ids. Step t takes samples 2t mod 3 and
(2t + 1) mod 3 as two micro-batches; its loss is the sum over all their label tokens divided by the number of these, as the
Trainer's `num_items_in_batch` has it.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import get_cosine_schedule_with_warmup

from train_base import Base, randomise, relative, seed_of, versions, write_json, write_tensors
from train_cases import Train
from train_methods import clean, keys, logits, save, wrap

STEPS = 20
HYPER = {
    "steps": STEPS, "warmup": 3, "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "clip_norm": 1.0,
    "schedule": "cosine", "micro_batches": 2,
}
STRENGTH = 0.25  # of the initial adapter: strong ones make gradients that f32 itself does not know to 1e-5
DOUBT = 1e-5  # f32 and f64 further apart than this after 20 steps: the f64 values are recorded too


@contextmanager
def double_throughout():
    """transformers computes norms, softmax and rotary angles in float32 by name, whatever the model's type; here it means f64."""
    single, as_float = torch.float32, torch.Tensor.float
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.Tensor.float = single, as_float


class Run:
    """One training run of a case in f32, or in f64 throughout from the same initial values."""

    def __init__(self, case: Train, double: bool):
        self.case = case
        self.base = Base(case.base)
        self.model = self.base.model()
        self.base_error = self.base.check(self.model)
        self.answers = self.base.samples()
        if case.adapter:
            self.wrapped = wrap(case.adapter, self.model)
            self.trained = keys(case.adapter, self.wrapped)
            randomise(self.trained, f"train/{case.name}", STRENGTH)
        else:
            self.wrapped = self.model
            self.trained = {name: value for name, value in self.model.named_parameters() if name.startswith(case.parts)}
            for value in self.trained.values():
                value.requires_grad_(True)
        live = {id(value) for value in self.wrapped.parameters() if value.requires_grad}
        if live != {id(value) for value in self.trained.values()}:
            raise SystemExit(f"{case.name}: the trainable parameters are not the saved ones")
        self.teacher = self.teacher_logits() if case.distil else None
        if double:
            self.wrapped.double()
            self.base.pixels = self.base.pixels.double()

    def ids(self, sample: int) -> torch.Tensor:
        return torch.cat([self.base.ids, self.answers[sample]])

    def label_rows(self, out: torch.Tensor, sample: int) -> torch.Tensor:
        """The rows of `out` that predict the answer; virtual tokens before the prompt do not matter counted from the end."""
        count = len(self.answers[sample])
        return out[-count - 1 : -1]

    @torch.no_grad()
    def teacher_logits(self) -> list[torch.Tensor]:
        from checkpoint import random_weights

        teacher = self.base.model()
        teacher.load_state_dict(random_weights(teacher.config, seed_of(self.case.name, "teacher") % 1000))
        return [self.label_rows(logits(None, self.base, teacher, self.ids(s)), s) for s in range(len(self.answers))]

    def sample_loss(self, sample: int) -> torch.Tensor:
        """Sum over the label tokens of one sample."""
        rows = self.label_rows(logits(self.case.adapter, self.base, self.wrapped, self.ids(sample)), sample)
        entropy = F.cross_entropy(rows, self.answers[sample], reduction="sum")
        if self.teacher is None:
            return entropy
        alpha, heat = self.case.distil["alpha"], self.case.distil["T"]
        goal = (self.teacher[sample].to(rows.dtype) / heat).log_softmax(-1)
        divergence = F.kl_div((rows / heat).log_softmax(-1), goal, reduction="sum", log_target=True)
        return alpha * entropy + (1 - alpha) * heat**2 * divergence

    def check_against_library(self) -> None:
        """transformers' own loss with labels and num_items_in_batch must be the one above."""
        if self.case.distil or (self.case.adapter and self.case.adapter.kind == "bottleneck"):
            return
        ids = self.ids(0)
        labels = ids.clone()
        labels[: len(self.base.ids)] = -100
        inputs = self.base.inputs(ids)
        items = torch.tensor(7)
        with torch.no_grad():
            theirs = self.wrapped(**inputs, labels=labels[None], num_items_in_batch=items, use_cache=False).loss
            ours = self.sample_loss(0) / items
        if relative(ours, theirs) > 1e-6:
            raise SystemExit(f"{self.case.name}: transformers says the loss is {theirs}, we say {ours}")

    def train(self) -> dict[str, torch.Tensor]:
        parameters = list(self.trained.values())
        optimizer = torch.optim.AdamW(
            parameters, lr=HYPER["lr"], betas=tuple(HYPER["betas"]), eps=HYPER["eps"], weight_decay=HYPER["weight_decay"]
        )
        schedule = get_cosine_schedule_with_warmup(optimizer, HYPER["warmup"], STEPS)
        start = {name: value.detach().clone() for name, value in self.trained.items()}
        found, curves = {}, {"loss": [], "grad_norm": [], "lr": []}
        for step in range(STEPS):
            picked = [(2 * step) % 3, (2 * step + 1) % 3]
            items = sum(len(self.answers[sample]) for sample in picked)
            optimizer.zero_grad(set_to_none=True)
            total = 0.0
            for sample in picked:
                loss = self.sample_loss(sample) / items
                loss.backward()
                total = total + loss.detach()
            if step == 0:
                found |= {f"grad.{name}": value.grad.clone() for name, value in self.trained.items()}
            norm = torch.nn.utils.clip_grad_norm_(parameters, HYPER["clip_norm"])
            curves["loss"].append(total)
            curves["grad_norm"].append(norm)
            curves["lr"].append(torch.tensor(schedule.get_last_lr()[0]))
            optimizer.step()
            schedule.step()
            if step == 0 and any(not torch.equal(value, start[name]) for name, value in self.trained.items()):
                raise SystemExit(f"{self.case.name}: a learning rate of 0 changed something")
            if step + 1 in (2, STEPS):
                found |= {f"step{step + 1}.{name}": value.detach().clone() for name, value in self.trained.items()}
        found |= {name: torch.stack([value.to(torch.float64) for value in values]).float() for name, values in curves.items()}
        return found | {"loss0": found["loss"][:1].clone()}


def make(case: Train, folder: Path) -> str:
    run = Run(case, double=False)
    run.check_against_library()
    clean(folder)
    init = {name: value.detach().clone() for name, value in run.trained.items()}
    if case.adapter:
        save(case.adapter, run.wrapped, folder)
        next(folder.glob("adapter*.safetensors")).unlink()
    found = run.train()
    exact_run = Run(case, double=True)
    with double_throughout():
        exact = exact_run.train()
    if not exact[f"step{STEPS}.{next(iter(init))}"].dtype == torch.float64:
        raise SystemExit(f"{case.name}: the f64 run was not one")
    apart = {name: relative(found[f"step{STEPS}.{name}"], exact[f"step{STEPS}.{name}"]) for name in init}
    doubtful = sorted(name for name, error in apart.items() if error > DOUBT)
    grad_apart = {name: relative(found[f"grad.{name}"], exact[f"grad.{name}"]) for name in init}
    norm_apart = relative(found["grad_norm"], exact["grad_norm"])
    for name in doubtful:
        found[f"step{STEPS}_f64.{name}"] = exact[f"step{STEPS}.{name}"].float()
    if case.lean:
        found = {name: value for name, value in found.items() if not name.startswith("step2.")}
    if case.adapter:
        write_tensors(folder / "init.safetensors", init)
    if run.teacher:
        found |= {f"teacher_logits.{sample}": rows for sample, rows in enumerate(run.teacher)}
    write_tensors(folder / "expected.safetensors", found)
    worst = sorted(apart, key=apart.get)[-1]
    write_json(
        folder / "case.json",
        {
            "name": case.name,
            "note": case.note,
            "base": case.base,
            "method": "full" if case.adapter is None else case.adapter.config.get("architecture", case.adapter.kind),
            "made_with": versions(),
            "hyperparameters": HYPER,
            "distil": case.distil,
            "virtual_tokens": case.adapter.config["num_virtual_tokens"] if case.adapter and case.adapter.kind == "prompt" else 0,
            "init": "init.safetensors" if case.adapter else "base",
            "trained": sorted(init),
            "samples": [{"answer_ids": answer.tolist()} for answer in run.answers],
            "steps": [{"samples": [(2 * step) % 3, (2 * step + 1) % 3]} for step in range(STEPS)],
            "f32_against_f64": {
                "loss": relative(found["loss"], exact["loss"]),
                "grad_norm": norm_apart,
                "worst_grad": max(grad_apart.values()),
                "worst_grad_key": max(grad_apart, key=grad_apart.get),
                "worst_step20": apart[worst],
                "worst_step20_key": worst,
                "keys_in_doubt": doubtful,
            },
        },
    )
    size = sum(path.stat().st_size for path in folder.iterdir())
    return (
        f"{len(init)} tensors, {size / 1e3:.0f} kB, loss {float(found['loss'][0]):.3f} -> {float(found['loss'][-1]):.3f}, "
        f"norm {float(found['grad_norm'].min()):.2f}..{float(found['grad_norm'].max()):.2f}, f64: step20 {apart[worst]:.1e} ({worst}), "
        f"norm {norm_apart:.1e}, grad {max(grad_apart.values()):.1e}, {len(doubtful)} keys in doubt"
    )
