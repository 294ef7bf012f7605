"""
A robust fit of a file larger than memory
=========================================

A file of rows is written as a memory map, a part of them in a wrong unit, and is
fitted in slices: only one slice is in memory at a time. Here the file has 100 MB;
nothing changes for 100 GB but the time.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank.batches import SoftLTSRegressor

# %%
# A million rows of ten features and a target. In every fifth file of a sensor, say, the
# first feature is in Fahrenheit.

N_ROWS, N_FEATURES, SLICE = 1_000_000, 10, 100_000
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "rows.npy"
rows = np.lib.format.open_memmap(
    path, mode="w+", dtype=np.float64, shape=(N_ROWS, N_FEATURES + 1)
)
coef = np.arange(1.0, N_FEATURES + 1)
for number, start in enumerate(range(0, N_ROWS, SLICE)):
    rng = np.random.default_rng(number)
    part = rows[start : start + SLICE]
    part[:, :-1] = rng.normal(20.0, 5.0, (SLICE, N_FEATURES))
    part[:, -1] = part[:, :-1] @ coef + rng.normal(0.0, 3.0, SLICE)
    if number % 5 == 0:
        part[:, 0] = 1.8 * part[:, 0] + 32.0
del rows

# %%
# `fit_batches` takes a function that yields the slices anew for each reading.


def slices():
    """Features and targets, slice by slice."""
    rows = np.load(path, mmap_mode="r")
    for start in range(0, N_ROWS, SLICE):
        part = rows[start : start + SLICE]
        yield part[:, :-1], part[:, -1]


model = SoftLTSRegressor(random_state=0, verbose=1).fit_batches(slices)
print(model.summary())

# %%
# Which slices are wrong? The fitted model judges any rows.

shares = [np.mean(~model.inlier_mask(X, y)) for X, y in slices()]

plt.bar(range(len(shares)), shares, color=["C3" if s > 0.5 else "C0" for s in shares])
plt.xlabel("slice of the file")
plt.ylabel("share of outliers")
plt.title(f"{model.n_reads_} readings of {N_ROWS:,} rows")
plt.tight_layout()
plt.show()
folder.cleanup()
