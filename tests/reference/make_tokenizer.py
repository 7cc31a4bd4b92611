"""Builds tests/fixtures/tokenizer: a byte-level BPE tokenizer with the structure of SmolVLM's and a vocabulary of our own.

The merges are learnt here, in a dozen lines with a fixed tie-break, so that the result is the same everywhere.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers

from refcommon import CHAT_TEMPLATE, END_OF_UTTERANCE, FIXTURES, write_json

FIRST = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ROWS = [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
LAST = ["<global-img>", *ROWS, "<fake_token_around_image>", "<image>", END_OF_UTTERANCE]
MERGES = 84

CORPUS = [
    "The lamp is to the left of the chair. The chair is behind the table.\n\n",
    "How far is the door from the window? The door is about two metres from the window.\n\n",
    "Which object is closer to the camera, the lamp or the chair? The lamp is closer.\n",
    "Is the box above the shelf or below the shelf? It is below the shelf, in front of the wall.\n\n",
    "There are three chairs around the table and one of them is in front of the others.\n\n",
    "User: What is the height of the table? Assistant: The table is less than one metre high.\n",
    "Seen from the door, the sofa is on the right and the plant is on the left.\n\n",
    "The distance between the centre of the bed and the centre of the desk is the answer.\n",
    "(A) the lamp (B) the chair (C) the table (D) the wall\n\n",
    "Answer with the letter of the option: A, B, C or D.\n\n",
]


def splitter():
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ]
    )


def learn_merges(count: int) -> list[tuple[str, str]]:
    """Classic BPE over the words of CORPUS: the most frequent pair wins, ties go to the smaller pair."""
    split = splitter()
    words = Counter(tuple(word) for text in CORPUS for word, _ in split.pre_tokenize_str(text))
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        joined = Counter()
        for word, times in words.items():
            out, at = [], 0
            while at < len(word):
                if word[at : at + 2] == best:
                    out.append(best[0] + best[1])
                    at += 2
                else:
                    out.append(word[at])
                    at += 1
            joined[tuple(out)] += times
        words = joined
    return merges


def added(index: int, content: str) -> dict:
    off = {name: False for name in ("single_word", "lstrip", "rstrip", "normalized")}
    return {"id": index, "content": content, **off, "special": True}


def tokenizer_json() -> dict:
    merges = learn_merges(MERGES)
    vocabulary = FIRST + sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in merges]
    assert len(vocabulary) == len(set(vocabulary)) == len(FIRST) + 256 + MERGES
    assert "ĊĊ" in vocabulary, "two newlines must be one token, as in the published tokenizer"
    first_added = len(vocabulary)
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(i, token) for i, token in enumerate(FIRST)]
        + [added(first_added + i, token) for i, token in enumerate(LAST)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {**byte_level, "add_prefix_space": False},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(vocabulary)},
            "merges": [list(pair) for pair in merges],
        },
    }


def side_files(tokenizer: dict) -> dict[str, dict]:
    decoder = {
        str(entry["id"]): {name: value for name, value in entry.items() if name != "id"}
        for entry in tokenizer["added_tokens"]
    }
    special = {
        "additional_special_tokens": ["<fake_token_around_image>", "<image>", END_OF_UTTERANCE],
        "bos_token": "<|im_start|>",
        "eos_token": END_OF_UTTERANCE,
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    return {
        "tokenizer_config.json": {
            **special,
            "add_prefix_space": False,
            "added_tokens_decoder": decoder,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 8192,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "truncation_side": "left",
        },
        "special_tokens_map.json": special,
        "chat_template.json": {"chat_template": CHAT_TEMPLATE},
    }


def write(folder: Path) -> Tokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    data = tokenizer_json()
    write_json(folder / "tokenizer.json", data)
    for name, value in side_files(data).items():
        write_json(folder / name, value)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    made = write(FIXTURES / "tokenizer")
    print(f"{made.get_vocab_size()} tokens; <image> is {made.token_to_id('<image>')}")
