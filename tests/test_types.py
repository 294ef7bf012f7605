"""The types that are stated are those of results and of fitted attributes."""

import runpy
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from test_package import PUBLIC

from sksoftrank import SoftTrimmedClassifier, SoftTrimmedRegressor
from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking._rankings import LabelRankerMixin

ESTIMATORS = [thing for thing in PUBLIC if hasattr(thing, "fit")]


def has_type(value, expected):
    """Whether the type of a value is the stated one."""
    origin, parts = get_origin(expected), get_args(expected)
    if expected is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(has_type(value, part) for part in parts)
    if origin in (np.ndarray, NDArray):  # NDArray from Python 3.12 and NumPy 2.5 on
        (scalar,) = parts if origin is NDArray else get_args(parts[1])
        is_array = isinstance(value, np.ndarray)
        return is_array and (scalar is Any or np.issubdtype(value.dtype, scalar))
    if origin is Callable:
        return callable(value)
    if origin is tuple and parts[-1] is not ...:
        return len(value) == len(parts) and all(map(has_type, value, parts))
    if origin in (tuple, list):
        return isinstance(value, origin) and all(has_type(v, parts[0]) for v in value)
    if origin is dict:
        return all(all(map(has_type, item, parts)) for item in value.items())
    return isinstance(value, expected)


def test_types_that_a_users_script_sees_are_those_of_the_values(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    n_checked = 0

    def check(value, expected):
        nonlocal n_checked
        n_checked += 1
        assert has_type(value, expected), f"{value!r} is no {expected}"

    monkeypatch.setattr(typing, "assert_type", check)
    runpy.run_path(str(Path(__file__).with_name("typed_user.py")))
    assert n_checked > 90


def fit(cls, dtype):
    """An estimator fitted to a data frame of this dtype."""
    X, y, _ = make_label_ranking(40, 3, random_state=0)
    if not issubclass(cls, LabelRankerMixin):
        y = X @ [1.0, -1.0, 2.0] + 0.1 * y[:, 0]
    base = {SoftTrimmedClassifier: LogisticRegression(), SoftTrimmedRegressor: Ridge()}
    model = cls(base[cls]) if cls in base else cls()
    X = pd.DataFrame(X, columns=["a", "b", "c"], dtype=dtype)
    y = y > 0 if is_classifier(model) else y
    if cls.__module__.startswith("sksoftrank.dask."):
        array = pytest.importorskip("dask.array")
        frame = pytest.importorskip("dask.dataframe")
        return model.fit(frame.from_pandas(X, npartitions=1), array.from_array(y))
    return model.fit(X, y)


@pytest.mark.parametrize("dtype", [slow(np.float64), np.float32])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_have_the_stated_types(cls, dtype):
    fitted = {
        name: value
        for name, value in vars(fit(cls, dtype)).items()
        if name.endswith("_") and not name.startswith("_")
    }
    stated = {
        name: annotation
        for name, annotation in typing.get_type_hints(cls).items()
        if name.endswith("_") and not name.startswith("_")
    }
    assert fitted.keys() == stated.keys()
    for name, value in fitted.items():
        assert has_type(value, stated[name]), f"{name}: {value!r} is no {stated[name]}"
