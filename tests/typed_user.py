"""What a user's type checker sees: `mypy --strict tests/typed_user.py`.

`test_types.py` runs this script and holds that the types of the values are these.
"""

from collections.abc import Callable
from typing import Any, Literal, assert_type

import numpy as np
from numpy.typing import NDArray

from sksoftrank import (
    DummyLabelRanker,
    EpsilonPathDisplay,
    IsotonicProjection,
    Jacobian,
    OutlierMapDisplay,
    PermutahedronProjection,
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftQuantileNormalizer,
    SoftRanker,
    SoftRankTransformer,
    SoftSpearmanLabelRanker,
    SoftTopKClassifier,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_lts_path,
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
)
from sksoftrank.datasets import make_contaminated_regression, make_label_ranking
from sksoftrank.feature_selection import (
    soft_spearman,
    soft_spearman_corr,
)
from sksoftrank.label_ranking import ranks_from_orders
from sksoftrank.losses import (
    selection_quantile_loss,
    selection_trimmed_loss,
    soft_ndcg_loss,
    soft_spearman_loss,
    soft_topk_loss,
    sorted_quantile_loss,
    sorted_trimmed_loss,
)
from sksoftrank.metrics import (
    RANKING_SCORERS,
    REGRESSION_SCORERS,
    capped_mean_squared_error,
    capped_scorer,
    kendall_tau_score,
    ndcg_score,
    ndcg_score_of_ranks,
    spearman_score,
    trimmed_mean_squared_error,
    trimmed_r2_score,
    trimmed_scorer,
)
from sksoftrank.pairwise import (
    all_pairs_rank,
    gaussian_soft_rank,
    neural_sort,
    soft_sort_permutation,
)
from sksoftrank.sinkhorn import (
    sinkhorn_cdf,
    sinkhorn_quantile,
    sinkhorn_rank,
    sinkhorn_sort,
)

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Scorer = Callable[..., float]

# Operators: arrays of float32 or float64, and Jacobians where they are asked for.
values = [3.0, 0.0, 1.0, 2.5]
single = np.array(values, dtype=np.float32)
assert_type(soft_rank(values), Floats)
assert_type(soft_rank(single, 0.5, regularization="kl", descending=True), Floats)
ranks, jacobian = soft_rank(values, return_jacobian=True)
assert_type(ranks, Floats)
assert_type(jacobian, Jacobian)
assert_type(jacobian.jvp([1, 0, 0, 0]), Floats)
assert_type(jacobian.vjp(single), Floats)
assert_type(jacobian.toarray(), Floats)
assert_type(jacobian.output_shape, tuple[int, ...])
assert_type(jacobian.wrt_epsilon, Floats)
assert_type(jacobian.diagonal(), Floats)
assert_type(soft_sort(values, nan_policy="omit", n_jobs=1), Floats)

assert_type(isotonic_projection(values), Floats)
assert_type(project_permutahedron(values, [1, 0, 0, 0]), Floats)
_, projection = isotonic_projection(values, return_jacobian=True)
assert_type(projection.wrt_w, Jacobian)

batch = [values, values]
assert_type(soft_rank(batch, [0.1, 0.2], straight_through=True), Floats)
assert_type(soft_topk(batch, [1, 2], nan_policy="omit", magnitude=True), Floats)
parts, topk = soft_topk(single, 2, weights=[1, 1, 2, 1], return_jacobian=True)
assert_type((parts, topk), tuple[Floats, Jacobian])
assert_type((topk.wrt_k, topk.wrt_epsilon), tuple[Floats, Floats])
assert_type(topk.wrt_weights.vjp(values), Floats)
first, topk_rank = soft_topk_rank(values, 2, largest=False, return_jacobian=True)
assert_type((first, topk_rank), tuple[Floats, Jacobian])
assert_type(topk_rank.wrt_epsilon, Floats)
largest, topk_sort = soft_topk_sort(values, 2, return_jacobian=True)
assert_type((largest, topk_sort.wrt_epsilon), tuple[Floats, Floats])
records, sort_with = soft_sort_with([[1], [2]], [0.2, 0.1], return_jacobian=True)
assert_type((records, sort_with), tuple[Floats, Jacobian])
assert_type(sort_with.permutation, Doubles)
assert_type(sort_with.wrt_criterion.vjp([[1.0], [0.0]]), Floats)

