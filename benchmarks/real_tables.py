"""Robust fits of real tables against those of R's lmrob and ltsReg.

    python benchmarks/real_tables.py --reference DIR [--seeds 5] [--out FILE]

DIR holds r_tables.json.gz: regression tables made of the data sets of R packages, with
the fits of robustbase. See README.md in this directory for what is measured.
"""

import argparse
import gzip
import json
import warnings
from pathlib import Path

import numpy as np

from sksoftrank import SoftLTSRegressor

# What counts as another answer, in standard errors.
SAME_ANSWER = 0.2
OTHER_ANSWER = 2.0

# A row is on a plane up to this part of the mean distance of y from its median.
ON_PLANE = 1e-7

N_SHOWN = 15


def table(header, rows):
    """A Markdown table; numbers are already text."""
    rows = [list(map(str, row)) for row in [header, ["---"] * len(header), *rows]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def fit(X, y, **parameters):
    """Coefficients with the intercept first, their errors, and the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SoftLTSRegressor(**parameters).fit(X, y)
    coef = np.append(model.intercept_, model.coef_)
    if model.stderr_ is None:
        return coef, None, model
    return coef, np.append(model.intercept_stderr_, model.stderr_), model


def largest_difference(coefs, other, errors):
    """In errors; coefficients whose errors are 0 or infinite tell nothing."""
    useful = np.isfinite(errors) & (errors > 0)
    difference = np.abs(coefs - other)[..., useful] / errors[useful]
    return float(difference.max(initial=0.0))


def on_plane(X, y, coef):
    """Number of rows on the plane of these coefficients."""
    residual = np.abs(y - coef[0] - X @ coef[1:])
    return np.count_nonzero(residual <= ON_PLANE * np.abs(y - np.median(y)).mean())


def numbers(values):
    return np.array([np.nan if value is None else value for value in values])


class Summary:
    """What is counted over the tables."""

    def __init__(self):
        self.spreads = []  # largest difference between seeds, in standard errors
        self.above = []  # seeds with a hard objective above that of ltsReg
        self.lost = []  # rows on the plane of an exact fit: lmrob's minus ours
        self.differences = []  # from lmrob: (size, name, shape, scales, inliers)

    def add(self, record, seeds):
        """Fit one table."""
        X, y = np.array(record["X"], dtype=float), np.array(record["y"], dtype=float)
        lmrob, ltsreg = record["lmrob"], record["ltsReg"]
        soft = [fit(X, y, random_state=seed) for seed in seeds]
        hard = [fit(X, y, random_state=seed, epsilon=0)[2] for seed in seeds]
        goal = np.inf  # where ltsReg failed
        if ltsreg["raw_objective"] is not None:
            goal = ltsreg["raw_objective"] * (1 + 1e-6) + 1e-20
        self.above += [
            (record["name"], seed)
            for seed, model in zip(seeds, hard, strict=True)
            if model.objective_ > goal
        ]
        coef, errors, model = soft[0]
        if model.scale_ > 0:
            coefs = np.array([other[0] for other in soft])
            spread = largest_difference(coefs, coef, errors)
            self.spreads.append((spread, record["name"]))
        if lmrob["coef"] is None or lmrob["stderr"] is None:
            return
        reference = numbers(lmrob["coef"])
        if lmrob["scale"] == 0:
            planes = [on_plane(X, y, other[0]) for other in soft]
            goal = on_plane(X, y, np.nan_to_num(reference))
            self.lost.append((goal - min(planes), record["name"], goal, min(planes)))
            return
        useful = np.isfinite(reference)
        size = largest_difference(
            coef[useful], reference[useful], numbers(lmrob["stderr"])[useful]
        )
        mask = model.inlier_mask_.mean()
        row = size, record["name"], X.shape, model.scale_, lmrob["scale"], mask
        self.differences.append(row)

    def lines(self, n_seeds):
        """The page, below its head."""
        sizes = np.array([row[0] for row in self.differences])
        spreads = np.array([row[0] for row in self.spreads])
        lost = [row for row in self.lost if row[0] > 2]
        yield table(
            ["what", "result"],
            [
                ["tables", len(self.spreads) + sum(1 for _ in self.lost)],
                ["exact fits of lmrob", len(self.lost)],
                ["of these with more than 2 rows less on our plane", len(lost)],
                [
                    f"hard objectives above ltsReg's, {n_seeds} seeds a table",
                    len(self.above),
                ],
                [
                    f"tables whose default fits of {n_seeds} seeds differ by more than "
                    f"{SAME_ANSWER} standard errors",
                    f"{(spreads > SAME_ANSWER).sum()} "
                    f"({100 * (spreads > SAME_ANSWER).mean():.1f} %)",
                ],
                [
                    "largest difference from lmrob in its standard errors, median",
                    f"{np.median(sizes):.3f}",
                ],
                [
                    f"share of tables with more than {OTHER_ANSWER:g}",
                    f"{100 * (sizes > OTHER_ANSWER).mean():.1f} %",
                ],
            ],
        )
        yield "## Where we differ most from lmrob\n"
        rows = sorted(self.differences, reverse=True)[:N_SHOWN]
        yield table(
            ["table", "n x p", "standard errors", "our scale", "lmrob's", "inliers"],
            [
                [
                    name,
                    f"{shape[0]} x {shape[1]}",
                    f"{size:.1f}",
                    f"{scale:.3g}",
                    f"{other:.3g}",
                    f"{100 * mask:.0f} %",
                ]
                for size, name, shape, scale, other, mask in rows
            ],
        )
        rows = [row for row in sorted(self.spreads, reverse=True) if row[0] > 0.2]
        if rows:
            yield "## Where seeds differ\n"
            yield table(
                ["table", "standard errors"],
                [[name, f"{size:.2f}"] for size, name in rows],
            )
        for name, seed in self.above:
            yield f"Above ltsReg's objective: {name}, seed {seed}.\n"
        for _, name, goal, found in lost:
            yield f"Exact fit lost: {name}, {found} rows for {goal}.\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with gzip.open(options.reference / "r_tables.json.gz") as file:
        records = json.load(file)
    summary = Summary()
    for record in records:
        summary.add(record, range(options.seeds))
    text = "\n".join(summary.lines(options.seeds))
    print(text)
    if options.out is not None:
        head = (
            "# Real tables\n\nMade by `python benchmarks/real_tables.py "
            f"--reference DIR --seeds {options.seeds} --out FILE`.\n\nOtherwise you "
            "would take `lmrob` or `ltsReg` of R's robustbase. On most tables all say "
            "the same; the notes at the end tell where and why they do not.\n\n"
        )
        notes = ""
        if options.out.exists():  # what people wrote about the tables stays
            _, mark, notes = options.out.read_text().partition("<!-- notes -->\n")
            notes = mark + notes
        options.out.write_text(head + text + "\n" + notes)


if __name__ == "__main__":
    main()
