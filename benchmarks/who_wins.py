"""Where others are ahead: what the pages of tables say, drawn together on one page.

It measures nothing. `python benchmarks/who_wins.py --out docs/benchmarks/who_wins.md`
reads the other pages of that folder, so run it after them.
"""

import argparse
import re
from collections import Counter, namedtuple
from pathlib import Path

# A comparison of columns of the tables under a heading, whose previous line has `line`
# in it and not `unless`. The first `labels` columns name a row. With `across` methods
# are rows, and the first column is their name. "name = 1" is the unit of ours.
Comparison = namedtuple(
    "Comparison",
    "heading ours others lower labels across line unless",
    defaults=(False, 1, False, "", "no such line"),
)

# Of each table of speed.md the middle regime, where most is to be done.
SPEED_COLUMNS = {
    "Soft ranks by size": ["soft_rank quadratic 10/n"],
    "Smooth and differentiated ranks": [
        "soft_rank quadratic 10/n + vjp",
        "soft_rank entropic 1",
        "soft_rank kl 1",
    ],
    "Soft sorts by size": ["soft_sort quadratic n/10", "soft_sort entropic n/10"],
    "Batches": ["soft_rank quadratic 10/n", "soft_sort quadratic n/10"],
    "Kinds of values": ["soft_rank quadratic 10/n"],
}

