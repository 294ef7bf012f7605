"""Robust linear regression by soft least quantile of squares."""

from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.utils import check_random_state

from .._sklearn import FitCallbacks, Interval, StrOptions, fit_context
from .._typing import Features, Formulation, NumberOfStarts, RandomState
from ..linear._robust_scale import inlier_mask
from ..losses._choices import quantile_choice
from ._base import RobustLinearModel, attributes_at, tells
from ._data_warnings import warn_of_data
from ._lqs_search import lqs_search
from ._problem import RobustProblem
from ._quantile_squares import (
    MAX_SEARCH_COORDINATES,
    QuantileSquares,
    middle_mass,
)
from ._row_weights import SelectionWeights, step_weights, weights_up_to
from ._unseen import warn_undetermined

# For a larger epsilon the hard minimum is no better a start than the LTS fit.
MAX_HARD_EPSILON = 1.0


class SoftLQSRegressor(RobustLinearModel):
    r"""Linear regression by soft least quantile of squares (LQS).

    Least quantile of squares minimises the h-th smallest of n squared residuals; for
    the median it is the least median of squares (LMS, [1]_). Up to n - h observations
    may be arbitrarily wrong, in y and in X, as long as they are scattered: one tight
    cluster of far fewer may be followed. Its other weakness is efficiency, even more
    than that of least trimmed squares (LTS): few observations tell the fit. A *soft*
    quantile averages the squared residuals around it, and regains most of the
    efficiency on the way from LQS (``epsilon=0``) to least squares (``epsilon ->
    inf``).

    Parameters
    ----------
    formulation : {"selection", "sort"}, default="selection"
        What is smoothed.

        - "selection": the choice of the h smallest squared residuals; the quantile is
          its threshold. Gross outliers have no influence whatever the finite `epsilon`.
          Recommended.
        - "sort": the sorted squared residuals [3]_. A single observation that is far
          enough away breaks it for every ``epsilon > 0``.
    quantile : float, default=0.5
        The quantile, in [0.5, 1]. With n observations and p coefficients (with the
        intercept), ``n2 = floor((n + p + 1) / 2)`` and ``h = floor(2 * n2 - n + 2 * (n
        - n2) * quantile)``, which for 0.5 has the highest breakdown point; for 1 it is
        n, and the hard fit minimises the largest residual.
    epsilon : float, default=4.0
        Smoothing strength, at least 0, relative to the squared scale s0 of the start.
        For "selection" useful values lie between 1 and 10 whatever the data. For "sort"
        they grow with n and shrink with the squared distance of the outliers.
    alpha : float, default=0.0
        Strength of the ridge penalty on the coefficients of the standardised features,
        at least 0. It competes with *half the quantile*, whatever n.
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is not penalised.
    n_init : int or "auto", default="auto"
        Number of random draws, at least 0, in the search for the LTS fit from which to
        start, and, if ``epsilon <= 1``, in each of six rounds (of up to 400 rows
        twelve) of the search for the hard LQS fit, from which to start, too. "auto" is
        that of `SoftLTSRegressor` and 200 to 1000, fewer for larger data.
    max_iter : int, default=10000
        Largest number of iterations of each part of the fit. Most take few; minima at
        kinks, as under "sort" with many features, can take thousands.
    tol : float, default=1e-8
        Iterations stop where no derivative of the objective exceeds this, in
        coordinates and units in which its curvature and value are about one.
    random_state : int, RandomState instance or None, default=None
        What draws the random starts, and rows of large data. Pass an int to get the
        same fit from the same data.
    n_jobs : int or None, default=None
        Number of threads of the search for the LTS fit. The fit does not depend on it.
    verbose : int, default=0
        1 prints the size of the search, the start and the result, 2 also every tenth
        iteration. Callbacks of scikit-learn (1.9) hear of each search and iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the dtype of `X`.
    intercept_ : numpy.float64
        Intercept, 0.0 if ``fit_intercept=False``.
    scale_ : float
        The h-th smallest size of a residual over the same quantile of the sizes of
        standard Gaussian errors, ``Phi^-1((1 + (h - 1/2) / n) / 2)``. 0.0 if h
        observations are fitted exactly. Too small for few observations, as the hard fit
        makes that residual as small as it can; the more outliers, the larger. In units
        of `sigma`.
    inlier_weight_ : ndarray of shape (n_samples,)
        How far each observation belongs to the h with the smallest squared residuals,
        smoothed as in `formulation`: from 0 to 1, as on the plane of the fit.
    inlier_mask_ : ndarray of bool of shape (n_samples,)
        Whether the residual is at most 2.2414 `scale_` (97.5 % of Gaussian ones are),
        or, for an exact fit, is zero up to rounding.
    support_ : ndarray of bool of shape (n_samples,)
        Whether the observation is one of the h with the smallest residuals.
    raw_scale_ : float
        Scale s0 of the start: the root mean square of the h smallest residuals of the
        LTS fit, made consistent for the standard deviation of Gaussian errors.
    objective_ : float
        The minimum found, in units of y squared, or of y over `sigma` squared.
    n_iter_ : int
        Number of least-squares fits, of moves along edges and of BFGS iterations.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If an iteration ends for another reason than convergence. The fit is kept.
    UserWarning
        As for `SoftLTSRegressor`.

    See Also
    --------
    SoftLTSRegressor : Minimises the mean of the h smallest squares: the better choice
        for ``epsilon=0``, for estimates of errors, and for speed.
    sksoftrank.losses.selection_quantile_loss : The loss of "selection".
    sksoftrank.losses.sorted_quantile_loss : The loss of "sort".

    Notes
    -----
    With residuals r, feature scales s_j (standard deviations; without an intercept root
    mean squares), coefficients b and s0 = `raw_scale_`, the minimised `objective_` is

    .. math::

        s_0^2\, Q_h\left(\frac{r^2}{2 s_0^2}; \varepsilon\right)
        + \frac{\alpha}{2} \sum_j (s_j b_j)^2

    where Q is the soft quantile: for ``epsilon=0`` half the h-th smallest squared
    residual, for large `epsilon` half the mean of all. Under "selection" it is that of
    weight h - 1/2, the middle of the h-th observation: ``t - epsilon (h - 1/2) / n``
    with the threshold t at which ``sum(clip((t - r^2 / (2 s0^2)) / epsilon, 0, 1)) = h
    - 1/2``. Only observations for which this is neither 0 nor 1 have influence, all the
    same. For about ``epsilon > 0.5`` (Gaussian errors; 3 with 40 % of outliers) it is 1
    for none, and the fit is least squares on the observations with ``r^2 < 2 t s0^2``:
    an S-estimator that skips outliers.

    Errors of the coefficients relative to those of least squares on the good
    observations (root mean squares over 20 samples of 500 observations and 5 features,
    by ``python benchmarks/robust.py --only quantile``):

    ======================== ==== ==== ==== ==== ==== ==== ====
    epsilon                     0    1    3    4    6    8   12
    ======================== ==== ==== ==== ==== ==== ==== ====
    Gaussian errors          2.63 1.68 1.21 1.14 1.06 1.03 1.01
    20 % at 5 scales in y    2.65 1.38 1.10 1.14 1.86 3.87 7.07
    20 % at 10               2.61 1.38 1.06 1.02 1.00 1.00 1.00
    20 % at 1000             2.49 1.37 1.06 1.02 1.00 1.00 1.00
    40 % at 10               2.41 1.04 1.00 1.00 1.00 6.62 30.3
    20 % bad leverage points 2.65 1.37 1.05 1.02 1.00 1.00 1.00
    ======================== ==== ==== ==== ==== ==== ==== ====

    In both formulations the objective has many local minima. For ``epsilon=0`` they are
    corners: the residuals of at least as many observations as there are coefficients,
    and of one more, have the same size, and the fit is that with the smallest largest
    residual on the h observations (an exact algorithm could try all the corners, [2]_).
    The search moves from corner to corner, along the edges where all but one of these
    residuals keep the same size, to the lowest point of each edge at which the bound
    still holds for h observations. For ``0 < epsilon <= 1`` BFGS goes on from there and
    from the LTS fit, and the better minimum counts. For a larger `epsilon` BFGS starts
    from the LTS fit only. ``epsilon <= 1`` takes ten to a hundred times as long: half a
    second for 1000 observations of 10 features, 2 s of 20.

    Sample weights are frequencies, and `sigma` is for precisions, as for
    `SoftLTSRegressor`; so are redundant features, rare ones, fill values and few rows.
    ``epsilon=0`` takes up to 500 coefficients of linearly independent features.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Least Median of Squares Regression", JASA 79, 1984.
    .. [2] A. J. Stromberg, "Computing the Exact Least Median of Squares Estimate and
       Stability Diagnostics in Multiple Linear Regression", SIAM Journal on Scientific
       Computing 14, 1993.
    .. [3] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank import SoftLQSRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2))
    >>> y = X @ [1.0, 2.0] + 3.0 + 0.1 * rng.normal(size=100)
    >>> X[:30] += 10.0  # bad leverage points
    >>> model = SoftLQSRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(1), round(float(model.intercept_), 1)
    (array([1., 2.]), 3.0)
    >>> int(model.inlier_mask_[:30].sum())
    0
    """

    _parameter_constraints: ClassVar[dict] = {
        "formulation": [StrOptions({"selection", "sort"})],
        "quantile": [Interval(Real, 0.5, 1, closed="both")],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "n_init": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    coef_: NDArray[np.floating]
    intercept_: float
    scale_: float
    inlier_mask_: NDArray[np.bool_]
    support_: NDArray[np.bool_]
    raw_scale_: float
    objective_: float
    n_iter_: int

    def __init__(
        self,
        *,
        formulation: Formulation = "selection",
        quantile: float = 0.5,
        epsilon: float = 4.0,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        n_init: NumberOfStarts = "auto",
        max_iter: int = 10000,
        tol: float = 1e-8,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.formulation: Formulation = formulation
        self.quantile = quantile
        self.epsilon = epsilon
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. The largest size of each must be 0 or from 1e-140 to 1e140.
        y : array-like of shape (n_samples,)
            Targets. None may be further than 1e140 times their typical distance away
            from their median (without an intercept, from 0).
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations, at least 0 and not all 0. An observation
            of weight 0 is as good as removed. For ``formulation="sort"`` whole numbers
            with a sum of at most 1e9.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, above 0, the largest at most
            1e100 times the smallest. None means that all are the same.

        Returns
        -------
        SoftLQSRegressor
            The fitted estimator.
        """
        X, y = self._validate(X, y)
        problem = RobustProblem(
            X,
            y,
            *self._check_rows(y, sample_weight, sigma),
            trim=1 - self.quantile,
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
        )
        metadata = {"sample_weight": sample_weight, "sigma": sigma}
        callbacks = FitCallbacks(self, X, y, metadata)
        self._report(
            f"search: {y.size} rows, {problem.n_coefs} coefficients, "
            f"{problem.n_kept:g} rows to keep"
        )
        rng = check_random_state(self.random_state)
        starts = self._find_starts(problem, rng, callbacks)
        s0 = problem.raw_scale(starts[0].z)
        n_fits = sum(start.n_fits for start in starts)
        self._report(f"start: {n_fits} fits, scale {s0 * problem.scale_unit:.6g}")
        squares = QuantileSquares(problem, s0, self.epsilon, self.formulation)
        fits = []
        for start in starts:
            fits.append(
                squares.minimize_from(
                    start,
                    report=self._report if self.verbose > 1 else None,
                    after=tells(callbacks, problem),
                    max_iter=self.max_iter,
                    tol=self.tol,
                )
            )
            if fits[-1].is_stopped:
                break
        best = min(fits, key=lambda fit: fit.objective)
        self._warn_not_converged(best.message)
        self.n_iter_ = n_fits + sum(fit.n_iter for fit in fits)
        unit = problem.scale_unit
        self.raw_scale_ = s0 * unit
        self.objective_ = float(best.objective) * unit * unit
        coef, self.intercept_ = problem.coefficients(best.z)
        self.coef_ = coef.astype(X.dtype, copy=False)
        self._set_diagnostics(problem, squares, best.z)
        self._report(
            f"end: {self.n_iter_} iterations, objective {self.objective_:.6g}, "
            f"scale {self.scale_:.6g}"
        )
        warn_of_data(
            self,
            y,
            problem.weight,
            problem.n_coefs,
            lambda share: f"Take a quantile well above {share:.2g}",
        )
        warn_undetermined(self, self._lost)
        problem.warn_of_ignored_group(self, X)
        callbacks.end_fit()
        return self

    def _find_starts(self, problem, rng, callbacks):
        """The LTS fit, and for a small epsilon the hard LQS fit."""
        n_coordinates = problem.design.n_coordinates
        if self.epsilon == 0 and n_coordinates > MAX_SEARCH_COORDINATES:
            raise ValueError(
                f"epsilon must be above 0 to fit more than {MAX_SEARCH_COORDINATES} "
                f"coefficients, got {self.epsilon}."
            )
        callbacks.begin_iteration("search")
        start = problem.start(
            "auto",
            n_init=self.n_init,
            random_state=rng,
            n_jobs=self.n_jobs,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        callbacks.end_iteration(lambda: attributes_at(problem, start.z))
        is_exact = problem.raw_scale(start.z) == 0
        if is_exact or self.epsilon > MAX_HARD_EPSILON:
            return [start]
        if not 0 < n_coordinates <= MAX_SEARCH_COORDINATES:
            return [start]
        self._report(
            f"search: {start.n_fits} fits by trimmed squares; now by quantiles"
        )
        callbacks.begin_iteration("hard search")
        hard = lqs_search(
            problem.design,
            problem.y,
            problem.weight,
            middle_mass(problem),
            [start.z],
            n_init=self.n_init,
            random_state=rng,
            max_iter=self.max_iter,
            zero=problem.zero,
        )
        callbacks.end_iteration(lambda: attributes_at(problem, hard.z))
        return [start, hard]

    def _set_diagnostics(self, problem, squares, z):
        """Set what is known of the observations."""
        residual = problem.residual(z)
        size = np.abs(residual)
        bound = quantile_choice(size, problem.weight, middle_mass(problem), 0.0)[0]
        part = middle_mass(problem) / problem.weight.sum()
        scale = bound / norm.ppf(0.5 + 0.5 * part) if bound > problem.zero else 0.0
        self.scale_ = float(scale) * problem.scale_unit
        self.inlier_mask_ = inlier_mask(residual, scale, zero=problem.zero)
        self.support_ = problem.support(residual)
        p = squares.choice(residual)
        if squares.is_exact:
            weights = weights_up_to(0.0)  # of those that are no rounding errors
        elif self.formulation == "selection" and self.epsilon > 0:
            weights = SelectionWeights(squares.threshold, float(self.epsilon))
        else:
            counted = problem.weight > 0
            losses = 0.5 * (residual[counted] / squares.unit) ** 2
            weights = step_weights(losses, p[counted])
        coefs = problem.coefficients(z)
        self._set_rule(problem, weights, residual, squares.unit, coefs, coefs)
        self._find_undetermined(problem, p)
