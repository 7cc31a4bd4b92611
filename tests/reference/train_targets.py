"""Which modules PEFT adapts, for many configs: tests/fixtures/peft_targets.json.

Runs peft 0.21.2's own matching functions. They only need `re`, so their source is taken out of the installed
package and executed without torch. Usage: python peft_targets.py <folder of the peft package> <output.json>
"""
import ast, json, pathlib, random, re, sys, types
from typing import Optional, Sequence

package, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

def take(file, names):
    source = (package / file).read_text()
    tree = ast.parse(source)
    return "\n\n".join(ast.get_source_segment(source, n) for n in tree.body if getattr(n, "name", "") in names)

space = {"re": re, "Optional": Optional, "Sequence": Sequence, "PeftConfig": object}
exec("from __future__ import annotations\n" + take("utils/other.py", {"match_target_against_key", "get_pattern_key"}), space)
exec("from __future__ import annotations\n" + take("tuners/tuners_utils.py", {"_ExcludedModule", "check_target_module_exists"}), space)
check, pattern_key = space["check_target_module_exists"], space["get_pattern_key"]

modules = []
def add(path, kind): modules.append({"path": path, "kind": kind})
V = "model.vision_model."
add(V + "embeddings.patch_embedding", "conv"); add(V + "embeddings.position_embedding", "embedding")
for i in (0, 1, 10):
    for n in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"):
        add(f"{V}encoder.layers.{i}.{n}", "linear")
    for n in ("layer_norm1", "layer_norm2"): add(f"{V}encoder.layers.{i}.{n}", "norm")
add(V + "post_layernorm", "norm")
add("model.connector.modality_projection.proj", "linear")
add("model.text_model.embed_tokens", "embedding")
for i in (0, 1, 2, 11):
    for n in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"):
        add(f"model.text_model.layers.{i}.{n}", "linear")
    for n in ("input_layernorm", "post_attention_layernorm"): add(f"model.text_model.layers.{i}.{n}", "norm")
add("model.text_model.norm", "norm"); add("lm_head", "linear")
# Not in SmolVLM: nested numbers and a bare top-level name.
add("model.extra.blocks.1.experts.0.w1", "linear"); add("model.extra.blocks.0.experts.1.w1", "linear"); add("q_proj", "linear")
paths = [m["path"] for m in modules]

lists = [["q_proj"], ["q_proj", "v_proj"], ["self_attn.q_proj"], ["proj"], ["modality_projection.proj"], ["fc1", "fc2"], ["lm_head"],
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], ["w1"], ["experts.0.w1"], ["out_proj"], ["_proj"],
    ["model.text_model.layers.1.self_attn.q_proj"], ["layers.1.self_attn.q_proj", "fc2"], ["text_model.layers.0.mlp.up_proj"], ["Q_PROJ"], [".q_proj"], ["1.mlp.fc1"], ["q.proj"], ["nothing"]]
regexes = [r".*q_proj", r"q_proj", r".*\.(q|v)_proj", r"model\.text_model\..*_proj", r"model\.text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)",
    r"model\.vision_model\.encoder\.layers\.\d+\.(self_attn\.((q|k|v)_proj|out_proj)|mlp\.fc[12])", r".*text_model.*(q_proj|v_proj)$", r"^model.*fc1", r"(?i).*Q_PROJ", r".*layers\.(0|1)\.self_attn\.(q|k)_proj",
    r".*layers\.[0-1]\..*proj", r"(?!.*vision).*\.q_proj", r"(?!.*(vision|extra)).*\.(q_proj|w1)", r".*(?<!out)_proj", r".*(?<=self_attn\.)q_proj", r"[a-z_.0-9]+\.mlp\.\w+", r".*\.\d{2}\..*_proj", r"(?P<a>model)\.text_(?P=a)\..*o_proj",
    r"model\.(\w+)\.layers\.(\d+)\.mlp\.(?:gate|up)_proj", r"lm_head|.*w1", r".*\bfc\d\b", r"model.text_model.layers.1?1.mlp.down_proj", r".*experts\.\d+\.w1", r".*?\.1\..*?", r"a|q|q_proj", r"q|q_proj", r"(?s:.*)up_proj", r".*layers\.(?:0|11)\.(?=mlp).*", r"model(\.[^.]+)+_proj"]
