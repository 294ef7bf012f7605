"""Robust linear regression by soft least trimmed squares."""

from numbers import Integral, Real
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._sklearn import FitCallbacks, Interval, StrOptions, fit_context
from .._typing import Features, Formulation, Init, NumberOfStarts, RandomState
from ._base import attributes_at
from ._data_warnings import less_trim, warn_of_data
from ._lts_fits import LTSFits
from ._other_minimum import warn_of_other_minimum
from ._unseen import warn_slow, warn_undetermined


class SoftLTSRegressor(LTSFits):
    r"""Linear regression by soft least trimmed squares (LTS).

    Least trimmed squares fits the h of n observations that a linear model fits best and
    ignores the others, so that up to n - h of them may be arbitrarily wrong, in y and
    in X, as long as they are scattered: a fit that meets *one tight cluster* of wrong
    rows may have the smaller sum, although they are far fewer. Its other weakness is
    efficiency: good observations are ignored as well. Smoothing leads from LTS
    (``epsilon=0``) to least squares (``epsilon -> inf``), and regains most of the
    efficiency on the way. There are two ways to smooth, and only "selection" stays
    robust; see the Notes.

    Parameters
    ----------
    formulation : {"selection", "sort"}, default="selection"
        What is smoothed.

        - "selection": the choice of the observations. Gross outliers get weight 0
          whatever the finite `epsilon`. Recommended.
        - "sort": the sorted losses, eq. 26 of [1]_. A single observation that is far
          enough away breaks it for every ``epsilon > 0``.
    trim : float, default=0.5
        Fraction of observations that may be trimmed, in [0, 0.5]. With n observations
        and p coefficients that are independent (with the intercept),
        ``n2 = floor((n + p + 1) / 2)`` and
        ``h = floor(2 * n2 - n + 2 * (n - n2) * (1 - trim))``, as usual for LTS: nothing
        is trimmed for ``trim=0`` and for ``n <= p + 1``.
    epsilon : float or "auto", default=12.0
        Smoothing strength, at least 0, in units of the squared `start_scale_`. For
        "selection" useful values lie between 1 and 30 whatever the data, and "auto"
        chooses one of 3 to 100: the largest of which the fit agrees with those of all
        smaller ones within their noise [5]_. For "sort" they grow with n and shrink
        with the squared distance of the outliers.
    alpha : float, default=0.0
        Strength of the ridge penalty on the coefficients of the standardised features,
        at least 0. It competes with the *mean* loss of an observation, so that one grid
        serves all n; those of `Ridge` and `HuberRegressor` compete with the sum.
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is not penalised.
    reweight : bool, default=False
        Whether the fit is followed by least squares on the observations with a residual
        of at most 2.2414 `raw_scale_`. With ``epsilon=0`` that is the classical
        reweighted LTS. The smoothed fit is efficient without.
    init : {"auto", "ls"}, default="auto"
        How to search for the hard LTS fit from which to start.

        - "auto": from many starts by concentration steps [2]_ and exchanges of single
          observations [4]_. The starts are fits to `n_init` random draws, fits without
          the rows of extreme principal sensitivity [3]_, Huber's and least squares.
          Finds outliers in y and in X. With more than 500 features that are sparse, or
          of a rank above 500, the starts are few random draws of half of h rows, which
          bad leverage points can mislead; a warning says so.
        - "ls": from least squares (ridge, with `alpha`), by concentration steps. Finds
          outliers in y; outliers in X (bad leverage points) can mislead it.
    n_init : int or "auto", default="auto"
        Number of random draws of ``init="auto"``, at least 0. "auto" depends on the
        size of the data; for a rank from 65 to 500 it is 0, for such draws are hardly
        ever clean.
    max_iter : int, default=1000
        Largest number of L-BFGS iterations, and of reweighted least-squares fits before
        and after them.
    tol : float, default=1e-8
        Iterations stop where no derivative of the objective exceeds this, in
        coordinates and units in which its curvature and value are about one.
    warm_start : bool, default=False
        Whether to start from the previous fit, which needs the same features. Its start
        takes the place of a new search, and iterations begin at its minimum. For the
        same data the objective, of which the scale is a part, is that of a fresh fit;
        another local minimum of it may be found.
    random_state : int, RandomState instance or None, default=None
        What draws the random starts, and rows of large data. Pass an int to get the
        same fit from the same data.
    n_jobs : int or None, default=None
        Number of threads of the search. The fit does not depend on it.
    verbose : int, default=0
        1 prints the size of the search, the start and the result, 2 also every tenth
        iteration. Callbacks of scikit-learn (1.9) hear of the search and of each one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the dtype of `X`.
    intercept_ : numpy.float64
        Intercept, 0.0 if ``fit_intercept=False``.
    epsilon_ : float
        The `epsilon` of the fit, also if it was chosen.
    scale_ : float
        Standard deviation of Gaussian errors, from the residuals that are at most
        2.2414 `raw_scale_`; for ``epsilon=0`` without reweighting `raw_scale_`. 0.0 if
        h observations are fitted exactly. In units of `sigma`, as residuals are
        everywhere: about 1 if it holds the standard deviations themselves.
    stderr_ : ndarray of shape (n_features,)
        Standard errors of `coef_`; infinite where the kept observations do not
        determine a coefficient, 0 for an exact fit. Good for ``epsilon >= 3``; too
        small below, and, as usual, after reweighting. None for ``epsilon=0`` without
        reweighting, and for features that are not whitened (a rank above 500, large
        sparse `X`). With ``alpha > 0`` they are those of the shrunk coefficients and
        count no bias; infinite for a coefficient that only the penalty determines.
    intercept_stderr_ : float
        That of the intercept, 0.0 without one. None as for `stderr_`.
    covariance_ : ndarray of shape (p, p)
        Covariance of the coefficients, and last of the intercept if one is fitted. The
        variance of a coefficient that nothing determines is infinite, its covariances
        are NaN. None as for `stderr_`.
    df_ : float
        Degrees of freedom of Student's t distribution for intervals: what the weights
        are worth in observations, less the number of coefficients; of few observations
        fewer, for their choice makes the scale uncertain. None as for `stderr_`.
    robust_r2_ : float
        1 minus the mean of the h smallest squared residuals over the smallest variance
        of h targets. 1 for an exact fit, and 0 where h targets are equal.
    inlier_weight_ : ndarray of shape (n_samples,)
        How far each observation was kept, from 0 (trimmed) to 1 (counted in full, as
        on the plane of the fit). With these weights `coef_` is the least-squares fit,
        for "sort" unless its minimum is a kink.
    inlier_mask_ : ndarray of bool of shape (n_samples,)
        Whether the residual is at most 2.2414 `scale_` (97.5 % of Gaussian ones are),
        or, for an exact fit, is zero up to rounding.
    support_ : ndarray of bool of shape (n_samples,)
        Whether the observation is one of the h with the smallest residuals, before
        reweighting.
    raw_coef_ : ndarray of shape (n_features,)
        Coefficients before reweighting, in float64.
    raw_intercept_ : numpy.float64
        Intercept before reweighting.
    raw_scale_ : float
        Raw scale of the start: the root mean square of its h smallest residuals, made
        consistent for the standard deviation of Gaussian errors.
    start_scale_ : float
        Scale s0 of the start, the unit of `epsilon`: like `scale_`, of the
        least-squares fit to the inliers of the start.
    objective_ : float
        The minimum found, in units of y squared, or of y over `sigma` squared.
    other_minimum_ : tuple or None
        Another local minimum of the smoothed objective that the search has come across,
        with `coef`, `intercept`, `objective` and its `distance` from the fit in
        standard errors, a root mean square over the coefficients of more than 3. None
        if there is none, for "sort", and for features that are not whitened.
    n_iter_ : int
        Number of L-BFGS iterations and reweighted fits after the start.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If an iteration ends for another reason than convergence. The fit is kept. With
        ``alpha=0``, more than 500 features and fewer than two kept rows for each that
        is where 50 iterations gain less than a tenth of the error of the objective; the
        columns are named that are more than the rows that see them.
    UserWarning
        If few rows, fewer than 2 (p + 1), have half of the sample weights; if most
        targets are equal and the fit follows these rows (nearly) exactly; if the kept
        rows do not determine a coefficient, by name; if there is another minimum, far
        away and about as good, or better for all but a tight cluster; if no residual of
        "sort" is small; if wide features are not searched in full; if most rows of a
        part of X are ignored without need; if one value is far from all others of its
        column, as codes for missing values are: a usual code such as -999, or one a
        hundred ranges away, in any row, another in five rows or more.

    See Also
    --------
    SoftLTSRegressorCV : Chooses `epsilon` and `trim` by cross-validation.
    SoftLQSRegressor : Minimises one quantile of the squared residuals.
    SoftTrimmedRegressor : Trims the training set of any regressor.
    OutlierMapDisplay : Plots residuals against robust distances.
    sksoftrank.losses.selection_trimmed_loss : The loss of "selection".
    sksoftrank.losses.sorted_trimmed_loss : The loss of "sort".
    sklearn.linear_model.HuberRegressor : Limits the influence of outliers in y only,
        and of each of them by a constant.

    Notes
    -----
    With residuals r, feature scales s_j (standard deviations; without an intercept root
    mean squares), coefficients b and s0 the `start_scale_`, the minimised `objective_`
    is

    .. math::

        s_0^2\, L_h\left(\frac{r^2}{2 s_0^2}; \varepsilon\right)
        + \frac{\alpha}{2} \sum_j (s_j b_j)^2

    where L is the smoothed mean of the h smallest losses: in the limits half the mean
    of the h smallest squared residuals, and half the mean of all. Dividing by s0 makes
    the fit independent of the units of y. Units of the features do not matter either,
    nor with ``alpha=0`` any invertible linear map of them.

    *selection*. An observation of loss l counts with the weight :math:`(t - l) /
    \varepsilon`, clipped to [0, 1], with t such that the weights sum to h. The weight
    falls with the loss and is 0 beyond t: the estimator redescends. With ``trim=0.5``
    and ``epsilon=12`` it has 95 % of the efficiency of least squares under Gaussian
    errors (n = 1000). Outliers at a distance of 3 to 5 s0 keep some weight, the more
    the larger `epsilon`.

    *sort*. The soft sort averages losses that are *far* apart before those that are
    close. Outliers that are averaged with kept observations are no longer trimmed, and
    where one average spans all observations the fit is that of least squares. With 20 %
    of outliers at a distance of D s0 the fit is that of LTS up to about ``epsilon *
    D**2 / n = 1``, half way to least squares at 2, and least squares from about 10. So
    where outliers are held, little is gained over LTS. The objective has kinks, also at
    minima.

    In both cases the objective has several local minima, and the start decides which is
    found. It is minimised by L-BFGS, and then by least squares with the weights that it
    ends with, repeated until `tol` is met or nothing is gained: the objective then has
    all its digits, and coefficients have eight.

    Redundant features (constant, repeated, a level too many) change nothing: the
    number p of coefficients is the rank, and coefficients are the smallest that predict
    the same. What the data hold by rounding only counts as constant.

    No more rows than coefficients are all fitted exactly, without a warning: a `scale_`
    of 0 and infinite standard errors say that nothing is left to tell errors by.

    Directions that the h kept rows do not see, such as rare dummies or the difference
    of two nearly equal features, are fitted by the same estimator to the rows that see
    them, before all rows are judged again. Where most of these rows disagree the
    coefficient is unknown: its standard error is infinite, and a warning names it.

    Rows with a value more than 300 median distances away from the median of a feature,
    and a hundred times further than any nearer one, count as rows of fill values such
    as 999999 or 1e20: they are as good as removed, unless `trim` keeps more rows.

    Sample weights are frequencies: an integer weight is that number of repeats, and
    their sum is the number of observations that `stderr_` rests on; weights of 100 have
    a tenth of the standard errors, as 100 copies of the data have. "selection" takes
    fractions, too. Weights with a mean below one over the observations of positive
    weight cannot be frequencies and are multiplied to a mean of one: of these only the
    ratios count.

    Precisions are no frequencies: a few rows of a large weight would be the majority.
    They are what `sigma` is for. With it, all of the above is said of rows, targets and
    the ones of the intercept divided by `sigma`. Its unit changes that of the scales
    and of the objective, and nothing else.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [2] P. J. Rousseeuw, K. Van Driessen, "Computing LTS Regression for Large Data
       Sets", Data Mining and Knowledge Discovery 12, 2006.
    .. [3] D. Pena, V. J. Yohai, "A Fast Procedure for Outlier Diagnostics in Large
       Regression Problems", JASA 94, 1999.
    .. [4] D. M. Hawkins, "The Feasible Solution Algorithm for Least Trimmed Squares
       Regression", Computational Statistics & Data Analysis 17, 1994.
    .. [5] O. V. Lepski, "On a Problem of Adaptive Estimation in Gaussian White Noise",
       Theory of Probability and its Applications 35, 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank import SoftLTSRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2))
    >>> y = X @ [1.0, 2.0] + 3.0 + 0.1 * rng.normal(size=100)
    >>> X[:30] += 10.0  # bad leverage points
    >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(1), round(float(model.intercept_), 1)
    (array([1., 2.]), 3.0)
    >>> int(model.inlier_mask_[:30].sum())
    0
    """

    _parameter_constraints: ClassVar[dict] = {
        "formulation": [StrOptions({"selection", "sort"})],
        "trim": [Interval(Real, 0, 0.5, closed="both")],
        "epsilon": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "reweight": ["boolean"],
        "init": [StrOptions({"auto", "ls"})],
        "n_init": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    coef_: NDArray[np.floating]

    def __init__(
        self,
        *,
        formulation: Formulation = "selection",
        trim: float = 0.5,
        epsilon: float | Literal["auto"] = 12.0,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        reweight: bool = False,
        init: Init = "auto",
        n_init: NumberOfStarts = "auto",
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.formulation: Formulation = formulation
        self.trim = trim
        self.epsilon: float | Literal["auto"] = epsilon
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.reweight = reweight
        self.init: Init = init
        self.n_init: NumberOfStarts = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
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
        SoftLTSRegressor
            The fitted estimator.
        """
        self._check_auto()
        is_warm = self.warm_start and hasattr(self, "coef_")
        X, y = self._validate(X, y, reset=not is_warm)
        metadata = {"sample_weight": sample_weight, "sigma": sigma}
        callbacks = FitCallbacks(self, X, y, metadata)
        problem = self._problem(X, y, *self._check_rows(y, sample_weight, sigma))
        self._report(
            f"search: {y.size} rows, {problem.n_coefs} coefficients, "
            f"{problem.n_kept:g} rows to keep"
        )
        callbacks.begin_iteration("search")
        if is_warm:
            previous = self.raw_coef_, self.raw_intercept_
            candidates = [self._start]
            if self.epsilon == 0:  # the start is all there is
                candidates.append(previous)
            start = problem.start_from(
                candidates,
                random_state=check_random_state(self.random_state),
                thorough=self.epsilon == 0,
                **self._control(),
            )
            z = problem.coordinates(*previous) if self.epsilon != 0 else start.z
        else:
            start = self._find_start(problem, self.epsilon)
            z = start.z
        callbacks.end_iteration(lambda: attributes_at(problem, start.z))
        self._fit_from(problem, start, z, callbacks)
        self._set_other_minimum(problem)
        self.coef_ = self.coef_.astype(X.dtype, copy=False)
        warn_of_data(self, y, problem.weight, problem.n_coefs, less_trim)
        warn_undetermined(self, self._lost)
        if self._is_slow:
            warn_slow(self, problem)
        problem.warn_of_ignored_group(self, X)
        warn_of_other_minimum(self, problem)
        callbacks.end_fit()
        return self