# A location of one slice is a number.
assert_type(soft_median(values), np.floating | Floats)
assert_type(soft_median([values, values]), np.floating | Floats)
quantiles, location = soft_quantile(single, [0.2, 0.8], return_jacobian=True)
assert_type(location, Jacobian)
assert_type(location.wrt_q, Floats)
mean, location = soft_trimmed_mean(batch, (0.1, 0.2), return_jacobian=True)
assert_type(mean, np.floating | Floats)
assert_type(location.wrt_cut[0], Floats)
assert_type(float(soft_trimmed_mean(values)), float)
winsorized, winsorize = soft_winsorize(values, 0.1, return_jacobian=True)
assert_type((winsorized, winsorize), tuple[Floats, Jacobian])
assert_type(winsorize.wrt_cut, tuple[Floats, Floats])
normalized, normalize = soft_quantile_normalize(values, [0, 1], return_jacobian=True)
assert_type((normalized, normalize.wrt_epsilon), tuple[Floats, Floats])
hard, single_block = epsilon_bounds(values, operator="topk", k=2)
assert_type((hard, single_block), tuple[np.float64 | Doubles, np.float64 | Doubles])

# Relaxations by comparison and by transport.
assert_type(all_pairs_rank(values), Floats)
assert_type(gaussian_soft_rank(single), Floats)
matrix, relaxed = neural_sort(values, return_matrix=True, return_jacobian=True)
assert_type((matrix, relaxed.jvp(values)), tuple[Floats, Floats])
assert_type(soft_sort_permutation(values, power=2), Floats)
assert_type(sinkhorn_rank(values, targets=4, squashing=None, cost=1.5), Floats)
assert_type(sinkhorn_sort(values, cost=lambda t: (t**2, 2 * t)), Floats)
assert_type(sinkhorn_cdf(single), Floats)
third, transport = sinkhorn_quantile(values, 0.3, return_jacobian=True)
assert_type((third, transport.vjp(1.0)), tuple[Floats, Floats])

# Losses: value and gradient, and which losses are kept.
scores, grades = [[0.5, 0.0, 3.0]], [[1, 2, 3]]
assert_type(soft_spearman_loss(scores, grades, 0.5), tuple[float, Doubles])
assert_type(soft_ndcg_loss(scores, grades, regularization="kl"), tuple[float, Doubles])
assert_type(
    soft_topk_loss(scores, [2], {1: 0.5, 2: 0.5}, operator="all_pairs"),
    tuple[float, Doubles],
)
for value, gradient, selection in (
    selection_trimmed_loss(values, 2.5, 1.0),
    selection_quantile_loss(single, 2.5, 1.0),
    sorted_trimmed_loss(values, 2, 1.0, [1, 1, 2, 0]),
    sorted_quantile_loss(values, 2, 0.0),
):
    assert_type((value, gradient, selection), tuple[float, Doubles, Doubles])

# Metrics.
assert_type(spearman_score(grades, scores), float)
assert_type(spearman_score(grades, scores, average=False), Doubles)
assert_type(kendall_tau_score(grades, scores, average=False), Doubles)
assert_type(ndcg_score(grades, scores, k=1), float)
assert_type(ndcg_score_of_ranks(grades, scores), float)
assert_type(trimmed_mean_squared_error(values, single, trim=0.25), float)
assert_type(trimmed_r2_score(values, single), float)
assert_type(capped_mean_squared_error(values, single, cap=1), float)
assert_type(trimmed_scorer(0.25), Scorer)
assert_type(capped_scorer(cap=3.0), Scorer)
assert_type(RANKING_SCORERS, dict[str, Scorer])
assert_type(REGRESSION_SCORERS, dict[str, Scorer])

