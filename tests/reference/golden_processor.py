"""Makes tests/fixtures/processor.json: what the reference says about sizes, tiles, prompts, chat renders and patch positions."""

from __future__ import annotations

import json

import numpy as np
import torch
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import SizeDict
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionEmbeddings
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from refcommon import CHAT_TEMPLATE, FIXTURES, load_tokenizer, require_pinned_versions, versions

PICTURE_SIZES = [
    (640, 480), (480, 640), (1024, 683), (1280, 720), (1920, 1080), (3000, 2000), (2000, 3000), (300, 100), (100, 300),
    (64, 64), (4032, 3024), (517, 911), (2048, 512), (4000, 100), (512, 512), (513, 512), (511, 512), (1, 1), (2, 1), (1, 2),
    (1, 10000), (10000, 1), (10000, 3), (3, 10000), (7, 5000), (4097, 4096), (5000, 4999), (333, 41), (41, 333), (97, 131),
    (1365, 2048), (2048, 1365), (1537, 1536), (999, 1000), (1000, 999), (683, 1024), (225, 400), (12345, 6789),
]
WORK_AND_TILE = [(2048, 512), (1536, 384), (512, 512), (1024, 512), (1536, 512), (700, 512), (300, 512), (5000, 512), (1457, 364), (99, 33)]


class Sizes:
    """Lets the real image processor run on pictures without pixels: each resize only notes the size it was asked for."""

    def __enter__(self):
        self.kept = PilBackend.resize
        PilBackend.resize = lambda _self, image, size, **_: blank(size.width, size.height)
        return self

    def __exit__(self, *_):
        PilBackend.resize = self.kept


def blank(width: int, height: int) -> np.ndarray:
    return np.broadcast_to(np.uint8(0), (3, height, width))


def geometry() -> list[dict]:
    rows = []
    with Sizes():
        for longest_edge, tile in WORK_AND_TILE:
            processor = SmolVLMImageProcessorPil(size={"longest_edge": longest_edge}, max_image_size={"longest_edge": tile})
            for width, height in PICTURE_SIZES:
                first = processor.resize(blank(width, height), SizeDict(longest_edge=longest_edge))
                second = processor.resize_for_vision_encoder(first, tile)
                frames, grid_rows, grid_cols = processor.split_images(second, max_image_size={"longest_edge": tile})
                assert all(frame.shape == (3, tile, tile) for frame in frames)
                rows.append(
                    {
                        "width": width, "height": height, "longest_edge": longest_edge, "tile": tile,
                        "stage1": [first.shape[2], first.shape[1]], "stage2": [second.shape[2], second.shape[1]],
                        "rows": grid_rows, "cols": grid_cols, "frames": len(frames),
                    }
                )
    return rows


def image(): return {"type": "image"}
def text(value): return {"type": "text", "text": value}
def turn(role, *content): return {"role": role, "content": list(content)}


DIALOGUES = [
    [turn("user", image(), text("What is this?"))],
    [turn("user", text("What is the capital of France?"))],
    [turn("user", text("Look at "), image(), text(" and tell me what it is."))],
    [turn("user", image(), image(), text("Which room is larger?"))],
    [turn("user", text("First "), image(), text(" then "), image(), text(" done."))],
    [turn("system", text("You measure rooms.")), turn("user", image(), text("How wide is it?"))],
    [
        turn("user", image(), text("Is there a lamp?")),
        turn("assistant", text("Yes.")),
        turn("user", text("Left or right of the chair?")),
    ],
    [
        turn("system", text("Answer with a letter.")),
        turn("user", image(), text("(A) lamp (B) chair")),
        turn("assistant", text("A")),
        turn("user", image(), text("And here?\n(A) 1 (B) 2")),
        turn("assistant", text("B")),
        turn("user", text("Sure?")),
    ],
    [turn("USER", text("shouted role")), turn("aSSiStant", text("mixed role"))],
    [turn("user", image())],
    [turn("user", text(""))],
    [turn("user", text("")), turn("assistant", text(" leading space and trailing "))],
    [turn("user", text("  two  spaces\n\n")), turn("assistant", text("tabs\tand <end_of_utterance> inside"))],
    [turn("user", image(), text("日本語 🙂 {{ not_a_variable }} {% raw %} <b>&amp;</b>"))],
]

