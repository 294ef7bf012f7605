"""Pickles of fitted estimators, a file a release, which this script writes.

Run it by `nox -s pickles`, with the oldest versions that are supported.
"""

import pickle
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression

import sksoftrank
from sksoftrank import (
    DummyLabelRanker,
    IsotonicProjection,
    PermutahedronProjection,
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftQuantileNormalizer,
    SoftRanker,
    SoftRankTransformer,
    SoftSpearmanLabelRanker,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
)
from sksoftrank.classification import SoftTopKClassifier

FOLDER = Path(__file__).parent / "data"
PROTOCOL = 4

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
SCORES = X @ RNG.normal(size=(3, 4)) + 0.1 * RNG.normal(size=(40, 4))
NUMBERS = SCORES[:, 0]
RANKS = SCORES.argsort(axis=1).argsort(axis=1) + 1
CLASSES = np.array(["a", "b", "c", "d"])[SCORES.argmax(axis=1)]

ESTIMATORS = [
    (DummyLabelRanker(), RANKS),
    (IsotonicProjection(), None),
    (PermutahedronProjection(), None),
    (SoftLQSRegressor(random_state=0), NUMBERS),
    (SoftLTSRegressor(random_state=0), NUMBERS),
    (SoftLTSRegressorCV(epsilons=[1.0, 10.0], random_state=0), NUMBERS),
    (SoftQuantileNormalizer(), None),
    (SoftRanker(), NUMBERS),
    (SoftRankTransformer(), None),
    (SoftSpearmanLabelRanker(), RANKS),
    (SoftTopKClassifier(), CLASSES),
    (SoftTrimmedClassifier(LogisticRegression(), trim=0.1, random_state=0), CLASSES),
    (SoftTrimmedRegressor(LinearRegression(), trim=0.1, random_state=0), NUMBERS),
]


def apply(estimator, data):
    """What the fitted estimator is for: its predictions, or its transformed data."""
    method = "predict" if hasattr(estimator, "predict") else "transform"
    return getattr(estimator, method)(data)


def write():
    """Each estimator in a pickle of its own, with what it makes of the data."""
    fits = [estimator.fit(X, y) for estimator, y in ESTIMATORS]
    content = {
        "scikit-learn": sklearn.__version__,
        "X": X,
        "fits": {
            type(fit).__name__: (pickle.dumps(fit, PROTOCOL), apply(fit, X))
            for fit in fits
        },
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"sksoftrank-{sksoftrank.__version__}.pickle"
    path.write_bytes(pickle.dumps(content, PROTOCOL))


if __name__ == "__main__":
    write()
