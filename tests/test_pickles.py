"""Fitted estimators outlive releases: pickles of older ones load and predict alike."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from pickles import ESTIMATORS, FOLDER, NUMBERS, X, apply
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LinearRegression
from test_package import PUBLIC

from sksoftrank import SoftTrimmedRegressor

FILES = {path.stem: pickle.loads(path.read_bytes()) for path in FOLDER.glob("*.pickle")}
OLD = [(file, name) for file, content in FILES.items() for name in content["fits"]]
PUBLIC_ESTIMATORS = {
    thing
    for thing in PUBLIC
    if isinstance(thing, type) and issubclass(thing, BaseEstimator)
}
# What sksoftrank.batches and sksoftrank.dask fit is in the attributes of the classes in
# memory, which their `to_local` gives.
IN_MEMORY = {thing for thing in PUBLIC_ESTIMATORS if not hasattr(thing, "to_local")}
# Those of dask leave out what is lazy, and are read as all others are.
WITHOUT_LAZY = {thing for thing in PUBLIC_ESTIMATORS if hasattr(thing, "_of_rows")}


@pytest.mark.parametrize(("file", "name"), OLD)
def test_old_pickles_predict_alike(file, name):
    content = FILES[file]
    dump, expected = content["fits"][name]
    with warnings.catch_warnings():
        # Of scikit-learn's estimators inside ours, and only if they are of another
        # version; every other warning is an error.
        if content["scikit-learn"] != sklearn.__version__:
            warnings.simplefilter("ignore", InconsistentVersionWarning)
        fit = pickle.loads(dump)
    result = apply(fit, content["X"])
    if expected.dtype.kind == "f":
        assert_allclose(result, expected, rtol=1e-10, atol=1e-12)
    else:
        assert_array_equal(result, expected)
    fit.get_params(deep=False)  # all that the constructor takes today


def test_there_are_old_pickles_and_the_script_knows_every_estimator():
    assert "sksoftrank-0.1.0" in FILES
    assert {type(estimator) for estimator, _ in ESTIMATORS} == IN_MEMORY


@pytest.mark.parametrize(
    "estimator", sorted(PUBLIC_ESTIMATORS, key=lambda e: (e.__module__, e.__name__))
)
def test_state_is_set_by_scikit_learn(estimator):
    assert estimator.__setstate__ is BaseEstimator.__setstate__
    if estimator not in WITHOUT_LAZY:
        assert estimator.__getstate__ is BaseEstimator.__getstate__


def test_another_version_of_an_inner_estimator_warns(monkeypatch):
    model = SoftTrimmedRegressor(LinearRegression(), trim=0.1, random_state=0)
    fit = model.fit(X, NUMBERS)
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "0.1")
        dump = pickle.dumps(fit)
    # A tree that tells the spread of errors may warn, too.
    with pytest.warns(InconsistentVersionWarning) as record:
        loaded = pickle.loads(dump)
    assert any("LinearRegression" in str(warning.message) for warning in record)
    assert_array_equal(loaded.predict(X), fit.predict(X))
    assert np.isfinite(loaded.predict(X)).all()
