"""tests/fixtures/train/adamw.safetensors and losses.safetensors: optimiser, schedule and losses without any model."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import get_cosine_schedule_with_warmup

from train_base import generator, write_tensors

ADAM_STEPS = 30
SCHEDULES = [(3, 20), (0, 10), (1, 1), (5, 5), (30, 1000), (10, 4)]  # (warm-up, total)


def adamw() -> dict[str, torch.Tensor]:
    g = generator("adamw")
    parameters = {
        "vector": torch.randn(7, generator=g),
        "matrix": torch.randn(5, 3, generator=g),
        "tiny": 0.1 * torch.randn(24, generator=g),
    }
    grads = {name: torch.randn(ADAM_STEPS, *value.shape, generator=g) for name, value in parameters.items()}
    # Gradients from 1e-20 (squares vanish in f32) to 1e-3 around eps = 1e-8, in every order, and some exact zeros.
    exponents = torch.linspace(-20, -3, 24)
    grads["tiny"] = torch.sign(grads["tiny"]) * 10 ** exponents[None] * (1 + 0.3 * torch.rand(ADAM_STEPS, 24, generator=g))
    grads["tiny"][::4, ::5] = 0.0
    grads["matrix"][10:20, 0] = 0.0
    found = {}
    for kind, decay in (("wd0.01", 0.01), ("wd0", 0.0)):
        live = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        optimizer = torch.optim.AdamW(live.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay, foreach=False)
        values = {name: [] for name in live}
        for step in range(ADAM_STEPS):
            for name, value in live.items():
                value.grad = grads[name][step].clone()
            optimizer.step()
            for name, value in live.items():
                values[name].append(value.detach().clone())
        for name, value in live.items():
            found[f"adamw.{kind}.{name}.values"] = torch.stack(values[name])
            found[f"adamw.{kind}.{name}.exp_avg"] = optimizer.state[value]["exp_avg"].clone()
            found[f"adamw.{kind}.{name}.exp_avg_sq"] = optimizer.state[value]["exp_avg_sq"].clone()
    for name, value in parameters.items():
        found |= {f"adamw.{name}.init": value, f"adamw.{name}.grads": grads[name]}
    return found


def clipping() -> dict[str, torch.Tensor]:
    g = generator("clip")
    shapes = {"a": (6,), "b": (4, 3), "c": (2, 2)}
    found = {}
    for case, scale in (("below", 0.05), ("above", 3.0), ("zeros", 0.0), ("huge", 1e12), ("some_zero", 1.0)):
        grads = {name: scale * torch.randn(shape, generator=g) for name, shape in shapes.items()}
        if case == "some_zero":
            grads["b"].zero_()
        live = {name: torch.zeros_like(value).requires_grad_() for name, value in grads.items()}
        for name, value in live.items():
            value.grad = grads[name].clone()
        norm = torch.nn.utils.clip_grad_norm_(live.values(), 1.0)
        found[f"clip.{case}.norm"] = norm.reshape(1)
        for name, value in live.items():
            found |= {f"clip.{case}.{name}.before": grads[name], f"clip.{case}.{name}.after": value.grad.clone()}
    return found


def schedules() -> dict[str, torch.Tensor]:
    found = {}
    for warm, total in SCHEDULES:
        parameter = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        schedule = get_cosine_schedule_with_warmup(optimizer, warm, total)
        values = []
        for _ in range(total + 3):  # three past the end
            values.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        found[f"cosine.{warm}.{total}"] = torch.tensor(values, dtype=torch.float64)
    return found


def graded(prefix: str, loss: torch.Tensor, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The loss [1] and its gradient for each input."""
    grads = torch.autograd.grad(loss, list(inputs.values()))
    found = {f"{prefix}.loss": loss.detach().reshape(1)}
    return found | {f"{prefix}.grad.{name}": grad for name, grad in zip(inputs, grads)}


