"""Paths over epsilon, and the choice of epsilon and trim by cross-validation."""

import numpy as np
import pytest
from contamination import contaminated
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import __version__ as sklearn_version
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning, UnsetMetadataPassedError
from sklearn.metrics import get_scorer, make_scorer, max_error, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sksoftrank import SoftLTSRegressor, SoftLTSRegressorCV, soft_lts_path
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.metrics import capped_scorer, trimmed_scorer
from sksoftrank.robust._problem import RobustProblem

# The outliers come first.
SHUFFLED = KFold(4, shuffle=True, random_state=0)


@pytest.fixture
def searches(monkeypatch):
    """Counts the searches for a start."""
    counts = []
    search = RobustProblem.start

    def counting(self, *args, **kwargs):
        counts.append(self.y.size)
        return search(self, *args, **kwargs)

    monkeypatch.setattr(RobustProblem, "start", counting)
    return counts


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"reweight": True},
        {"formulation": "sort", "alpha": 0.1},
        {"fit_intercept": False, "trim": 0.25},
    ],
)
def test_path_is_that_of_single_fits_from_one_start(parameters, searches):
    X, y, _ = contaminated()
    weight = np.random.default_rng(0).integers(0, 3, y.size)
    epsilons = [30.0, 0.0, 3.0]
    parameters = {**parameters, "random_state": 0}
    path = soft_lts_path(X, y, epsilons=epsilons, sample_weight=weight, **parameters)
    assert searches == [150]
    assert_array_equal(path.epsilons, np.sort(epsilons))
    for i, epsilon in enumerate(path.epsilons):
        model = SoftLTSRegressor(epsilon=epsilon, **parameters).fit(X, y, weight)
        assert_allclose(path.coefs[i], model.coef_, rtol=1e-10)
        assert_allclose(path.intercepts[i], model.intercept_, rtol=1e-10)
        assert_allclose(path.scales[i], model.scale_, rtol=1e-10)
        assert_allclose(path.objectives[i], model.objective_, rtol=1e-10)