# Estimators: data, a fit, predictions.
kind: Literal["vertical", "mixed"] = "mixed"
X, y, coef, outliers = make_contaminated_regression(60, 2, kind=kind, random_state=0)
assert_type((X, y, coef), tuple[Doubles, Doubles, Doubles])
assert_type(outliers, NDArray[np.bool_])
regressor = SoftLTSRegressor(epsilon=10.0, reweight=True, random_state=0)
regressor.fit(X, y, np.ones(60))
assert_type(regressor, SoftLTSRegressor)
assert_type(regressor.predict(X), Floats)
assert_type(regressor.score(X, y), float)
assert_type(regressor.fit(X, y, sigma=np.ones(60)), SoftLTSRegressor)
assert_type(regressor.score(X, y, sigma=np.ones(60)), float)
regressor.fit(X, y)  # what follows has no sigma
assert_type(regressor.epsilon_, float)
assert_type((regressor.coef_, regressor.intercept_), tuple[Floats, float])
assert_type(regressor.stderr_, Doubles | None)
assert_type(regressor.inlier_mask_, NDArray[np.bool_])
assert_type(SoftLQSRegressor(n_init=5, random_state=0).fit(X, y).scale_, float)
search = SoftLTSRegressorCV(
    epsilons=[1, 10], cv=2, scoring=trimmed_scorer(), random_state=0
).fit(X, y)
assert_type((search.epsilon_, search.cap_), tuple[float, float | None])
assert_type((search.cv_scores_, search.coef_path_), tuple[Doubles, Doubles])
path = soft_lts_path(X, y, epsilons=[1, 10], random_state=0)
assert_type(path.epsilons.max() > path.objectives[0], Any)
trimmed = SoftTrimmedRegressor(regressor, cv=2, random_state=0).fit(X, y)
assert_type(trimmed.predict(X), NDArray[Any])
assert_type(trimmed.scale_, float)

is_high = y > 0
classifier = SoftTopKClassifier(k=1, class_weight="balanced").fit(X, is_high)
assert_type(classifier.predict_topk(X, 1), NDArray[Any])
assert_type(classifier.decision_function(X), Floats)
refitted = SoftTrimmedClassifier(classifier, trim=0.1, cv=2, random_state=0)
refitted.fit(X, is_high)
assert_type(refitted, SoftTrimmedClassifier)
assert_type(refitted.classes_, NDArray[Any])

group_ranker = SoftRanker(loss="ndcg", k=5).fit(X, y - y.min(), groups=is_high)
assert_type(group_ranker.predict(X), Floats)
assert_type(group_ranker.score(X, y - y.min(), groups=is_high), float)
grouped = soft_rank(y, groups=is_high)
assert_type(grouped, Floats)

X, Y, weights = make_label_ranking(n_labels=3, missing=0.1, random_state=0)
assert_type((X, Y, weights), tuple[Doubles, Doubles, Doubles])
ranker = SoftSpearmanLabelRanker(regularization=None).fit(X, Y)
assert_type(ranker.predict(X), Doubles)
assert_type(ranker.predict_order(X), NDArray[Any])
assert_type(ranks_from_orders(ranker.predict_order(X))[0], Doubles)
assert_type(DummyLabelRanker().fit(X, Y).score(X, Y), float)

# Transformers, and soft correlations.
transformer = SoftRankTransformer(output_distribution="normal").fit(X)
assert_type(transformer, SoftRankTransformer)
# What estimators inherit from scikit-learn, which has no types.
assert_type(transformer.set_params(epsilon=1.0), SoftRankTransformer)
assert_type(transformer.get_params(), dict[str, Any])
assert_type(transformer.transform(X.astype(np.float32)), Floats)
assert_type(transformer.inverse_transform(X), Floats)
assert_type(transformer.soft_cdfs_[0].cdf(X[:, 0]), Doubles)
assert_type(SoftQuantileNormalizer().fit(X).transform(X), Floats)
assert_type(PermutahedronProjection(w="mean").fit(X).w_, Doubles)
assert_type(IsotonicProjection(y_min=0).fit(X).weights_, Doubles | None)
assert_type(soft_spearman(X, X[:, 0]), tuple[Doubles, Doubles])
correlation, derivative = soft_spearman_corr(X, return_jacobian=True)
assert_type((correlation, derivative), tuple[Doubles, Jacobian])
assert_type(derivative.vjp(correlation), Floats)

# Plots.
X, y = make_contaminated_regression(60, 2, random_state=0)[:2]
outlier_map = OutlierMapDisplay.from_estimator(regressor, X, y, random_state=0)
assert_type(outlier_map, OutlierMapDisplay)
assert_type(outlier_map.regions, NDArray[np.int_])
display = EpsilonPathDisplay(epsilons=path.epsilons, coefs=path.coefs)
assert_type(display.plot(marker="."), EpsilonPathDisplay)
axes = display.ax_
axes.set_title("Coefficients")
assert_type(display.score_ax_ is None, bool)
