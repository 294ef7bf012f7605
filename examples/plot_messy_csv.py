"""
From a messy table to a report
==============================

A file of flats as people keep them: missing sizes and codes for them, repeated rows,
categories, dates, and prices that are wrong: some in thousands, some of another
currency. A robust pipeline says what a square metre costs, which rows are wrong, and
how sure both are; then it is stored. It needs ``pip install pandas``, besides
matplotlib.
"""

import importlib.util
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sksoftrank import (
    CoefficientsDisplay,
    ResidualsDisplay,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
)
from sksoftrank.metrics import trimmed_scorer

# %%
# The file
# --------
#
# Every square metre costs 3000, the centre 60,000 more, a year of age 800 less. Every
# eighth price is wrong.

rng = np.random.default_rng(0)
n = 400
flats = pd.DataFrame(
    {
        "size": rng.uniform(30, 140, n).round(),
        "district": rng.choice(["centre", "north", "south"], n, p=[0.4, 0.3, 0.3]),
        "built": pd.Timestamp("1960-01-01")
        + pd.to_timedelta(rng.integers(0, 60 * 365, n), unit="D"),
    }
)
age = 2026 - flats["built"].dt.year
price = 3000 * flats["size"] + 60_000 * (flats["district"] == "centre") - 800 * age
flats["price"] = (price + 15_000 * rng.standard_normal(n)).round(-2)
is_wrong = np.arange(n) % 8 == 0
flats.loc[is_wrong, "price"] *= rng.choice([0.001, 7.5], is_wrong.sum())
flats.loc[rng.choice(n, 30, replace=False), "size"] = np.nan
flats.loc[rng.choice(n, 9, replace=False), "size"] = -999
spelled = flats.index[flats["district"] == "centre"][::20]
flats.loc[spelled, "district"] = "Centre "
file = io.StringIO(pd.concat([flats, flats[-5:]]).to_csv(index_label="id"))

# %%
# The pipeline
# ------------
#
# Repeated rows go, and codes for missing values become missing: the fit would take them
# for numbers, and warns of a far one. (Decimal commas are ``read_csv(decimal=",")``.)
# Dates become years; missing sizes the median; districts dummies.

table = pd.read_csv(file, parse_dates=["built"]).drop_duplicates().set_index("id")
table["size"] = table["size"].replace(-999, np.nan)
table["district"] = table["district"].str.strip().str.lower()
X = table[["size", "district"]].assign(age=2026 - table["built"].dt.year)
y = table["price"]
features = make_column_transformer(
    (SimpleImputer(strategy="median"), ["size", "age"]),
    (OneHotEncoder(drop=["north"], sparse_output=False), ["district"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
model = make_pipeline(features, SoftLTSRegressor(random_state=0)).fit(X, y)
fit = model[-1]
print(fit.summary())

# %%
# Least squares is led astray by the wrong prices; the picture says by how much.

plain = make_pipeline(features, LinearRegression()).fit(X, y)
CoefficientsDisplay.from_estimators({"robust": model, "least squares": plain}, X, y)

# %%
# Which rows are wrong
# --------------------
#
# The mask is that of the fit; weights of 0 did not count. An imputed size is a guess,
# which the fit takes for known: many of these rows are flagged, although their prices
# are right. They tell nothing about themselves, so they are no suspects.

is_imputed = table["size"].isna()
for name, rows in {"imputed": is_imputed, "known": ~is_imputed}.items():
    part = (~fit.inlier_mask_)[rows & ~is_wrong].mean()
    print(f"{name} sizes: {part:.0%} of the rows with right prices are flagged")
suspects = table.assign(residual=fit.standardized_residuals(model[:-1].transform(X), y))
suspects = suspects[~fit.inlier_mask_ & ~is_imputed].sort_values("residual", key=abs)
print(suspects.tail())
found = ~fit.inlier_mask_[is_wrong]
print(f"{found.sum()} of {is_wrong.sum()} wrong prices are found")
ResidualsDisplay.from_estimator(model, X, y)

# %%
# What a new flat costs
# ---------------------
#
# The steps before the last one make the features, the last one has the intervals. Those
# of flats with an imputed size would be too short.

new = pd.DataFrame(
    {"size": [80.0, 45.0], "district": ["centre", "south"], "age": [10, 40]}
)
interval = fit.predict_interval(model[:-1].transform(new), confidence_level=0.9)
print(new.assign(price=model.predict(new), low=interval[:, 0], high=interval[:, 1]))

# %%
# How good it is
# --------------
#
# Held-out rows hold wrong prices, too. The score leaves out the part that is predicted
# worst; take a part that holds the wrong ones.

score = cross_val_score(model, X, y, scoring=trimmed_scorer(trim=0.2)).mean()
print(f"R2 of four fifths of held-out rows: {score:.2f}")

# %%
# Tuning
# ------
#
# Folds hold wrong prices, too, so errors are capped.

tuned = make_pipeline(
    features, SoftLTSRegressorCV(epsilons=[3, 12, 50], random_state=0)
)
tuned.fit(X, y)
print(tuned[-1].epsilon_, tuned[-1].coef_.round(-1))

# %%
# Storing it
# ----------
#
# ``joblib`` keeps the whole pipeline. What predicts is linear: two nodes for ONNX, of
# numbers in single precision.

with TemporaryDirectory() as folder:
    path = Path(folder) / "flats.joblib"
    joblib.dump(model, path)
    assert (joblib.load(path).predict(new) == model.predict(new)).all()

if importlib.util.find_spec("onnx"):
    from onnx import TensorProto, checker, helper, numpy_helper

    inner = [
        numpy_helper.from_array(fit.coef_[:, None].astype(np.float32), "coef"),
        numpy_helper.from_array(np.float32([fit.intercept_]), "intercept"),
    ]
    nodes = [
        helper.make_node("MatMul", ["X", "coef"], ["product"]),
        helper.make_node("Add", ["product", "intercept"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in (("X", fit.n_features_in_), ("y", 1))
    ]
    graph = helper.make_graph(nodes, "flats", ends[:1], ends[1:], inner)
    opset = [helper.make_opsetid("", 13)]  # an old one, which any runtime knows
    stored = helper.make_model(graph, opset_imports=opset, ir_version=8)
    checker.check_model(stored)
    if importlib.util.find_spec("onnxruntime"):
        from onnxruntime import InferenceSession

        session = InferenceSession(
            stored.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        rows = model[:-1].transform(new).to_numpy(np.float32)
        answer = session.run(["y"], {"X": rows})[0].ravel()
        assert np.allclose(answer, model.predict(new), rtol=1e-5)
        print(f"ONNX: {answer.round(-2)}")

plt.show()