@pytest.mark.parametrize("formulation", ["selection", "sort"])
def test_default_path_leads_to_least_squares(formulation):
    X, y, _ = contaminated()
    path = soft_lts_path(X, y, formulation=formulation, random_state=0)
    hard = SoftLTSRegressor(epsilon=0, random_state=0).fit(X, y)
    naive = np.linalg.lstsq(np.column_stack([X, np.ones(150)]), y, rcond=None)[0]
    assert_allclose(path.coefs[0], hard.coef_, rtol=0, atol=0.1)
    assert_allclose(path.coefs[-1], naive[:3], rtol=0, atol=0.05)
    assert_allclose(path.intercepts[-1], naive[3], rtol=0, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("scoring", [None, trimmed_scorer()])
def test_scores_are_those_of_a_grid_search(scoring, searches):
    X, y, _ = contaminated(distance=4)
    grid = {"epsilon": [1.0, 10.0, 100.0], "trim": [0.3, 0.5]}
    model = SoftLTSRegressorCV(
        epsilons=grid["epsilon"],
        trims=grid["trim"],
        scoring=scoring,
        cv=SHUFFLED,
        random_state=0,
    ).fit(X, y)
    assert len(searches) == 2 * 4 + 1 + (scoring is None)
    if scoring is None:
        scale = SoftLTSRegressor(random_state=0).fit(X, y).start_scale_
        assert_allclose(model.cap_, 3 * scale, rtol=1e-8)
        scoring = capped_scorer(cap=model.cap_)
    else:
        assert model.cap_ is None
    search = GridSearchCV(
        SoftLTSRegressor(random_state=0), grid, scoring=scoring, cv=SHUFFLED
    ).fit(X, y)
    folds = [search.cv_results_[f"split{i}_test_score"] for i in range(4)]
    expected = np.reshape(folds, (4, 3, 2)).transpose(2, 1, 0)
    assert_allclose(model.cv_scores_, expected, rtol=1e-6)
    assert_allclose(model.best_score_, search.best_score_, rtol=1e-6)
    assert model.epsilon_ == search.best_params_["epsilon"]
    assert model.trim_ == search.best_params_["trim"]


def test_attributes_are_those_of_the_chosen_fit():
    X, y, bad = contaminated(outliers=0.3)
    model = SoftLTSRegressorCV(epsilons=[100, 3, 1e4], cv=SHUFFLED, random_state=0).fit(
        X, y
    )
    expected = SoftLTSRegressor(epsilon=model.epsilon_, random_state=0).fit(X, y)
    assert_array_equal(model.epsilons_, [3, 100, 1e4])
    assert model.epsilon_ == 3
    for name, value in vars(expected).items():
        if name == "other_minimum_":
            assert value is model.other_minimum_ is None
        elif name.endswith("_") and not name.startswith("_"):
            assert_allclose(getattr(model, name), value, rtol=1e-8, err_msg=name)
    assert_array_equal(model.coef_, model.coef_path_[0])
    assert not model.inlier_mask_[bad].any()
    assert model.score(X[~bad], y[~bad]) > 0.8


@pytest.mark.slow
def test_weights_are_used_in_fits_and_scores():
    X, y, _ = contaminated(distance=4)
    weight = np.repeat([1, 2, 3], 50)
    splits = [(np.arange(75, 150), np.arange(75)), (np.arange(75), np.arange(75, 150))]
    model = SoftLTSRegressorCV(cv=splits, random_state=0).fit(X, y, weight)
    row = np.repeat(np.arange(150), weight)
    repeated = [
        tuple(np.flatnonzero(np.isin(row, part)) for part in split) for split in splits
    ]
    other = SoftLTSRegressorCV(cv=repeated, random_state=0).fit(X[row], y[row])
    assert_allclose(model.cv_scores_, other.cv_scores_, rtol=1e-6)
    unweighted = SoftLTSRegressorCV(cv=splits, random_state=0).fit(X, y)
    assert np.abs(model.cv_scores_ - unweighted.cv_scores_).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [slow(None), 2])
def test_repeatable_whatever_the_threads(n_jobs):
    X, y, _ = contaminated()
    model = SoftLTSRegressorCV(
        epsilons=[3, 30], trims=[0.2, 0.5], random_state=3, n_jobs=n_jobs
    )
    again = clone(model).set_params(n_jobs=None)
    assert_array_equal(model.fit(X, y).cv_scores_, again.fit(X, y).cv_scores_)


