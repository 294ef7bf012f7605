"""Ranking within groups: linear models and boosting, on a real table and made ones.

    python benchmarks/ltr.py --data DIR [--splits N] [--only linear] [--out MD]

DIR holds the folder ``ltr``, the ranking example of LightGBM's repository: files
``rank_train.svm.gz`` and ``rank_test.svm.gz``, lines ``relevance qid:q j:x ...``. Needs
LightGBM, XGBoost and CatBoost; those that are missing are left out. --only linear or
boosting does one half, --tables 'ltr;weak' some tables.
"""

import argparse
import time
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy import sparse
from scipy.stats import rankdata
from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import ConvergenceWarning

from sksoftrank import SoftRanker, soft_rank
from sksoftrank.losses import soft_ndcg_loss
from sksoftrank.metrics import ndcg_score, spearman_score

try:
    import lightgbm
except ImportError:
    lightgbm = None
try:
    import xgboost
except ImportError:
    xgboost = None
try:
    import catboost
except ImportError:
    catboost = None

PAGE = """# Ranking within groups

Mean Spearman correlation and NDCG@{k} within groups of test rows. Written by
`python benchmarks/ltr.py --data DIR --out docs/benchmarks/ltr.md`.

Otherwise you would take LightGBM, XGBoost or CatBoost. **For boosting, do**: their own
losses are ahead of soft ranks in every row. Among linear models `SoftRanker` is about
as good as the better of ridge regression on ranks and XGBoost's linear lambdarank, each
of which loses on some table.

*ltr* is the ranking example of LightGBM's repository, 251 queries of 1 to 27 documents
with 300 features; the other tables are made: {n_groups} groups of 3 to 60 rows,
{n_features} features that are normal, have long tails (log-normal) or far values in 2 %
of the cells, a target of weak or strong signal that is cut into relevances 0 to 4.
Groups are split into 50 % for training, 20 % on which settings and rounds are chosen,
for each measure by itself, and 30 % for the test. Means over splits, five for linear
models and three for boosting; *gain* is that of the best of ours over the best of the
others, with its standard error over splits. Four minutes of CPU time.

Linear: *ridge on ranks* is least squares on ranks within groups, *linear lambdarank*
XGBoost's linear booster with `rank:ndcg`. *lambdarank, linear leaves*, LightGBM's trees
of linear functions, is not linear: it is there to compare, and left out of the gain.
Boosting: LightGBM's `lambdarank` and `rank_xendcg`, XGBoost's `rank:ndcg`, CatBoost's
`YetiRank`, and LightGBM with least squares on the ranks within groups; against
LightGBM with the gradients of soft ranks, with unit Hessians or the diagonal of J'J,
and with that of the soft NDCG. Trees have 4 or 16 leaves and a learning rate of 0.1.
"""

K = 10
# Kind of features and size of the signal, in standard deviations of the noise.
MADE = {
    "weak": ("normal", 0.1),
    "strong": ("normal", 2.0),
    "long tails": ("log-normal", 3.0),
    "long tails, strong": ("log-normal", 10.0),
    "far values": ("far", 2.0),
}
N_GROUPS, N_FEATURES = 200, 10
# Of the groups, for training and for the choice of settings; the rest is the test.
SHARES = 0.5, 0.2

ALPHAS = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
GRIDS = {
    "ridge on ranks": [{"alpha": a} for a in ALPHAS],
    "linear lambdarank": [
        {"eta": eta, "lambda": lam} for eta in (0.1, 0.5) for lam in (0.0, 0.01, 0.1)
    ],
    "lambdarank, linear leaves": [
        {"num_leaves": n, "linear_lambda": lam} for n in (2, 4) for lam in (0.0, 1.0)
    ],
    "SoftRanker, spearman": [{"alpha": a} for a in ALPHAS],
    "SoftRanker, ndcg": [
        {"loss": "ndcg", "k": K, "alpha": a, "tether": t}
        for a in ALPHAS
        for t in (10.0, 1.0)
    ],
}
# Trees of linear functions are not linear, and are there for comparison only.
BASELINES = ["ridge on ranks", "linear lambdarank"]
LEAVES = [4, 16]
ROUNDS = [10, 20, 30, 50, 75, 100, 150]
BOOSTERS = [
    "lambdarank",
    "rank_xendcg",
    "rank:ndcg",
    "YetiRank",
    "squares on ranks",
    "soft Spearman",
    "soft Spearman, J'J",
    "soft NDCG",
]


