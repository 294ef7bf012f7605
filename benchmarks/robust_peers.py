"""Section of `benchmarks/robust.py`: errors beside those of lmrob, R's MM estimator."""

import numpy as np
from robust_answers import AUTO_DESIGNS, draw
from sklearn.linear_model import LinearRegression

from sksoftrank import SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression

# Data sets of a design, of one with many features, and the largest one.
N_SEEDS, N_LARGE, LARGEST = 20, 4, 1000


class Data:
    """A data set, with its coefficients and least squares on the clean rows."""

    def __init__(self, X, y, coef, bad):
        self.X, self.y, self.coef = X, y, coef
        self.unit = self.error(LinearRegression().fit(X[~bad], y[~bad]))

    def error(self, model):
        """Of coefficients and intercept."""
        off = np.asarray(model.coef_, dtype=float) - self.coef
        return np.sqrt(off @ off + float(model.intercept_) ** 2)


class Lmrob:
    """pylmrob with the attributes of the other regressors."""

    def fit(self, X, y):
        """Fit with the defaults."""
        from pylmrob import LmRob

        coefs = np.asarray(LmRob().fit(X, y).result_.params, dtype=float)
        self.intercept_, self.coef_ = coefs[0], coefs[1:]
        return self


def designs_of(designs):
    """Names, sizes, and functions of a seed that make a `Data`."""
    for kind, n, p, share, distance in designs:
        label = f"{kind}, n = {n}, p = {p}"
        label += f", {share:.0%} at {distance:g}" if kind != "cauchy" else ""
        parameters = {"kind": kind, "contamination": share, "distance": distance}

        def make(seed, n=n, p=p, parameters=parameters):
            return Data(
                *make_contaminated_regression(n, p, random_state=seed, **parameters)
            )

        yield label, n, p, make
    for design in AUTO_DESIGNS:
        kind, n, p, share, distance = design
        label = f"{kind}, n = {n}, p = {p}"
        label += f", {share:.0%} at {distance:g}" if share else ""

        def draw_one(seed, design=design):
            rng = np.random.default_rng([seed, 20261129, design[1], design[2]])
            X, y, bad = draw(*design, rng)
            return Data(X, y, np.ones(X.shape[1]), bad)

        yield label, n, p, draw_one


def peers_section(table, quick, designs):
    """Ratios of errors, as geometric means with standard errors."""
    rows = []
    for label, n, p, make in designs_of(designs):
        if n > LARGEST:
            continue
        n_seeds = N_LARGE if p >= 20 and n == LARGEST else N_SEEDS
        logs = []
        for seed in range(2 if quick else n_seeds):
            data = make(seed)
            models = (
                Lmrob(),
                SoftLTSRegressor(random_state=seed),
                SoftLTSRegressor(epsilon="auto", random_state=seed),
            )
            errors = np.array([data.error(m.fit(data.X, data.y)) for m in models])
            logs.append(np.log([errors[0] / data.unit, *errors[1:] / errors[0]]))
        mean = np.exp(np.mean(logs, axis=0))
        spread = mean * np.std(logs, axis=0) / np.sqrt(len(logs))
        ratios = zip(mean, spread, strict=True)
        rows.append([label, *(f"{m:.2f} ± {s:.2f}" for m, s in ratios)])
        print(rows[-1], flush=True)
    return (
        "Errors of coefficients and intercept as multiples of one another, geometric "
        "means with standard errors; lmrob is that of pylmrob with its defaults.\n\n"
    ) + table(
        ["design", "lmrob / LS on clean rows", "epsilon 12 / lmrob", '"auto" / lmrob'],
        rows,
    )