@pytest.mark.slow
def test_scoring_sparse_features_and_pipelines():
    X, y, _ = contaminated()
    model = SoftLTSRegressorCV(
        scoring="neg_mean_squared_error", cv=SHUFFLED, random_state=0
    ).fit(X, y)
    assert (model.cv_scores_ < 0).all()
    assert model.epsilon_ > 10  # the outliers rule it
    S = sparse.csc_array(X)
    model = SoftLTSRegressorCV(init="ls", epsilons=[3, 10]).fit(X, y)
    other = SoftLTSRegressorCV(init="ls", epsilons=[3, 10]).fit(S, y)
    assert_allclose(other.cv_scores_, model.cv_scores_, rtol=1e-6)
    pipeline = make_pipeline(StandardScaler(), SoftLTSRegressorCV(epsilons=[10]))
    assert pipeline.fit(X, y).predict(X).shape == y.shape


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vertical", "leverage"])
@pytest.mark.parametrize("distance", [20, slow(1e6)])
def test_choice_is_not_misled(kind, distance):
    X, y, _, bad = make_contaminated_regression(
        300, contamination=0.3, kind=kind, distance=distance, random_state=0
    )
    model = SoftLTSRegressorCV(trims=[0.1, 0.5], cv=SHUFFLED, random_state=0).fit(X, y)
    clean = np.linalg.lstsq(X[~bad], y[~bad], rcond=None)[0]
    assert np.abs(model.coef_ - clean).max() < 0.05


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilons": [-1, 1]}, r"epsilons must lie in \[0, inf\), got -1.0"),
        ({"epsilons": []}, "epsilons must hold at least one value, got none"),
        ({"epsilons": [np.nan]}, "Input epsilons contains NaN"),
        ({"epsilons": 3.0}, "'epsilons' parameter .* must be an array-like"),
        ({"trims": [0.5, 0.7]}, r"trims must lie in \[0, 0.5\], got 0.7"),
        ({"trims": None}, "'trims' parameter .* must be an array-like"),
        ({"scoring": "best"}, "'scoring' parameter"),
        ({"scoring": lambda *_: np.nan}, "scoring must give a score .* got NaN"),
        ({"cv": 0.5}, "'cv' parameter"),
        ({"cv": []}, "cv must give at least one split, got none"),
        ({"formulation": "rank"}, "'formulation' parameter .* must be a str among"),
    ],
)
def test_bad_parameters(parameters, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressorCV(**parameters).fit(X, y)
    if set(parameters) <= {"epsilons", "formulation"} and parameters != {
        "epsilons": 3.0
    }:
        with pytest.raises(ValueError, match=message):
            soft_lts_path(X, y, **parameters)


def test_choice_is_among_those_with_a_score():
    X, y, _ = contaminated()
    scores = iter([np.nan, 2.0, 3.0, np.nan])
    model = SoftLTSRegressorCV(
        epsilons=[1, 10, 100, 1000],
        scoring=lambda *_: next(scores),
        cv=[(np.arange(100), np.arange(100, y.size))],
    ).fit(X, y)
    assert (model.epsilon_, model.best_score_) == (100, 3)


def test_path_takes_lists():
    X, y, _ = contaminated()
    path = soft_lts_path(X.tolist(), y.round(1).tolist(), epsilons=[3], random_state=0)
    model = SoftLTSRegressor(epsilon=3, random_state=0).fit(X, y.round(1))
    assert_allclose(path.coefs[0], model.coef_, rtol=1e-12)


def test_bad_arguments_of_the_path():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match="requires y to be passed"):
        soft_lts_path(X, None)
    with pytest.raises(TypeError, match="Sparse data was passed for y"):
        soft_lts_path(X, sparse.csr_array(y[:, None]))
    with pytest.raises(TypeError, match=r"a grid, epsilons, .* got epsilon=3"):
        soft_lts_path(X, y, epsilon=3)


@pytest.mark.slow
def test_undefined_scores_are_named():
    X, y, _ = contaminated()
    model = SoftLTSRegressorCV(epsilons=[1, 10], scoring=trimmed_scorer())
    rows = np.arange(y.size)
    small = [(rows[:-3], rows[-3:]), (rows[50:], rows[:50])]
    with (
        pytest.warns(UndefinedMetricWarning, match="less than two kept"),
        pytest.raises(ValueError, match=r"undefined on fold 0 of 2, .* \(3 in the sma"),
    ):
        model.set_params(cv=small).fit(X, y)
    with (
        pytest.warns(UndefinedMetricWarning, match="less than two kept"),
        pytest.raises(ValueError, match="undefined on fold 0 and 29 more of 30"),
    ):
        model.set_params(cv=LeaveOneOut()).fit(X[:30], y[:30])


@pytest.mark.parametrize(
    ("part", "number"), [("training", 1), ("test", 0), ("test", 2)]
)
def test_folds_without_weight_are_named(part, number):
    X, y, _ = contaminated()
    folds = list(KFold(3).split(X))
    weight = np.ones(y.size)
    if part == "training":  # else it is the test part of others
        folds = folds[number : number + 1]
        number = 0
    weight[folds[number][part == "test"]] = 0
    model = SoftLTSRegressorCV(epsilons=[1, 10], cv=folds)
    with pytest.raises(
        ValueError, match=f"cv must give .* 0 among the {part} rows of fold {number} of"
    ):
        model.fit(X, y, weight)


