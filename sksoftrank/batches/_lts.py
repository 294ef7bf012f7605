"""Soft least trimmed squares on blocks of rows."""

import math
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ..linear._design import MAX_WHITENED_RANK
from ..linear._robust_scale import OUTLIER_CUTOFF, inlier_mask, weighted_quantile
from ..robust import SoftLTSRegressor as InMemory
from ..robust._coefficient_errors import errors_of
from ..robust._data_warnings import less_trim, warn_of_data
from ..robust._problem import LARGEST_OUTLIER, RobustProblem
from ..robust._row_weights import SelectionWeights, StepWeights, weights_up_to
from ..robust._unseen import warn_undetermined
from ._blocks import Floats, Source
from ._docs import documented_as
from ._drawing import Facts, Rows, draw, draw_outside
from ._estimators import BatchesMixin, in_one_reading
from ._lts_fit import BlocksFit, Result
from ._lts_views import penalty_of, view_of

# What in memory has an entry for each row of the data.
OF_ROWS = ("inlier_weight_", "inlier_mask_", "support_")


@documented_as(InMemory, without=OF_ROWS)
class SoftLTSRegressor(BatchesMixin, InMemory):
    """Linear regression by soft least trimmed squares, of data larger than memory.

    The estimator of the same name in `sksoftrank`, which `fit_batches` fits to data
    that are read a batch at a time: slices of a memory map, row groups of a parquet
    file, whatever can be read again. A default fit takes about five readings, whatever
    the number of rows.

    See Also
    --------
    sksoftrank.SoftLTSRegressor : For data in memory; `to_local` gives one.
    sksoftrank.dask.SoftLTSRegressor : For collections of dask.

    Notes
    -----
    The objective is that of `sksoftrank.SoftLTSRegressor` for ``formulation=
    "selection"``. The sorted losses of "sort" need all rows at once, and are refused.

    The first reading draws 80,000 rows, fewer of more than 50 features, on which the
    start is searched for as in memory. The second makes `start_scale_` and `raw_scale_`
    those of all rows. Newton steps follow from the smoothed fit of the drawn rows, one
    reading each: sums over the rows in narrow cells of their losses give the threshold
    of the choice, and with it value, gradient and Hessian. The last reading also gives
    the scale, standard errors and R2. The drawn rows and the fit do not depend on how
    the data are cut to batches. Data of no more rows than are drawn are fitted in
    memory, and give the same as there. Larger ones may have 500 features at most.

    Another minimum is looked for in data that are fitted in memory only:
    `other_minimum_` of larger ones is None, without a warning.

    With ``epsilon=0`` the minimum is followed down to a nearly hard choice; the rows
    next to its boundary then come to memory, and settle it.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.batches import SoftLTSRegressor
    >>> def batches():  # a real one reads files
    ...     for seed in range(5):
    ...         rng = np.random.default_rng(seed)
    ...         X = rng.normal(size=(100, 2))
    ...         y = X @ [1.0, 2.0] + 3.0 + 0.1 * rng.normal(size=100)
    ...         X[:30] += 10.0  # bad leverage points
    ...         yield X, y
    >>> model = SoftLTSRegressor(random_state=0).fit_batches(batches)
    >>> model.coef_.round(1), round(float(model.intercept_), 1)
    (array([1., 2.]), 3.0)
    """

    _in_memory: ClassVar[type] = InMemory

    fit = in_one_reading(InMemory.fit)

    def _fit_source(self, source: Source) -> None:
        if self.formulation == "sort":
            raise ValueError(
                'formulation must be "selection" for data larger than memory, got '
                '"sort", which sorts the losses of all rows in every step.'
            )
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        facts, drawn = draw(source, seed)
        if drawn.is_all:
            self._fit_in_memory(facts, drawn)
        else:
            self._fit_blocks(source, seed, facts, drawn)
        self._set_names(facts.names, facts.low.size)
        self._report_reads(source)

    def _fit_in_memory(self, facts: Facts, drawn: Rows) -> None:
        super().fit(
            drawn.X.astype(facts.dtype, copy=False),
            drawn.y,
            drawn.weight if facts.has_weight else None,
            drawn.sigma,
        )
        used, good = self.inlier_weight_ > 0, self.inlier_mask_
        counts = (used & good).sum(), (used & ~good).sum(), (~used).sum()
        self._row_counts = tuple(map(int, counts))
        residual = self._residuals(drawn.X, drawn.y, drawn.sigma, "raw")
        self._hard_limit = float(np.abs(residual[self.support_]).max(initial=0.0))
        for name in OF_ROWS:  # of the rows as they were drawn
            delattr(self, name)

    def _fit_blocks(self, source: Source, seed: int, facts: Facts, drawn: Rows) -> None:
        is_warm = self.warm_start and hasattr(self, "coef_")
        if is_warm and self.coef_.size != facts.low.size:
            raise ValueError(
                f"X must have the {self.coef_.size} features of the previous fit with "
                f"warm_start=True, got {facts.low.size}."
            )
        if facts.low.size > MAX_WHITENED_RANK:
            raise ValueError(
                f"X must have at most {MAX_WHITENED_RANK} features where it has more "
                f"rows than are drawn, {drawn.y.size}, got {facts.low.size} features."
            )
        problem = self._drawn_problem(facts, drawn)
        if problem.design.basis.shape[1] < facts.low.size:
            seen = problem.design, problem.eps
            drawn = draw_outside(source, seed, facts, drawn, *seen)
            problem = self._drawn_problem(facts, drawn)
        _check_targets(problem, facts)
        soft_z = None
        if is_warm:
            start = problem.start_from(
                [self._start],
                random_state=check_random_state(seed),
                thorough=self.epsilon == 0,
                **self._control(),
            )
            soft_z = problem.coordinates(self.raw_coef_, self.raw_intercept_)
        else:
            start = self._find_start(problem, self.epsilon)
        view = view_of(problem, facts)
        penalty = penalty_of(source, problem, view)
        fit = BlocksFit(source, problem, view, penalty, self._report)
        raw_scale = problem.raw_scale(start.z)
        if self.epsilon == "auto":  # the drawn rows tell
            s0 = problem.start_scale(start.z, raw_scale) if raw_scale > 0 else 0.0
            self._choose_epsilon(problem, s0, raw_scale, start.z)
        else:
            self.epsilon_ = float(self.epsilon)
        self.other_minimum_ = None
        result = fit.fit(
            start.z,
            soft_z,
            raw_scale,
            epsilon=self.epsilon_,
            reweight=self.reweight,
            **self._control(),
        )
        self._warn_not_converged(result.message or start.message)
        self._start = problem.coefficients(start.z)
        self._set_result(problem, result, facts, penalty)
        self.coef_ = self.coef_.astype(facts.dtype, copy=False)
        self._warn_by_drawn(problem, drawn)

    def _drawn_problem(self, facts: Facts, drawn: Rows) -> RobustProblem:
        """The problem of the drawn rows; of these, the smallest weight is 1."""
        weight = drawn.weight / drawn.weight.min()
        X = drawn.X.astype(facts.dtype, copy=False)
        return self._problem(X, drawn.y, weight, drawn.sigma)

    def _set_result(
        self, problem: RobustProblem, result: Result, facts: Facts, penalty: Floats
    ) -> None:
        """Set the attributes, those of rows for the drawn rows."""
        unit = problem.scale_unit
        self._n_coefs, self._zero = problem.n_coefs, problem.zero * unit
        self._row_counts, self._hard_limit = result.rows, result.hard_limit * unit
        self.n_iter_ = max(result.n_steps, 1)
        self.objective_ = result.objective * unit**2
        self.raw_scale_ = result.raw_scale * unit
        self.start_scale_ = result.start_scale * unit
        self.scale_ = result.scale * unit
        raw, final = (problem.coefficients(z) for z in (result.raw_z, result.z))
        self.raw_coef_, self.raw_intercept_ = raw
        self.coef_, self.intercept_ = final
        self.robust_r2_ = _r2(result, problem.zero)
        bound = result.hard_limit
        if self.reweight or result.start_scale == 0:
            bound = OUTLIER_CUTOFF * result.raw_scale or problem.zero
        own_unit = result.start_scale or 1.0
        weights: SelectionWeights | StepWeights
        weights = weights_up_to(0.5 * (bound / own_unit) ** 2)
        if not self.reweight and result.start_scale > 0 and self.epsilon_ > 0:
            weights = SelectionWeights(result.threshold, self.epsilon_)
        residual = problem.residual(result.raw_z)
        self.support_ = np.abs(residual) <= result.hard_limit
        self._set_rule(problem, weights, residual, own_unit, raw, final)
        self.inlier_mask_ = inlier_mask(
            problem.residual(result.z), result.scale, zero=problem.zero
        )
        errors = None
        if self.epsilon_ > 0 or self.reweight or result.start_scale == 0:
            reach = np.maximum(np.abs(facts.low), np.abs(facts.high))
            errors = errors_of(problem.design, result.gram, penalty, result.moments)
            errors = errors.scaled(problem.unit * own_unit if result.scale > 0 else 0.0)
            errors = errors._replace(reach=reach)
        self._set_errors(problem, self.inlier_weight_, errors)

    def _warn_by_drawn(self, problem: RobustProblem, drawn: Rows) -> None:
        """Warn of what the drawn rows tell, and forget them."""
        y, weight = drawn.y, problem.weight
        warn_of_data(self, y, weight, problem.n_coefs, less_trim)
        warn_undetermined(self, self._lost)
        problem.warn_of_ignored_group(self, drawn.X)
        for name in OF_ROWS:
            delattr(self, name)


def _r2(result: Result, zero: float) -> float:
    """As `robust_r2`, of the means that the fit has found."""
    if math.sqrt(result.target_variance) <= zero:
        return 0.0
    if math.sqrt(result.square_mean) <= zero:
        return 1.0
    return 1 - result.square_mean / result.target_variance


def _check_targets(problem: RobustProblem, facts: Facts) -> None:
    """As in memory: the squares of all residuals must be representable."""
    largest = max(abs(end - problem.centre) for end in facts.y_range)
    typical = float(weighted_quantile(np.abs(problem.y), problem.weight, 0.5))
    typical *= problem.unit
    if np.isinf(largest) or largest > LARGEST_OUTLIER * typical > 0:
        raise ValueError(
            f"y must not hold values further than {LARGEST_OUTLIER:g} times the "
            f"typical distance {typical:.3g} away from "
            f"{'its median' if problem.fit_intercept else '0'}, got a distance of "
            f"{largest:.3g}."
        )
