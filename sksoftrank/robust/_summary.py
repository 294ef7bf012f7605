"""The summary of a robust linear fit: a table for people, and its columns."""

import math
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

COLUMNS = ("coef", "std_err", "t", "p", "lower", "upper")


class RegressionSummary(NamedTuple):
    """What `SoftLTSRegressor.summary` returns; prints as a table.

    Attributes
    ----------
    names : list of str
        Names of the coefficients, "intercept" last if there is one.
    coef, std_err : ndarray of shape (n_coefs,)
        Coefficients and their standard errors, infinite where nothing determines a
        coefficient, NaN where errors are not known.
    t, p : ndarray of shape (n_coefs,)
        Coefficients over their errors, and the probabilities of larger sizes of these
        if the coefficient were 0. NaN where the error is infinite or not known, and
        for an exact fit, of which the errors are 0.
    lower, upper : ndarray of shape (n_coefs,)
        Ends of the intervals.
    confidence_level : float
        Their level.
    df : float
        Degrees of freedom of the t distribution, NaN where errors are not known.
    scale : float
        Standard deviation of the errors.
    robust_r2 : float
        R2 of the h rows that agree best.
    n_kept, n_suspicious, n_ignored : int
        Numbers of rows: inliers that count, outliers that count a little, and rows that
        do not count.
    title : str
        Name of the estimator and its epsilon.
    """

    names: list[str]
    coef: NDArray[np.float64]
    std_err: NDArray[np.float64]
    t: NDArray[np.float64]
    p: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    confidence_level: float
    df: float
    scale: float
    robust_r2: float
    n_kept: int
    n_suspicious: int
    n_ignored: int
    title: str

    def to_frame(self) -> Any:
        """The table as a frame of pandas, a row for each coefficient."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas; install it, for example by 'pip install "
                "pandas'."
            ) from error
        columns = {name: getattr(self, name) for name in COLUMNS}
        return pd.DataFrame(columns, index=self.names)

    def __repr__(self) -> str:
        header, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                [
                    line[0].ljust(widths[0]),
                    *(
                        cell.rjust(w)
                        for cell, w in zip(line[1:], widths[1:], strict=True)
                    ),
                ]
            ).rstrip()
            for line in (header, *rows)
        ]
        return "\n".join([self.title, *lines, *self._notes()])

    def _repr_html_(self) -> str:
        header, rows = self._cells()

        def row(cells, tag):
            first = f'<th style="text-align: left">{escape(cells[0])}</th>'
            return (
                "<tr>"
                + first
                + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells[1:])
                + "</tr>"
            )

        return (
            f"<table><caption>{escape(self.title)}</caption>"
            f"<thead>{row(header, 'th')}</thead><tbody>"
            + "".join(row(cells, "td") for cells in rows)
            + "</tbody></table><p>"
            + "<br>".join(map(escape, self._notes()))
            + "</p>"
        )

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        level = f"{100 * self.confidence_level:g}%"
        header = ["", "coef", "std err", "t", "p", f"{level} from", "to"]
        rows = []
        for i, name in enumerate(self.names):
            values = [getattr(self, column)[i] for column in COLUMNS]
            cells = [f"{value:.4g}" for value in values]
            cells[2], cells[3] = f"{values[2]:.2f}", f"{values[3]:.4f}"
            if values[3] < 5e-5:
                cells[3] = "<0.0001"
            rows.append([name, *cells])
        return header, rows

    def _notes(self) -> list[str]:
        n_rows = self.n_kept + self.n_suspicious + self.n_ignored
        notes = [
            f"scale {self.scale:.4g}, robust R2 {self.robust_r2:.4g}, "
            f"{self.df:.4g} degrees of freedom",
            f"{n_rows} rows: {self.n_kept} kept, {self.n_suspicious} suspicious "
            f"(outliers that count a little), {self.n_ignored} ignored",
        ]
        if math.isnan(self.df):
            notes.append("no standard errors: they are not known for this fit")
        elif np.isinf(self.std_err).any():
            notes.append("inf: the kept rows do not determine the coefficient")
        elif (self.std_err == 0).all():
            notes.append("an exact fit: no errors, and no noise to test against")
        return notes


def summarize(model: Any, level: float) -> RegressionSummary:
    """The summary of a fitted model that has `coef_`, `stderr_` and `df_`."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = [f"x{column}" for column in range(model.coef_.size)]
    names, coef = list(map(str, names)), model.coef_.astype(np.float64)
    error = np.full(coef.size, np.nan) if model.stderr_ is None else model.stderr_
    if model.fit_intercept:
        names, coef = [*names, "intercept"], np.append(coef, model.intercept_)
        last = model.intercept_stderr_
        error = np.append(error, np.nan if last is None else last)
    df = math.nan if model.df_ is None else model.df_
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where errors are infinite nothing is known, where they are 0 there is no noise
        # to test against: a coefficient of 1e-17 would differ from 0, too.
        ratio = np.where(np.isinf(error) | (error == 0), np.nan, coef / error)
        p = 2 * student.sf(np.abs(ratio), df)
        half = error * student.ppf(0.5 + 0.5 * level, df)
    half = np.where(np.isinf(error), np.inf, half)
    epsilon = model.epsilon_ if hasattr(model, "epsilon_") else model.epsilon
    counts = getattr(model, "_row_counts", None)  # of fits that keep no rows
    if counts is None:
        used, good = model.inlier_weight_ > 0, model.inlier_mask_
        counts = (used & good).sum(), (used & ~good).sum(), (~used).sum()
    return RegressionSummary(
        names,
        coef,
        error,
        ratio,
        p,
        coef - half,
        coef + half,
        float(level),
        df,
        float(model.scale_),
        float(model.robust_r2_),
        int(counts[0]),
        int(counts[1]),
        int(counts[2]),
        f"{type(model).__name__}, epsilon {epsilon:g}",
    )
