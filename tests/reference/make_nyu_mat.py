#!/usr/bin/env python3
"""Writes tests/fixtures/scenes/nyu_tiny.mat: the layout of nyu_depth_v2_labeled.mat in 3 frames of 16x12 pixels.

    pip install h5py numpy
    python tests/reference/make_nyu_mat.py

MATLAB 7.3 files are HDF5 behind a user block of 512 bytes, with the axes reversed and chunked deflate; cell arrays of text are object references
into the group "#refs#", each to UTF-16 code units of shape (length, 1). The pixel values follow formulas that the Rust test recomputes.
"""

import pathlib

import h5py
import numpy as np

FRAMES, WIDTH, HEIGHT = 3, 16, 12
NAMES = ["wall", "floor", "chair", "coffee table", "person"]

frame, column, row = np.meshgrid(np.arange(FRAMES), np.arange(WIDTH), np.arange(HEIGHT), indexing="ij")
depths = (1.0 + 0.5 * frame + 0.01 * column + 0.1 * row).astype(np.float32)
images = np.stack([10 * column + frame, 20 * row + frame, column + row], axis=1).astype(np.uint8)
# Wall above, floor below; a table on the left; two chairs on the right; a person only in frame 1; one pixel of class without instance.
labels = np.where(row < 6, 1, 2).astype(np.uint16)
instances = np.ones_like(labels, dtype=np.uint8)
table = (column >= 1) & (column < 5) & (row >= 5) & (row < 9)
labels[table] = 4
chair = (column >= 8) & (row >= 4) & (row < 10)
labels[chair] = 3
instances[chair & (column >= 12)] = 2
person = (frame == 1) & (column == 6) & (row >= 2)
labels[person] = 5
labels[:, 0, 0] = 3
instances[:, 0, 0] = 0
labels[:, 15, 0] = 0

path = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "scenes" / "nyu_tiny.mat"
path.parent.mkdir(parents=True, exist_ok=True)
with h5py.File(path, "w", userblock_size=512, libver=("earliest", "v108")) as file:
    for key, data in [("depths", depths), ("images", images), ("instances", instances), ("labels", labels)]:
        chunk = (1,) + data.shape[1:]
        stored = file.create_dataset(key, data=data, chunks=chunk, compression="gzip", compression_opts=3)
        stored.attrs["MATLAB_class"] = np.bytes_(data.dtype.name.replace("float32", "single"))
    refs = file.create_group("#refs#")
    cells = np.empty((1, len(NAMES)), dtype=h5py.ref_dtype)
    for at, name in enumerate(NAMES):
        text = refs.create_dataset(chr(ord("a") + at), data=np.frombuffer(name.encode("utf-16-le"), np.uint16).reshape(-1, 1))
        text.attrs["MATLAB_class"] = np.bytes_("char")
        cells[0, at] = text.ref
    names = file.create_dataset("names", data=cells, dtype=h5py.ref_dtype)
    names.attrs["MATLAB_class"] = np.bytes_("cell")
with open(path, "r+b") as file:
    file.write(b"MATLAB 7.3 MAT-file, made by tests/reference/make_nyu_mat.py".ljust(116))
    file.write(bytes(8) + b"\x00\x02" + b"IM")
print(path, path.stat().st_size, "bytes")