# Units


@pytest.mark.slow
@pytest.mark.parametrize("kind", [slow("vertical"), "leverage"])
def test_choice_does_not_depend_on_units(kind):
    X, y, _, _ = make_contaminated_regression(
        80, contamination=0.3, kind=kind, random_state=0
    )
    parameters = {"epsilons": [1, 30], "trims": [0.1, 0.5], "cv": SHUFFLED}
    model = SoftLTSRegressorCV(**parameters, random_state=0).fit(X, y)
    # Powers of two change no digit.
    for exponent in (-700, -60, 660):
        unit = 2.0**exponent
        other = SoftLTSRegressorCV(**parameters, random_state=0).fit(X, unit * y)
        assert (other.epsilon_, other.trim_) == (model.epsilon_, model.trim_)
        assert_array_equal(other.coef_ / unit, model.coef_)
        assert_array_equal(other.cap_ / unit, model.cap_)
        if abs(exponent) < 500:
            assert_allclose(other.cv_scores_ / unit**2, model.cv_scores_, rtol=1e-12)
    for unit in (1e-200, 1e200):
        other = SoftLTSRegressorCV(**parameters, random_state=0).fit(X, unit * y)
        assert (other.epsilon_, other.trim_) == (model.epsilon_, model.trim_)


# What goes where of the metadata


def grouped(n_groups=6):
    """Groups that come one after another, so that folds of rows would mix them."""
    X, y, _ = contaminated(120)
    return X, y, np.arange(120) % n_groups


@pytest.mark.slow
@pytest.mark.parametrize("routing", [False, True])
def test_groups_go_to_the_splitter(routing):
    X, y, groups = grouped()
    cv = GroupKFold(n_splits=3)
    expected = SoftLTSRegressorCV(
        epsilons=[1, 10], cv=list(cv.split(X, y, groups)), random_state=0
    ).fit(X, y)
    with config_context(enable_metadata_routing=routing):
        model = SoftLTSRegressorCV(epsilons=[1, 10], cv=cv, random_state=0)
        assert_array_equal(
            model.fit(X, y, groups=groups).cv_scores_, expected.cv_scores_
        )
        pipeline = make_pipeline(StandardScaler(), clone(model))
        name = "groups" if routing else "softltsregressorcv__groups"
        pipeline.fit(X, y, **{name: groups})
        assert_allclose(pipeline[-1].cv_scores_, expected.cv_scores_, rtol=1e-6)
        with pytest.raises(ValueError, match="The 'groups' parameter should not be"):
            model.fit(X, y)


class Fussy:
    """A scorer that takes no weights; it remembers what it was given."""

    def __init__(self):
        self.sizes = []

    def __call__(self, estimator, X, y):
        self.sizes.append(len(y))
        return -np.median(np.abs(y - estimator.predict(X)))


@pytest.mark.slow
def test_scorers_get_the_weights_that_they_take():
    X, y, _ = contaminated(80)
    weight = np.random.default_rng(0).integers(1, 4, 80)
    parameters = {"epsilons": [1, 10], "cv": SHUFFLED, "random_state": 0}
    for scoring in (make_scorer(max_error, greater_is_better=False), Fussy()):
        model = SoftLTSRegressorCV(**parameters, scoring=scoring).fit(X, y, weight)
        assert (model.cv_scores_ < 0).all()

    def weighted(estimator, X, y, sample_weight=None):
        return r2_score(y, estimator.predict(X), sample_weight=sample_weight)

    def everything(estimator, X, y, **weights):
        assert set(weights) == {"sample_weight", "sigma"}
        assert {len(w) for w in weights.values()} == {len(y)}
        return weighted(estimator, X, y, weights["sample_weight"])

    sigma = np.ones(80)
    fits = [
        SoftLTSRegressorCV(**parameters, scoring=scoring).fit(X, y, weight, sigma)
        for scoring in ("r2", weighted, everything)
    ]
    for (train, test), scores in zip(
        SHUFFLED.split(X), fits[0].cv_scores_[0].T, strict=True
    ):
        for epsilon, score in zip([1, 10], scores, strict=True):
            single = SoftLTSRegressor(epsilon=epsilon, random_state=0)
            single.fit(X[train], y[train], weight[train])
            expected = single.score(X[test], y[test], weight[test])
            assert_allclose(score, expected, rtol=1e-6)
    for other in fits[1:]:
        assert_allclose(other.cv_scores_, fits[0].cv_scores_, rtol=1e-12)