# Page, its title here, what follows from it, and the comparisons.
PAGES = [
    (
        "robust",
        "Robust regression",
        "`SoftLTSRegressor`, default, against least squares or ridge, Huber, "
        "Theil-Sen, RANSAC and R's lmrob. Take Huber's regression for heavy tails, for "
        "wrong labels on data that are not quite linear, and where milliseconds count.",
        [
            Comparison(
                "Designs", ["soft LTS"], ["LS", "Huber", "Theil-Sen", "RANSAC"], True
            ),
            Comparison("Against lmrob", ["epsilon 12 / lmrob"], ["lmrob = 1"], True),
            Comparison(
                "Wrong labels", ["soft LTS"], ["ridge", "Huber"], False, across=True
            ),
            Comparison(
                "Tuned models",
                ['soft LTS "selection", tuned'],
                ["ridge, tuned", "Huber, tuned"],
                across=True,
            ),
            Comparison("Cost", ["soft LTS"], ["Huber"], True),
        ],
    ),
    (
        "fits",
        "Speed of robust fits",
        "`SoftLTSRegressor` over least squares, which is faster throughout, and over "
        "`lmrob`, by `pylmrob`.",
        [
            Comparison(
                "Over np.linalg.lstsq", ["SoftLTSRegressor"], ["lstsq = 1"], True
            ),
            Comparison(
                "Over pylmrob", ["SoftLTSRegressor over it"], ["pylmrob = 1"], True
            ),
        ],
    ),
    (
        "trimmed",
        "Trimmed estimators",
        "The trimmed estimator against the estimator as it is.",
        [
            Comparison("Regression", ["trimmed"], ["R2: plain"], labels=2),
            Comparison("Regression", ["group, R2: tr."], ["group, R2: p."], labels=2),
            Comparison("Classification", ["trimmed"], ["accuracy: plain"], labels=2),
            Comparison("Classification", ["trimmed (2)"], ["AUC: plain"], labels=2),
        ],
    ),
    (
        "ltr",
        "Ranking within groups",
        "`SoftRanker`, or boosting with soft ranks, against other linear models and "
        "boosting. For boosting take LightGBM's, XGBoost's or CatBoost's own losses.",
        [
            Comparison(
                "Linear models",
                ["SoftRanker, spearman", "SoftRanker, ndcg"],
                ["ridge on ranks", "linear lambdarank", "lambdarank, linear leaves"],
            ),
            Comparison(
                "Boosting",
                ["soft Spearman", "soft Spearman, J'J", "soft NDCG"],
                ["lambdarank", "rank_xendcg", "rank:ndcg", "YetiRank"],
            ),
        ],
    ),
    (
        "label_ranking",
        "Label ranking",
        "The best of our regularizations against ridge regression on the ranks, and "
        "against the columns of the paper, which has two digits only.",
        [
            Comparison("The 21 sets", ["quadratic", "entropic", "kl"], ["none"]),
            Comparison(
                "The 21 sets",
                ["quadratic", "entropic", "kl"],
                ["paper, none", "paper, best"],
            ),
            Comparison("The five sets", ["quadratic", "entropic", "kl"], ["none"]),
        ],
    ),
    (
        "topk",
        "Top-k classification",
        '`SoftTopKClassifier` ("quadratic", the default operator) against multinomial '
        "logistic regression, in accuracy and in seconds, and on few rows against its "
        "own operators that compare all pairs.",
        [
            Comparison(
                "All training rows",
                ["quadratic"],
                ["cross-entropy"],
                labels=2,
                unless="CPU",
            ),
            Comparison(
                "All training rows",
                ["quadratic"],
                ["cross-entropy"],
                lower=True,
                labels=2,
                line="CPU",
            ),
            Comparison(
                "500 training rows",
                ["quadratic"],
                ["cross-entropy", "all_pairs", "sinkhorn"],
                labels=2,
                unless="CPU",
            ),
        ],
    ),
    (
        "sorting_digits",
        "Sets of images in order",
        "The better of two regularizations against the two relaxations that compare "
        "all pairs: parts of sets in the right order, of which .03 are noise.",
        [
            Comparison(
                "Sorting images",
                ["soft_rank, quadratic", "soft_rank, entropic"],
                ["NeuralSort", "Sinkhorn"],
                across=True,
            ),
        ],
    ),
    (
        "speed",
        "Speed",
        "Other packages on the CPU, and times over that of `np.argsort`, which has no "
        "derivative. On a GPU take torchsort.",
        [
            Comparison("Other packages", ["our time"], ["peer's time"], True, labels=2),
            *(
                Comparison(heading, [ours], ["np.argsort = 1"], True)
                for heading, columns in SPEED_COLUMNS.items()
                for ours in columns
            ),
        ],
    ),
    (
        "toolbox",
        "Quantiles and choices",
        "Over `np.argsort`. Where no derivative is needed, `np.argpartition` is "
        "faster, and so is `np.quantile` of up to some ten thousand values.",
        [Comparison("Quantile and top-k", ["0.1"], ["np.argsort = 1"], True)],
    ),
    (
        "threads",
        "Two threads",
        "By the clock, over one thread. Calls of some milliseconds, losses and "
        "transformers may lose.",
        [
            Comparison(
                "Threads", ["two threads / one"], ["one thread = 1"], True, labels=2
            )
        ],
    ),
    (
        "runtime",
        "Memory of one batch",
        "Relaxations that compare all pairs are slower throughout and take less of it, "
        "as they go block by block: megabytes.",
        [
            Comparison(
                "Peak memory",
                ["soft_rank quadratic"],
                ["all_pairs_rank", "gaussian_soft_rank"],
                True,
                across=True,
            ),
        ],
    ),
    (
        "frameworks",
        "PyTorch",
        "`sksoftrank.torch` over torchsort on the CPU, and over our NumPy functions, "
        "which are ahead throughout: without a network around it, stay with NumPy.",
        [
            Comparison("PyTorch", ["/ torchsort"], ["torchsort = 1"], True, labels=2),
            Comparison("PyTorch", ["/ NumPy"], ["NumPy = 1"], True, labels=2),
        ],
    ),
    (
        "beyond_memory",
        "Data larger than memory",
        "CPU time of batches over that of the same fit in memory.",
        [
            Comparison(
                "Against", ["CPU time over that in memory"], ["in memory = 1"], True
            )
        ],
    ),
]

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def tables(text):
    """Heading, the line before, header and rows of each table of a page."""
    heading, before, lines = "", "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if lines:
            yield heading, before, lines[0], lines[2:]
            lines = []
        if line.startswith("#"):
            heading, before = line.lstrip("# "), ""
        elif line:
            before = line


