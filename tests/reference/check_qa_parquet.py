"""Question-answer Parquet files, both ways between plumb-qa and pyarrow.

    python check_qa_parquet.py [--repository DIR] [--features]

Needs pyarrow (and pandas and `datasets` with --features) and cargo. plumb-qa's tests write a file of some thirty thousand rows and
the same rows as JSON lines; pyarrow reads the file, compares every column with the lines, checks the metadata, changes one answer,
and writes the table again in the ways that other people's tools do. plumb-qa's tests then read all copies back and compare every
field of every row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW = 1234
CHANGED = "An answer that pyarrow wrote: 1,5 – 2 m."


def cargo_test(repository: Path, folder: Path, name: str):
    environment = dict(os.environ, PLUMBLINE_QA_INTEROP=str(folder))
    command = ["cargo", "test", "-p", "plumb-qa", "--lib", f"dataset::parquet::tests::interop::{name}", "--", "--nocapture"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    print("\n".join(line for line in done.stdout.splitlines() if "rows are right" in line or "test result" in line))
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def answer_columns(answer):
    """The typed columns of a serde-tagged answer."""
    ((form, value),) = answer.items()
    columns = dict.fromkeys(["answer_bool", "answer_index", "answer_side", "answer_number", "value_m", "sigma_m", "unit",
                             "value_text", "said_m", "tolerance_m"])
    columns["answer_form"] = form
    if form == "length":
        columns |= {name: value[name] for name in ["value_m", "sigma_m", "unit", "said_m", "tolerance_m"]}
        columns["value_text"] = value["text"]
    else:
        place = {"yes_no": "bool", "object": "index", "option": "index", "side": "side", "count": "number", "clock": "number"}
        columns[f"answer_{place[form]}"] = value
    return columns


def columns_of(line):
    """What docs/datasets.md says stands in the columns of this pair."""
    question, proof, marks = line["question"], line["proof"], line["marks"]
    return answer_columns(line["answer"]) | {
        "scene_id": line["scene"],
        "image": line["image"],
        "kind": question["kind"],
        "question_template": line["question_template"],
        "answer_template": line["answer_template"],
        "objects": question["objects"],
        "mention_objects": [mention["object"] for mention in line["mentions"]],
        "mention_by": [mention["by"] for mention in line["mentions"]],
        "mentions": [mention["text"] for mention in line["mentions"]],
        "rank": question["rank"],
        "category": question["category"],
        "options": question["options"],
        "mark_objects": [mark["object"] for mark in marks],
        "mark_colours": ["#%02x%02x%02x" % tuple(mark["colour"]) for mark in marks],
        "proof_points": [number for point in proof["points"] for number in point],
        "proof_names": [fact["name"] for fact in proof["facts"]],
        "proof_objects": [number for fact in proof["facts"] for number in fact["objects"]],
        "proof_values": [fact["value"] for fact in proof["facts"]],
        "proof_sigmas": [fact["sigma"] for fact in proof["facts"]],
        "question": line["question_text"],
        "answer": line["answer_text"],
        "steps": line["steps"],
    }


def check(table: pa.Table, folder: Path):
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert metadata["plumbline.format"] == "plumbline-qa", metadata
    features = json.loads(metadata["huggingface"])["info"]["features"]
    assert list(features) == table.column_names, (list(features), table.column_names)
    rows = table.to_pylist()
    lines = [json.loads(line) for line in (folder / "rust.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == len(lines), (len(rows), len(lines))
    scenes = [json.loads(line) for line in (folder / "rust.scenes.jsonl").read_text(encoding="utf-8").split("\n") if line]
    scenes = {scene["id"]: scene for scene in scenes}
    seen = set()
    for number, (row, line) in enumerate(zip(rows, lines)):
        for name, wanted in columns_of(line).items():
            assert row[name] == wanted, (number, name, row[name], wanted)
        if row["geometry"] is not None:
            assert json.loads(row["geometry"]) == scenes[row["scene_id"]], number
            seen.add(row["scene_id"])
        assert row["scene_id"] in seen, number
        assert row["image_width"] == scenes[row["scene_id"]]["image"]["width"], number
    print(f"pyarrow {pa.__version__} reads {len(rows)} rows as the JSON lines say")


def copies(table: pa.Table, folder: Path):
    at = table.column_names.index("answer")
    answers = table.column("answer").to_pylist()
    answers[ROW] = CHANGED
    (folder / "changed.txt").write_text(CHANGED, encoding="utf-8")
    table = table.set_column(at, table.schema.field("answer"), pa.array(answers, table.schema.field("answer").type))
    large = pa.schema([large_field(field) for field in table.schema])

    def write(name: str, table: pa.Table = table, **options):
        pq.write_table(table, folder / f"pyarrow_{name}.parquet", **options)

    write("default")
    write("plain", compression="none", use_dictionary=False)
    write("gzip_small_groups", compression="gzip", row_group_size=777, data_page_version="2.0")
    write("lz4_one_group", compression="lz4", row_group_size=1 << 20)
    write("format_v1", compression="snappy", version="1.0", use_compliant_nested_type=False)
    write("large_strings", table.cast(large))
    write("extra_columns", table.append_column("note", pa.array(["x"] * len(table))).append_column(
        "nested", pa.array([{"a": [1], "b": None}] * len(table))))
    write("no_metadata", table.replace_schema_metadata(None))
    write("reordered", table.select(table.column_names[::-1]))


def large_field(field: pa.Field) -> pa.Field:
    kind = field.type
    if pa.types.is_list(kind):
        element = pa.large_string() if pa.types.is_string(kind.value_type) else kind.value_type
        kind = pa.large_list(pa.field("item", element))
    elif pa.types.is_string(kind):
        kind = pa.large_string()
    return pa.field(field.name, kind)


def features(table: pa.Table, folder: Path):
    """What pandas and `datasets` make of the file, and their copies."""
    from datasets import load_dataset

    table.to_pandas().to_parquet(folder / "pyarrow_pandas.parquet")
    loaded = load_dataset("parquet", data_files=str(folder / "pyarrow_default.parquet"), split="train", cache_dir=str(folder / "cache"))
    assert len(loaded) == len(table) and loaded[ROW]["answer"] == CHANGED
    loaded.to_parquet(str(folder / "pyarrow_datasets.parquet"))
    print("datasets:", loaded.features["objects"], loaded.features["value_m"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--features", action="store_true", help="also pandas and datasets")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cargo_test(arguments.repository, folder, "write_for_pyarrow")
        table = pq.read_table(folder / "rust.parquet")
        check(table, folder)
        copies(table, folder)
        if arguments.features:
            features(pq.read_table(folder / "pyarrow_default.parquet"), folder)
        cargo_test(arguments.repository, folder, "read_from_pyarrow")


if __name__ == "__main__":
    main()