@pytest.mark.slow
def test_requests_of_scorers_are_kept():
    X, y, _ = contaminated(60)
    weight = np.random.default_rng(0).integers(1, 4, 60)
    parameters = {"epsilons": [1, 10], "cv": KFold(2), "random_state": 0}
    plain = SoftLTSRegressorCV(**parameters, scoring="r2").fit(X, y, weight)
    default = SoftLTSRegressorCV(**parameters).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("r2")
        model = SoftLTSRegressorCV(**parameters, scoring=scorer)
        if parse_version(sklearn_version) >= parse_version("1.9"):
            with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
                model.fit(X, y, weight)
        asked = clone(model).set_params(
            scoring=get_scorer("r2").set_score_request(sample_weight=True)
        )
        asked.fit(X, y, weight)
        assert_array_equal(asked.cv_scores_, plain.cv_scores_)
        other = clone(model).set_params(
            scoring=get_scorer("r2").set_score_request(sample_weight="weight")
        )
        other.fit(X, y, weight=weight)  # in the scores only
        assert_array_equal(
            other.coef_,
            SoftLTSRegressorCV(**parameters, scoring=scorer).fit(X, y).coef_,
        )
        # Our own score takes the weights of the fit.
        again = SoftLTSRegressorCV(**parameters).fit(X, y, weight)
        assert_array_equal(again.cv_scores_, default.cv_scores_)
        requests = SoftLTSRegressorCV().set_fit_request(sample_weight=True, sigma=True)
        requests.set_score_request(sample_weight=True, sigma=True)
        search = GridSearchCV(requests, {"alpha": [0, 0.1]}, cv=2)
        search.fit(X, y, sample_weight=weight, sigma=np.ones(60))


def test_unknown_metadata():
    X, y, groups = grouped()
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing"):
        SoftLTSRegressorCV().fit(X, y, weights=groups)
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(TypeError, match="weights"),
    ):
        SoftLTSRegressorCV().fit(X, y, weights=groups)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [slow(0.01), 0.1])
@pytest.mark.parametrize("formulation", ["selection", slow("sort")])
def test_weights_are_repeats_for_sparse_features(formulation, alpha):
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(20, 30)), rng.integers(0, 3, 20)
    X[X < 0.5] = 0
    weight = rng.integers(0, 5, 20)
    row = np.append(np.repeat(np.arange(20), weight), np.arange(40) % 20)
    S, group = np.vstack([X, X, X]), np.repeat([0, 1, 2], 20)
    weight = np.append(weight, np.ones(40, dtype=int))
    groups = np.repeat(group, weight)
    fits = []
    for data, split in (
        ((S, np.tile(y, 3), weight), group),
        ((X[row], y[row], None), groups),
    ):
        cv = list(LeaveOneGroupOut().split(data[0], groups=split))
        model = SoftLTSRegressorCV(
            epsilons=[1, 10],
            alpha=alpha,
            formulation=formulation,
            cv=cv,
            random_state=0,
        )
        fits.append(model.fit(sparse.csr_array(data[0]), *data[1:]))
    # At which of its kinks "sort" stops is up to rounding.
    rtol = 1e-2 if formulation == "sort" else 1e-5
    assert_allclose(fits[0].cv_scores_, fits[1].cv_scores_, rtol=rtol)
    atol = 1e-4 if formulation == "sort" else 1e-6
    assert_allclose(fits[0].coef_, fits[1].coef_, rtol=0, atol=atol)