def distillation() -> dict[str, torch.Tensor]:
    """mask-mean over rows of T^2 KL(p_teacher || p_student), and alpha CE + (1 - alpha) of it with alpha 0.5."""
    g = generator("kl")
    student, teacher = 3 * torch.randn(6, 11, generator=g), 3 * torch.randn(6, 11, generator=g)
    teacher[1] = student[1]  # no divergence at all
    student[2, 0], teacher[2, 3] = 60.0, 60.0  # probabilities that underflow
    labels, mask = torch.randint(0, 11, (6,), generator=g), torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    found = {"kl.student": student, "kl.teacher": teacher, "kl.labels": labels, "kl.mask": mask}
    for heat in (1, 2, 4):
        s = student.clone().requires_grad_()
        goal = (teacher / heat).log_softmax(-1)
        rows = heat**2 * F.kl_div((s / heat).log_softmax(-1), goal, reduction="none", log_target=True).sum(-1)
        loss = (rows * mask).sum() / mask.sum()
        found[f"kl.t{heat}.rows"] = rows.detach()
        found |= graded(f"kl.t{heat}", loss, {"student": s})
        s = student.clone().requires_grad_()
        rows = heat**2 * F.kl_div((s / heat).log_softmax(-1), goal, reduction="none", log_target=True).sum(-1)
        both = 0.5 * F.cross_entropy(s, labels, reduction="none") + 0.5 * rows
        found |= graded(f"kd.t{heat}", (both * mask).sum() / mask.sum(), {"student": s})
    return found


def masked_mean() -> dict[str, torch.Tensor]:
    """sum(v m) / max(sum m, 1): the divisor never falls under one item."""
    g = generator("mean")
    values = torch.randn(4, 9, generator=g)
    masks = {"some": (torch.rand(4, 9, generator=g) < 0.4).float(), "all": torch.ones(4, 9), "none": torch.zeros(4, 9)}
    found = {"mean.values": values}
    for name, mask in masks.items():
        v = values.clone().requires_grad_()
        found[f"mean.{name}.mask"] = mask
        found |= graded(f"mean.{name}", (v * mask).sum() / mask.sum().clamp(min=1), {"values": v})
    return found


def margin() -> dict[str, torch.Tensor]:
    """mean softplus(m - (lp_pos - lp_neg)), pairs far on either side included."""
    g = generator("margin")
    positive, negative = -5 * torch.rand(10, generator=g), -5 * torch.rand(10, generator=g)
    positive[7:], negative[7:] = torch.tensor([-0.001, -90.0, -150.0]), torch.tensor([-120.0, -0.5, -150.0])
    found = {"margin.positive": positive, "margin.negative": negative}
    for m in (0.0, 0.5, 2.0):
        p, n = positive.clone().requires_grad_(), negative.clone().requires_grad_()
        rows = F.softplus(m - (p - n))
        found[f"margin.m{m}.rows"] = rows.detach()
        found |= graded(f"margin.m{m}", rows.mean(), {"positive": p, "negative": n})
    return found


def depth() -> dict[str, torch.Tensor]:
    """d = prediction - target, both log-depth. SILog: mean(d^2) - 0.85 mean(d)^2 over valid places. Gradient: mean of |d[q] - d[p]|
    over all pairs of valid places that are neighbours in a row or a column. Total: SILog + 0.5 gradient, nothing under a root."""
    g = generator("depth")
    prediction, target = torch.randn(8, 8, generator=g), torch.randn(8, 8, generator=g)
    masks = {"all": torch.ones(8, 8), "some": (torch.rand(8, 8, generator=g) < 0.6).float(), "one": torch.zeros(8, 8)}
    masks["one"][3, 5] = 1.0  # no pairs: the gradient part is 0
    masks["row"] = torch.zeros(8, 8)
    masks["row"][2, :4] = 1.0
    found = {"depth.prediction": prediction, "depth.target": target}
    for name, mask in masks.items():
        found[f"depth.{name}.mask"] = mask
        for part in ("silog", "gradient", "total"):
            p = prediction.clone().requires_grad_()
            d, valid = p - target, mask.bool()
            kept = d[valid]
            silog = kept.square().mean() - 0.85 * kept.mean().square()
            across, down = valid[:, 1:] & valid[:, :-1], valid[1:] & valid[:-1]
            steps = torch.cat([(d[:, 1:] - d[:, :-1])[across].abs(), (d[1:] - d[:-1])[down].abs()])
            gradient = steps.sum() / max(len(steps), 1)
            loss = {"silog": silog, "gradient": gradient, "total": silog + 0.5 * gradient}[part]
            found |= graded(f"depth.{name}.{part}", loss, {"prediction": p})
    return found


def make_adamw(path: Path) -> str:
    tensors = adamw() | clipping() | schedules()
    write_tensors(path, tensors)
    return f"{len(tensors)} tensors, {path.stat().st_size / 1e3:.0f} kB"


def make_losses(path: Path) -> str:
    tensors = distillation() | masked_mean() | margin() | depth()
    write_tensors(path, tensors)
    return f"{len(tensors)} tensors, {path.stat().st_size / 1e3:.0f} kB"


FILES = {"adamw": make_adamw, "losses": make_losses}
