"""All public functions, with good arguments: lists are arrays, in the order of rows."""

import inspect

import numpy as np
from operator_table import OPERATORS, OTHERS

import sksoftrank
from sksoftrank import feature_selection, losses, metrics

ROW = [3.0, 1.0, 2.5, -4.0]
ROWS = [[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0]]
TABLE = np.random.default_rng(0).normal(size=(4, 3)).tolist()
WEIGHTS = [1.0, 2.0, 1.0, 1.0]

_values = {"values": ROW}
_weighted = _values | {"weights": WEIGHTS}
_losses = {"losses": WEIGHTS, "epsilon": 1.0}
_scores = {"scores": ROWS, "sample_weight": [1.0, 2.0]}
_errors = {"y_true": ROW, "y_pred": ROW, "sample_weight": WEIGHTS, "sigma": WEIGHTS}
_rankings = {"y_true": ROWS, "y_pred": ROWS, "sample_weight": [1.0, 2.0]}


def _operators():
    """Each operator of the table once, with the arguments that it has there."""
    for entry in {e.function: e for e in (OPERATORS | OTHERS).values()}.values():
        first = next(iter(inspect.signature(entry.function).parameters))
        is_flat = entry.takes("axis") and entry.second != "criterion"
        arguments = {first: ROW if is_flat else TABLE}
        if entry.second:
            arguments[entry.second] = ROW
        for name in ("k", "q", "target"):
            if name in entry.call.keywords:
                arguments[name] = np.asarray(entry.call.keywords[name]).tolist()
        for name in ("weights", "targets", "target_weights"):
            if entry.takes(name):
                arguments[name] = [1.0, 2.0, 3.0, 4.0]
        yield entry.function, arguments


# Operators and losses: all that is refused is refused in one sentence of our own.
OURS = [
    *_operators(),
    (sksoftrank.epsilon_bounds, _weighted | {"q": [0.2, 0.5], "operator": "quantile"}),
    (losses.selection_quantile_loss, _losses | {"n_kept": 2, "sample_weight": WEIGHTS}),
    (losses.selection_trimmed_loss, _losses | {"n_kept": 2, "sample_weight": WEIGHTS}),
    (losses.sorted_quantile_loss, _losses | {"position": 2, "counts": WEIGHTS}),
    (losses.sorted_trimmed_loss, _losses | {"n_kept": 2, "counts": WEIGHTS}),
    (losses.soft_ndcg_loss, _scores | {"relevance": ROWS}),
    (losses.soft_spearman_loss, _scores | {"ranks": ROWS}),
    (losses.soft_topk_loss, _scores | {"labels": [0, 1]}),
]
# Those that check their arrays as scikit-learn's functions of the kind do.
AS_SCIKIT_LEARN = [
    (metrics.capped_mean_squared_error, _errors | {"cap": 1.0}),
    (metrics.trimmed_mean_squared_error, _errors),
    (metrics.trimmed_r2_score, _errors),
    (metrics.kendall_tau_score, _rankings),
    (metrics.spearman_score, _rankings),
    (metrics.ndcg_score_of_ranks, _rankings),
    (
        metrics.ndcg_score,
        {"y_true": ROWS, "y_score": ROWS, "sample_weight": [1.0, 2.0]},
    ),
    (feature_selection.soft_spearman, {"X": TABLE, "y": ROW}),
    (
        sksoftrank.soft_lts_path,
        {"X": TABLE, "y": ROW, "epsilons": [1.0, 2.0], "sample_weight": WEIGHTS},
    ),
]
# These take no arrays of numbers.
WITHOUT_ARRAYS = {
    "capped_scorer",
    "make_contaminated_regression",
    "make_label_ranking",
    "ranks_from_orders",
    "trimmed_scorer",
}
