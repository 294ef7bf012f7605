"""CPU time of the transformers, as ratios to scikit-learn's QuantileTransformer.

    python benchmarks/transformers.py [--shape ROWS COLUMNS] [--rounds N]

Prints, for every transformer, the median over rounds of the time of fit and transform
divided by that of QuantileTransformer in the same round, on the same normal data.
"""

import argparse
import time

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from sksoftrank.preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
)


def contenders(n_features):
    """Transformers by label; the first is what the others are compared with."""
    weights = np.linspace(1.0, 2.0, n_features)
    transformers = [
        QuantileTransformer(random_state=0),
        QuantileTransformer(output_distribution="normal", random_state=0),
        SoftRankTransformer(random_state=0),
        SoftRankTransformer(epsilon=0, random_state=0),
        SoftRankTransformer(epsilon=3, random_state=0),
        SoftRankTransformer(output_distribution="normal", random_state=0),
        SoftRankTransformer(subsample=None),
        SoftQuantileNormalizer(random_state=0),
        PermutahedronProjection(),
        PermutahedronProjection(epsilon=0),
        PermutahedronProjection(w="mean"),
        PermutahedronProjection(regularization="entropic"),
        PermutahedronProjection(regularization="kl"),
    ]
    labelled = {repr(transformer): transformer for transformer in transformers}
    for regularization in ("quadratic", "entropic"):
        options = f'regularization="{regularization}"'
        labelled[f"IsotonicProjection({options})"] = IsotonicProjection(
            regularization=regularization
        )
        labelled[f"IsotonicProjection({options}, weights=...)"] = IsotonicProjection(
            regularization=regularization, weights=weights
        )
    return labelled


def seconds(transformer, X):
    start = time.process_time()
    transformer.fit(X).transform(X)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=2, default=[100_000, 20])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    X = np.random.default_rng(0).standard_normal(arguments.shape)
    labelled = contenders(X.shape[1])
    times = [
        [seconds(transformer, X) for transformer in labelled.values()]
        for _ in range(arguments.rounds)
    ]
    ratios = np.median(np.array(times) / np.array(times)[:, :1], axis=0)
    print(f"fit + transform of {X.shape}, CPU time / QuantileTransformer()")
    for label, ratio in zip(labelled, ratios, strict=True):
        print(f"{ratio:8.2f}  {label}")


if __name__ == "__main__":
    main()