TEXTS = [
    "", " ", "  ", "\n", "\n\n", "\n\n\n", "\n\nFrame", "\n\n<image>", "a\tb", "The lamp is to the left of the chair.", "1234 5.6e-7",
    "I'm don't we'll", "  two spaces", "naïve café 日本語 🙂", "<|im_start|>Assistant: Yes.<end_of_utterance>", " <end_of_utterance> x",
    "<row_1_col_1><row_6_col_6><row_7_col_1>", "<image><image>text<image>", "<|endoftext|><|im_end|>", "<fake_token_around_image><global-img>",
    "User:", ": ", "Assistant:", "\u00a0no-break", "end \n", "x\r\ny", "🙂", "\u0000\u0001", "<imag e> <image",
]


def chat(tokenizer) -> list[dict]:
    out = []
    for messages in DIALOGUES:
        for generation in (False, True):
            rendered = tokenizer.apply_chat_template(
                messages, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=generation
            )
            out.append({"messages": messages, "add_generation_prompt": generation, "rendered": rendered})
    return out


def expansions(tokenizer) -> list[dict]:
    out = []
    for rows, cols in [(0, 0), (1, 2), (2, 1), (1, 1), (2, 2), (3, 4), (4, 4), (6, 6), (7, 2), (1, 8)]:
        for tokens in (1, 3):
            expanded = get_image_prompt_string(rows, cols, tokens, "<fake_token_around_image>", "<image>", "<global-img>")
            # Both ways on: straight after the picture comes text, or the end of the turn.
            whole = f"<|im_start|>User:{expanded}Which?<end_of_utterance>\nAssistant:"
            out.append(
                {"rows": rows, "cols": cols, "tokens": tokens, "expanded": expanded, "prompt": whole, "ids": tokenizer(whole)["input_ids"]}
            )
    return out


def positions() -> list[dict]:
    """Position ids the reference's embedding looks up for a full frame of nb_h x nb_w patches in a side x side table."""
    out = []
    full = [(side, side, side) for side in (1, 2, 3, 4, 6, 7, 9, 10, 24, 26, 27, 28, 32, 37, 64)]
    partial = [(10, 6, 6), (32, 16, 16), (27, 13, 13), (8, 3, 5), (32, 1, 7), (32, 20, 31), (7, 5, 2), (27, 26, 9)]
    for side, nb_h, nb_w in full + partial:
        config = SmolVLMVisionConfig(hidden_size=1, num_attention_heads=1, image_size=side * 2, patch_size=2)
        embeddings = SmolVLMVisionEmbeddings(config)
        seen = []
        embeddings.position_embedding.register_forward_hook(lambda _module, args, _out: seen.append(args[0]))
        with torch.no_grad():
            embeddings(torch.zeros(1, 3, nb_h * 2, nb_w * 2), torch.ones(1, nb_h, nb_w, dtype=torch.bool))
        ids = seen[0][0].tolist()
        rule = [(y * side // nb_h) * side + x * side // nb_w for y in range(nb_h) for x in range(nb_w)]
        entry = {"side": side, "patches_h": nb_h, "patches_w": nb_w, "equals_floor_rule": ids == rule}
        if ids == list(range(side * side)):
            out.append(entry | {"identity": True})
        else:
            out.append(entry | {"identity": False, "ids": ids})
    return out


def write_lines(path, goldens: dict) -> None:
    """JSON with one golden a line, so that a change shows as the lines that changed."""

    def dump(value) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    sections = []
    for name, value in goldens.items():
        body = "[\n" + ",\n".join(dump(entry) for entry in value) + "\n]" if isinstance(value, list) else dump(value)
        sections.append(f"{dump(name)}: {body}")
    path.write_text("{\n" + ",\n".join(sections) + "\n}\n", encoding="utf-8")


def main() -> None:
    require_pinned_versions()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(FIXTURES / "tokenizer")
    goldens = {
        "made_with": versions(),
        "geometry": geometry(),
        "chat_template": CHAT_TEMPLATE,
        "chat": chat(tokenizer),
        "expansions": expansions(tokenizer),
        "texts": [
            {"text": value, "ids": (ids := tokenizer(value)["input_ids"]), "decoded": tokenizer.decode(ids)} for value in TEXTS
        ],
        "positions": positions(),
    }
    path = FIXTURES / "processor.json"
    write_lines(path, goldens)
    disagree = [(p["side"], p["patches_h"], p["patches_w"]) for p in goldens["positions"] if not p["equals_floor_rule"]]
    print(f"{path.name}: " + ", ".join(f"{len(v)} {k}" for k, v in goldens.items() if isinstance(v, list)))
    print(f"position ids that differ from floor(i * side / nb): {disagree or 'none'}")


if __name__ == "__main__":
    main()
