"""A warning of codes for missing values, of which robust fits drop the rows or not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor, SoftLTSRegressorCV
from sksoftrank.robust._fill_values import find_codes, find_fill_values

MODELS = [
    SoftLTSRegressor(random_state=0),
    SoftLQSRegressor(random_state=0),
    SoftLTSRegressorCV(epsilons=[12], cv=2, random_state=0),
]


def people(n=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(0, 90, n).astype(float),
            "income": rng.lognormal(10, 0.5, n).round(),
            "is_owner": (rng.random(n) < 0.04).astype(float),
            "children": rng.poisson(0.3, n).astype(float),
        }
    )
    return frame, frame @ [1.0, 1e-3, 40.0, 5.0] + rng.normal(0, 10, n)


@pytest.mark.parametrize("model", MODELS)
def test_names_the_column_the_value_and_the_rows(model):
    X, y = people()
    X.loc[::10, "age"] = -999
    pattern = r"ignores 30 of the 30 rows with 'age' = -999, .* make it NaN and"
    with pytest.warns(UserWarning, match=pattern) as record:
        model.fit(X, y)
    assert [warning.filename for warning in record] == [__file__]


@pytest.mark.parametrize("value", [-999_999, 9_999_999, 1e20, 1e36])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_two_columns_in_one_sentence(value, convert):
    X, y = people()
    X.loc[::10, "age"] = X.loc[1::20, "income"] = value
    message = "30 of the 30 rows with column 0 .* 15 of the 15 rows with column 1"
    with pytest.warns(UserWarning, match=message) as record:
        SoftLTSRegressor(random_state=0).fit(convert(X.to_numpy()), y)
    assert len(record) == 1


def test_counts_all_rows_of_a_long_table():
    X, y = people(6000)
    X.loc[::10, "age"] = -999
    for features in (X, StandardScaler().fit_transform(X)):
        with pytest.warns(UserWarning, match="600 of the 600 rows with"):
            SoftLTSRegressor(random_state=0).fit(features, y)


def test_rows_of_weight_0_are_not_spoken_of():
    X, y = people()
    X.loc[::10, "age"] = -999
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftLTSRegressor(random_state=0).fit(X, y, sample_weight=X["age"] != -999)


def test_no_false_alarm():
    for seed in range(3):
        X, y = people(seed=seed)
        wrong = y.copy()
        wrong[::9] *= 10
        capped = X.assign(age=X["age"].clip(upper=60))
        leverage = X.copy()
        leverage.loc[::9, "income"] *= np.linspace(100, 200, 34)
        wide = X.assign(year=1990.0 * (X.index % 7 > 0) + X.index % 5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for table, target in [(X, wrong), (capped, y), (leverage, y), (wide, y)]:
                SoftLTSRegressor(random_state=0).fit(table, target)


def test_what_a_fill_value_is():
    column = np.append(np.linspace(0, 9, 91), np.full(9, 40.0))
    filled = column == 40
    assert find_fill_values(column[:, None], filled) == [(0, 40.0)]
    assert find_fill_values(-column[:, None], filled) == [(0, -40.0)]
    unknown = np.where(np.arange(100) % 5 == 0, np.nan, column)
    assert find_fill_values(unknown[:, None], filled) == [(0, 40.0)]
    others = {
        "not ignored": (column, ~filled),
        "ignored as the rest": (column, np.ones(100, dtype=bool)),
        "near": (np.where(filled, 20, column), filled),
        "not one value": (column + 0.1 * np.arange(100) * filled, filled),
        "a dummy": (filled.astype(float), filled),
        "mostly one value": (np.where(filled, 40, column > 8.9), filled),
        "few": (np.where(np.arange(100) < 96, 1.0 * np.arange(100), 1e4), filled),
        "unknown": (np.full(100, np.nan), filled),
    }
    for name, (values, ignored) in others.items():
        assert_array_equal(find_fill_values(values[:, None], ignored), [], name)


@pytest.mark.parametrize("model", MODELS)
def test_followed_codes(model):
    X, y = people()
    codes = {-999: 3, -9999: 2, 999: 3, 9999: 1}
    X.loc[:8, "age"] = np.repeat(list(codes), list(codes.values()))
    y.loc[:8] = X[:9] @ [0.0, 1e-3, 40.0, 5.0] + 45
    pattern = (
        r" of the 2 rows with 'age' = -9999 and . of the 3 rows .*= -999 and .* 999 "
    )
    with pytest.warns(
        UserWarning, match=pattern + "and . of the 1 row .* 9999, far from"
    ):
        model.fit(X, y)


def test_what_a_code_is():
    ages = np.linspace(0, 90, 91)
    codes = {
        -999.0: 1,
        -99.0: 1,
        999.0: 1,
        888.0: 2,
        9997.0: 1,
        700.0: 5,
        500.0: 8,
        1e20: 1,
        -1e20: 3,
    }
    for code, count in codes.items():
        column = np.append(ages, np.full(count, code))
        for values in (column, column[::-1]):
            assert find_codes(values[:, None]) == [(0, code)], code
    both = np.append(ages, [-999.0, 9999.0, 9999.0, -99.0])
    found = [(1, -999.0), (1, -99.0), (1, 9999.0)]
    assert sorted(find_codes(np.column_stack([both[::-1], both]))[3:]) == found
    heights = np.append(np.linspace(150, 190, 91), np.zeros(8))
    assert find_codes(np.column_stack([heights, -heights])) == [(0, 0), (1, 0)]
    others = {
        "near": np.append(ages, 99.0),
        "negative with others": np.append(ages - 60, -77.0),
        "few": np.append(ages, np.full(4, 700.0)),
        "a dummy": np.repeat([0.0, 99.0], [90, 10]),
        "no code": np.append(ages, 1000.0),
        "majority": np.append(ages, np.full(100, -999.0)),
        "none": ages[:0],
        "one": ages[:1],
        "huge": np.append(1e308 * np.linspace(-1.7, 1.7, 90), -1.79e308),
        "doses": np.repeat([0.0, 0.1, 1.0, 10.0, 100.0, 1000.0], 20),
        "debts": -np.repeat([0.1, 1.0, 10.0, 100.0, 1000.0], 20),
        "counts": np.repeat([0.0, 1.0, 2.0, 3.0, 20.0], [50, 20, 15, 10, 5]),
        "populations": np.repeat(np.exp(np.append(np.linspace(0, 4, 20), 6)), 10),
    }
    others["centred"] = others["populations"] - others["populations"].mean()
    for name, column in others.items():
        assert find_codes(column[:, None]) == [], name
