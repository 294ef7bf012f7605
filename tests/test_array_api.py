"""Tensors under scikit-learn's array API dispatch are refused in one sentence."""

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sksoftrank
from sksoftrank import metrics

torch = pytest.importorskip("torch", reason="needs torch")

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(40, 3)), RNG.normal(size=40)
RANKS = RNG.normal(size=(40, 4)).argsort(axis=1) + 1
CALLS = {
    "SoftRankTransformer": (X,),
    "SoftQuantileNormalizer": (X,),
    "IsotonicProjection": (X,),
    "PermutahedronProjection": (X,),
    "SoftLTSRegressor": (X, y),
    "SoftLQSRegressor": (X, y),
    "SoftTrimmedRegressor": (X, y),
    "SoftTrimmedClassifier": (X, (y > 0).astype(int)),
    "SoftTopKClassifier": (X, (y > 0).astype(int)),
    "SoftRanker": (X, y),
    "SoftSpearmanLabelRanker": (X, RANKS),
    "DummyLabelRanker": (X, RANKS),
}
SCORES = {
    "trimmed_mean_squared_error": (y, y + 1),
    "trimmed_r2_score": (y, y + 1),
    "spearman_score": (RANKS, X[:, [0, 1, 2, 0]]),
    "kendall_tau_score": (RANKS, X[:, [0, 1, 2, 0]]),
    "ndcg_score": (RANKS, X[:, [0, 1, 2, 0]]),
}


@pytest.fixture(autouse=True)
def dispatch(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    # Set as such: the context checks the variable when SciPy was imported.
    monkeypatch.setitem(
        sklearn._config._get_threadlocal_config(), "array_api_dispatch", True
    )


def refused():
    message = r"take NumPy arrays, got a torch.Tensor, which array_api_dispatch=True"
    return pytest.raises(TypeError, match=message)


@pytest.mark.parametrize("name", CALLS)
def test_estimators(name):
    arrays = CALLS[name]
    tensors = [torch.tensor(array) for array in arrays]
    estimator = getattr(sksoftrank, name)()
    with refused():
        estimator.fit(*tensors)
    fitted = getattr(sksoftrank, name)().fit(*arrays)
    method = fitted.transform if hasattr(fitted, "transform") else fitted.predict
    with refused():
        method(tensors[0])


def test_pipeline():
    pipeline = make_pipeline(StandardScaler(), sksoftrank.SoftRankTransformer())
    with refused():
        pipeline.fit_transform(torch.tensor(X))


@pytest.mark.parametrize("name", SCORES)
def test_scores(name):
    tensors = [torch.tensor(array) for array in SCORES[name]]
    with refused():
        getattr(metrics, name)(*tensors)