def make_table(kind, signal, seed):
    """Features, relevances 0 to 4 and groups of 3 to 60 rows."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(3), np.log(60), N_GROUPS)).astype(int)
    groups = np.repeat(np.arange(N_GROUPS), sizes)
    X = rng.normal(size=(groups.size, N_FEATURES))
    if kind == "log-normal":
        X = np.exp(1.5 * X)
    score = (X - X.mean(axis=0)) @ rng.normal(size=N_FEATURES)
    y = signal * score / score.std() + rng.normal(size=groups.size)
    X += 2 * rng.normal(size=(N_GROUPS, N_FEATURES))[groups]
    if kind == "far":
        is_far = rng.random(X.shape) < 0.02
        X[is_far] += 20 * rng.normal(size=is_far.sum())
    relevance = np.empty(groups.size)
    for group in range(N_GROUPS):
        rows = groups == group
        place = (rankdata(y[rows]) - 0.5) / rows.sum()
        relevance[rows] = np.searchsorted([0.5, 0.75, 0.9, 0.97], place)
    return X, relevance, groups


def load_real(data_dir):
    files = [data_dir / "ltr" / f"rank_{part}.svm.gz" for part in ("train", "test")]
    parts = [load_svmlight_file(f, n_features=301, query_id=True) for f in files]
    (X, y, q), (X2, y2, q2) = parts
    return sparse.vstack([X, X2]).tocsr(), np.append(y, y2), np.append(q, q2 + q.max())


class Part:
    """Rows of a table, sorted by group."""

    def __init__(self, X, y, groups, rows):
        rows = rows[np.argsort(groups[rows], kind="stable")]
        self.X, self.y, self.groups = X[rows], y[rows], groups[rows]
        self.sizes = np.unique(self.groups, return_counts=True)[1]

    def score(self, scores):
        """Spearman and NDCG."""
        with catch_warnings():
            simplefilter("ignore")
            return np.array(
                [
                    spearman_score(self.y, scores, groups=self.groups),
                    ndcg_score(self.y, scores, k=K, groups=self.groups),
                ]
            )


def split(table, seed):
    X, y, groups = table
    labels = np.random.default_rng(seed).permutation(np.unique(groups))
    first = int(SHARES[0] * labels.size)
    second = first + int(SHARES[1] * labels.size)
    parts = labels[:first], labels[first:second], labels[second:]
    return [Part(X, y, groups, np.flatnonzero(np.isin(groups, p))) for p in parts]


def levels(part):
    """Ranks within groups, centred, in units of the size of the group."""
    hard = soft_rank(part.y, 0.0, groups=part.groups)
    size = np.repeat(part.sizes, part.sizes)
    return np.sqrt(12) * (hard - (size + 1) / 2) / size


# --- Linear models -----------------------------------------------------------------


def fit_linear(method, setting, train):
    """A function from parts to a list of scores, one a number of rounds."""
    if method == "linear lambdarank":
        scale = (
            np.sqrt(np.asarray(train.X.power(2).mean(axis=0)).ravel())
            if (sparse.issparse(train.X))
            else train.X.std(axis=0)
        )
        scale[scale == 0] = 1

        def matrix(part):
            X = part.X.toarray() if sparse.issparse(part.X) else part.X
            return xgboost.DMatrix(X / scale, part.y, qid=part.groups)

        options = {
            "booster": "gblinear",
            "objective": "rank:ndcg",
            "ndcg_exp_gain": False,
            "nthread": 1,
            "verbosity": 0,
            **setting,
        }
        data = matrix(train)
        models, booster, done = [], None, 0
        for rounds in ROUNDS:
            booster = xgboost.train(options, data, rounds - done, xgb_model=booster)
            done = rounds
            models.append(booster.copy())

        def predict(part):
            data = matrix(part)
            return [model.predict(data) for model in models]

        return predict
    if method == "lambdarank, linear leaves":
        options = {"linear_tree": True, **setting}
        return fit_booster("lambdarank", options, train)
    ranker = SoftRanker(**setting).fit(train.X, train.y, train.groups)
    coef = ranker.init_coef_ if method == "ridge on ranks" else ranker.coef_
    return lambda part: [part.X @ coef]


# --- Boosting ----------------------------------------------------------------------


def soft_spearman_objective(train, *, is_diagonal):
    """Gradient of squared distances of levels, in the scale of least squares on them.

    Hessians are one, or the diagonal of J'J, which is 1 - 1/m in a pool of m scores and
    0 for scores that are far from all others.
    """
    target, size = levels(train), np.repeat(train.sizes, train.sizes)
    strengths = np.sqrt(12) / train.sizes

    def objective(scores, _):
        ranks, jacobian = soft_rank(
            scores, strengths, groups=train.groups, return_jacobian=True
        )
        error = np.sqrt(12) * (ranks - (size + 1) / 2) / size - target
        unit = np.sqrt(12) / size
        gradient = unit * jacobian.vjp(error)
        if not is_diagonal:
            return gradient, np.ones(scores.size)
        return gradient, np.maximum(unit**2 * jacobian.diagonal(), 0.01)

    return objective


def soft_ndcg_objective(train):
    """Gradient of the soft NDCG in the scale of least squares, with unit Hessians."""
    n_groups, epsilon = train.sizes.size, 0.3

    def objective(scores, _):
        _, gradient = soft_ndcg_loss(scores, train.y, epsilon, k=K, groups=train.groups)
        gradient *= n_groups
        size = np.sqrt(np.mean(gradient**2)) or 1.0
        return gradient * min(1.0 / size, 100.0), np.ones(scores.size)

    return objective


def fit_booster(method, setting, train):
    """The same for trees."""
    if method == "rank:ndcg":
        options = {
            "objective": "rank:ndcg",
            "ndcg_exp_gain": False,
            "eta": 0.1,
            "max_leaves": setting["num_leaves"],
            "grow_policy": "lossguide",
            "tree_method": "hist",
            "nthread": 1,
            "verbosity": 0,
        }
        data = xgboost.DMatrix(train.X, train.y, qid=train.groups)
        model = xgboost.train(options, data, ROUNDS[-1])
        return lambda part: [
            model.predict(xgboost.DMatrix(part.X), iteration_range=(0, rounds))
            for rounds in ROUNDS
        ]
    if method == "YetiRank":
        model = catboost.CatBoost(
            {
                "loss_function": "YetiRank",
                "iterations": ROUNDS[-1],
                "learning_rate": 0.1,
                "depth": {4: 3, 16: 5}[setting["num_leaves"]],
                "thread_count": 1,
                "allow_writing_files": False,
                "verbose": False,
            }
        )
        model.fit(catboost.Pool(train.X, train.y, group_id=train.groups))
        return lambda part: [
            model.predict(part.X, ntree_end=rounds) for rounds in ROUNDS
        ]
    options = {
        "learning_rate": 0.1,
        "min_data_in_leaf": 20,
        "label_gain": list(range(32)),
        "lambdarank_truncation_level": 30,
        "num_threads": 1,
        "deterministic": True,
        "verbosity": -1,
        **setting,
    }
    label = train.y
    if method in ("lambdarank", "rank_xendcg"):
        options["objective"] = method
    elif method == "squares on ranks":
        options["objective"], label = "l2", levels(train)
    elif method == "soft NDCG":
        options["objective"] = soft_ndcg_objective(train)
    else:
        options["objective"] = soft_spearman_objective(
            train, is_diagonal=method.endswith("J'J")
        )
    data = lightgbm.Dataset(train.X, label, group=train.sizes, params={"verbosity": -1})
    model = lightgbm.train(options, data, ROUNDS[-1])
    return lambda part: [
        model.predict(part.X, num_iteration=rounds) for rounds in ROUNDS
    ]


# --- The comparison ----------------------------------------------------------------


def compare(method, settings, fit, parts):
    """Test scores of the settings that are best in validation, for each measure."""
    train, valid, test = parts
    found = []
    for setting in settings:
        with catch_warnings():
            simplefilter("ignore", ConvergenceWarning)
            predict = fit(method, setting, train)
        found += [
            (valid.score(a), b)
            for a, b in zip(predict(valid), predict(test), strict=True)
        ]
    best = [max(found, key=lambda pair, i=i: pair[0][i])[1] for i in (0, 1)]
    return [test.score(scores)[i] for i, scores in enumerate(best)]


def is_there(method):
    needs = {"rank:ndcg": xgboost, "linear lambdarank": xgboost, "YetiRank": catboost}
    if method in BOOSTERS or "leaves" in method:
        return needs.get(method, lightgbm) is not None
    return method not in needs or needs[method] is not None


def report(title, methods, results, baselines):
    """A table for each measure: means over splits, and gains over the best baseline."""
    lines = []
    for i, measure in enumerate(("Spearman", f"NDCG@{K}")):
        lines += [f"## {title}: {measure}", ""]
        lines += ["| table | " + " | ".join(methods) + " | gain |"]
        lines += ["| --- " * (len(methods) + 2) + "|"]
        for table, values in results.items():
            means = {m: np.mean([v[i] for v in values[m]]) for m in methods}
            best = max(means.values())
            cells = [
                f"**{x:.4f}**" if x == best else f"{x:.4f}" for x in means.values()
            ]
            own = [m for m in methods if m.startswith(("SoftRanker", "soft "))]
            ours = max(own, key=means.get)
            other = max(baselines, key=means.get)
            gains = [
                a[i] - b[i] for a, b in zip(values[ours], values[other], strict=True)
            ]
            error = np.std(gains, ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0
            cells.append(f"{np.mean(gains):+.4f} ({error:.4f})")
            lines.append(f"| {table} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with ltr/")
    parser.add_argument("--splits", type=int, help="instead of 5 and 3")
    parser.add_argument("--only", choices=["linear", "boosting"])
    parser.add_argument("--tables", help="names, with semicolons")
    parser.add_argument("--out", type=Path, help="where the page goes")
    arguments = parser.parse_args()
    start = time.process_time()
    tables = ["ltr", *MADE]
    if arguments.tables:
        tables = [name for name in tables if name in arguments.tables.split(";")]
    halves = {
        "Linear models": (list(GRIDS), fit_linear, BASELINES, 5),
        "Boosting": (BOOSTERS, fit_booster, BOOSTERS[:5], 3),
    }
    if arguments.only:
        halves = {k: v for k, v in halves.items() if arguments.only in k.lower()}
    lines = PAGE.format(k=K, n_groups=N_GROUPS, n_features=N_FEATURES).split("\n")
    for title, (methods, fit, baselines, n_splits) in halves.items():
        methods = [method for method in methods if is_there(method)]
        results = {}
        for name in tables:
            results[name] = {method: [] for method in methods}
            for seed in range(arguments.splits or n_splits):
                if name == "ltr":
                    table = load_real(arguments.data)
                else:
                    table = make_table(*MADE[name], seed)
                parts = split(table, seed)
                for method in methods:
                    settings = GRIDS.get(method, [{"num_leaves": n} for n in LEAVES])
                    results[name][method].append(compare(method, settings, fit, parts))
            print(
                name, {m: np.mean(v, axis=0).round(4) for m, v in results[name].items()}
            )
        lines += report(title, methods, results, [b for b in baselines if b in methods])
    seconds = time.process_time() - start
    print(f"{seconds / 60:.0f} minutes of CPU time")
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