def number(cell):
    """The first number in a cell, a time in seconds; None without one."""
    found = re.match(
        r"([-+]?\d[\d.e+-]*)\s*(us|ms|s)?\b", cell.strip("*").replace(",", "")
    )
    return found and float(found[1]) * UNITS.get(found[2], 1.0)


def transposed(header, rows):
    return (
        [header[0], *(row[0].strip("`") for row in rows)],
        [list(column) for column in list(zip(header, *rows, strict=True))[1:]],
    )


def distinct(names):
    """The second of two equal names gets a number."""
    count = Counter()
    for name in names:
        count[name] += 1
        yield name if count[name] == 1 else f"{name} ({count[name]})"


def best_of(methods, cells, best):
    """Number, name and text of the best of some methods in a row; None without any."""
    found = []
    for name in methods:
        cell = "1" if " = 1" in name else cells.get(name, "")
        if number(cell) is not None:
            shown = cell.strip("*") + (f" ({name})" if len(methods) > 1 else "")
            found.append((number(cell), shown))
    return best(found, key=lambda pair: pair[0]) if found else None


def rows_behind(comparison, header, rows):
    """The number of rows, and label and cells of those in which another is ahead."""
    if comparison.across:
        header, rows = transposed(header, rows)
    names = list(distinct(header))
    if not set(comparison.ours) <= set(names):
        return 0, []
    best = min if comparison.lower else max
    n_rows, lines = 0, []
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        ours, others = (
            best_of(side, cells, best) for side in (comparison.ours, comparison.others)
        )
        if ours is None or others is None or row[0].startswith("CPU"):
            continue
        n_rows += 1
        if ours[0] != others[0] and best(ours[0], others[0]) == others[0]:
            label = ", ".join(row[: comparison.labels])
            lines.append([label, others[1], ours[1]])
    return n_rows, lines


def section(page, title, sentence, comparisons, text):
    parts = [f"## [{title}]({page}.md)", sentence]
    for comparison in comparisons:
        lines, n_rows = [], 0
        for heading, before, header, rows in tables(text):
            if (
                not heading.startswith(comparison.heading)
                or comparison.line not in before
                or comparison.unless in before
            ):
                continue
            n, found = rows_behind(comparison, header, rows)
            n_rows += n
            # Several tables under a heading: "**name** ...", "Sets of ...:", and the
            # size of those of toolbox.md.
            name = re.match(r"\*\*(.*)\*\*|(Sets of .*|.*\d): ?", before)
            name = (name[1] or name[2]) if name else heading.partition(": ")[2]
            several = comparison.across or comparison.labels == 1
            prefix = f"{name}: " if name and several else ""
            lines += [[prefix + label, *cells] for label, *cells in found]
        if n_rows == 0:
            raise SystemExit(f"{page}.md has no {comparison}.")
        what, against = (
            " or ".join(f"`{name}`" for name in side)
            for side in (comparison.ours, comparison.others)
        )
        parts.append(
            f"*{comparison.heading}*, {what} against {against}: behind in "
            f"{len(lines)} of {n_rows} rows."
        )
        if lines:
            lines = [["", "other", "ours"], ["---"] * 3, *lines]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    parts = [
        "# Who wins and who loses\n\nRows of the other pages in which somebody else is "
        "ahead of us, by however little, drawn from them by `python "
        "benchmarks/who_wins.py --out docs/benchmarks/who_wins.md`. Each line says "
        "which columns are compared; a row that it does not list we won, or it is a "
        "tie."
    ]
    for page, *rest in PAGES:
        text = (arguments.out.parent / f"{page}.md").read_text()
        parts.append(section(page, *rest, text))
    arguments.out.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