cases = []
def config(**kw):
    base = dict(target_modules=None, exclude_modules=None, modules_to_save=None, layers_to_transform=None, layers_pattern=None, target_parameters=None)
    base.update(kw); return base
def run(c):
    ns = types.SimpleNamespace(**c)
    for k in ("target_modules", "exclude_modules"):
        if isinstance(c[k], list): setattr(ns, k, set(c[k]))
    out = [p for p in paths if check(ns, p)]
    cases.append({"config": {k: v for k, v in c.items() if v is not None}, "modules": out})
for t in lists + regexes: run(config(target_modules=t))
excludes = [["k_proj"], ["text_model.layers.0.self_attn.q_proj"], r".*vision_model.*", r".*layers\.1\..*", ["model.connector.modality_projection.proj"], r"vision", [], "", ["self_attn"]]
for t in (["q_proj", "k_proj"], ["proj", "w1", "fc1"], r".*(q|k)_proj", r".*(proj|fc1)"):
    for e in excludes: run(config(target_modules=t, exclude_modules=e))
saves = [["lm_head"], ["connector"], ["modality_projection"], ["q_proj"], ["layers.0"], ["text_model"], ["embed_tokens", "lm_head"], ["proj"], ["mlp.fc1|mlp.fc2"], ["self_attn"], ["laye.s"], ["_proj"]]
for t in (["q_proj", "proj", "fc1", "lm_head"], r".*(proj|fc1|lm_head)", r"lm_head|.*q_proj"):
    for s in saves: run(config(target_modules=t, modules_to_save=s))
layer_sets = [0, 1, [0], [0, 1], [1, 11], [5], [], [10], [-1]]
for t in (["q_proj"], ["w1", "fc2"], ["model.text_model.layers.1.self_attn.q_proj", "down_proj"]):
    for l in layer_sets:
        for p in (None, "layers", ["layers"], ["blocks", "layers"], "experts", [], "", "encoder.layers", r"text_model\.layers", "laye"):
            if p is None or l not in ([5], [], [-1], [10]): run(config(target_modules=t, layers_to_transform=l, layers_pattern=p))
random.seed(20261121)
for _ in range(120):
    t = random.sample([x for l in lists for x in l], random.randint(1, 4)) if random.random() < 0.6 else random.choice(regexes)
    c = config(target_modules=t)
    if random.random() < 0.5: c["exclude_modules"] = random.choice(excludes)
    if random.random() < 0.5: c["modules_to_save"] = random.choice(saves)
    if isinstance(t, list) and random.random() < 0.5:
        c["layers_to_transform"] = random.choice(layer_sets); c["layers_pattern"] = random.choice([None, "layers", ["experts", "layers"]])
    run(c)

patterns = [["q_proj"], ["v_proj", "q_proj"], ["self_attn.q_proj"], ["layers.0.self_attn.q_proj"], ["layers.1"], ["model.text_model.layers.0.self_attn.q_proj"], ["^model.text_model.layers.0.self_attn.q_proj"],
    ["^q_proj"], ["^model.*q_proj"], ["proj"], ["_proj"], [r".*_proj"], [r"layers\.[01]\..*proj"], [r"(q|k)_proj"], ["q_proj|fc1"], ["mlp.*", "fc1"], ["fc1", "mlp.*"], ["q.proj"], [r"text_model.*q_proj"], [r"\d+.mlp.up_proj"],
    [r"layers.1.*.q_proj"], ["experts.0.w1", "w1"], ["w1", "experts.0.w1"], ["Q_PROJ"], ["q_proj$"], ["head", "lm_head"], ["m_head"], [r"vision_model.encoder.layers.\d+.self_attn.q_proj", "q_proj"],
    ["up_proj", r"layers.0.*", ".*"], [".*", "q_proj"], [r"[^.]+"], [r"self_attn\.[qk]_proj", "self_attn.v_proj"], [r".*\.1\..*"], [r"1\.mlp\.fc2", r"0.mlp.fc2"]]
ranks = []
for p in patterns:
    found = {}
    for path in paths:
        key = pattern_key(list(p), path)
        if key in p: found[path] = key
    ranks.append({"keys": p, "modules": found})
output.write_text(json.dumps({"peft": "0.21.2", "made_by": "peft_targets.py", "modules": modules, "targets": cases, "patterns": ranks}, separators=(",", ":")) + "\n")
print(len(cases), len(ranks), output.stat().st_size, sum(bool(c["modules"]) for c in cases))
