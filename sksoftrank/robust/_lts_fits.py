"""Fits of soft LTS: from a hard start to the fitted attributes."""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .._checks import warn
from .._sklearn import fit_context
from .._typing import Init, NumberOfStarts, RandomState
from ..linear._robust_scale import (
    INLIER_FRACTION,
    OUTLIER_CUTOFF,
    choice_slope,
    inlier_mask,
    robust_r2,
)
from ._auto_epsilon import DEFAULT, choose_epsilon
from ._base import RobustLinearModel, tells
from ._coefficient_errors import coefficient_errors, noise_along
from ._intervals import IntervalsMixin
from ._other_minimum import OtherMinimum, find_other_minimum
from ._problem import RobustProblem
from ._row_weights import SelectionWeights, step_weights, weights_up_to
from ._trimmed_squares import smooth_fit


class LTSFits(IntervalsMixin, RobustLinearModel):
    """Base class of the soft LTS regressor: what a fit consists of."""

    trim: float
    epsilon: float | Literal["auto"]
    alpha: float
    fit_intercept: bool
    reweight: bool
    init: Init
    n_init: NumberOfStarts
    random_state: RandomState
    n_jobs: int | None

    coef_: NDArray[np.floating]
    intercept_: float
    scale_: float
    inlier_mask_: NDArray[np.bool_]
    support_: NDArray[np.bool_]
    raw_scale_: float
    objective_: float
    n_iter_: int
    n_features_in_: int
    other_minimum_: OtherMinimum | None
    epsilon_: float
    stderr_: NDArray[np.float64] | None
    intercept_stderr_: float | None
    df_: float | None
    robust_r2_: float
    raw_coef_: NDArray[np.float64]
    raw_intercept_: float
    start_scale_: float
    _is_slow: bool  # the iterations were stopped

    def _check_auto(self):
        if self.epsilon == "auto" and self.formulation != "selection":
            raise ValueError(
                f"epsilon='auto' needs formulation='selection', got "
                f"{self.formulation!r}: along the path of that outliers come back one "
                f"by one, so that no epsilon is robust."
            )

    def _control(self):
        return {"max_iter": self.max_iter, "tol": self.tol}

    def _problem(self, X, y, weight, sigma):
        return RobustProblem(
            X,
            y,
            weight,
            sigma,
            trim=self.trim,
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
        )

    def _find_start(self, problem, smallest_epsilon):
        return problem.start(
            self.init,
            n_init=self.n_init,
            random_state=check_random_state(self.random_state),
            n_jobs=self.n_jobs,
            # Smoothing leads to the same minimum from any start nearby.
            thorough=smallest_epsilon == 0,
            **self._control(),
        )

    def _fits(
        self,
        X: Any,
        y: NDArray[Any],
        epsilons: Sequence[float],
        sample_weight: NDArray[np.float64] | None = None,
        sigma: NDArray[np.float64] | None = None,
        look_at: float | None = None,
    ) -> Iterator[Self]:
        """Yield a fitted copy of the estimator for each epsilon, from one start.

        The data have been checked: paths of folds are many.
        For the epsilon `look_at` there is another minimum, too, if the search met one.
        """
        problem, start = self._start_path(X, y, min(epsilons), sample_weight, sigma)
        for epsilon in epsilons:
            fit = copy(self).set_params(epsilon=float(epsilon))
            fit._fit_from(problem, start, start.z)
            if epsilon == look_at:
                fit._set_other_minimum(problem)
            yield fit

    @fit_context(prefer_skip_nested_validation=True)
    def _start_path(self, X, y, smallest_epsilon, sample_weight, sigma):
        self.n_features_in_ = X.shape[1]
        problem = self._problem(X, y, sample_weight, sigma)
        return problem, self._find_start(problem, smallest_epsilon)

    def _fit_from(self, problem, start, z, callbacks=None):
        """Smooth the hard fit of the start, from z on, and set the attributes."""
        epsilon = self.epsilon
        raw_scale = problem.raw_scale(start.z)
        s0 = problem.start_scale(start.z, raw_scale) if raw_scale > 0 else 0.0
        self._report(f"start: {start.n_fits} fits, scale {s0 * problem.scale_unit:.6g}")
        n_before = 0
        if epsilon == "auto":
            z, n_before = self._choose_epsilon(problem, s0, raw_scale, start.z)
            epsilon = self.epsilon_
        self.epsilon_ = float(epsilon)
        fit = smooth_fit(
            problem,
            s0,
            z if s0 > 0 else start.z,
            epsilon,
            self.formulation,
            report=self._report if self.verbose > 1 else None,
            after=tells(callbacks, problem),
            **self._control(),
        )
        self._warn_not_converged(fit.message or start.message)
        self._is_slow = fit.is_slow
        self._start, self._n_coefs = problem.coefficients(start.z), problem.n_coefs
        self._zero = problem.zero * problem.scale_unit
        self.n_iter_ = max(n_before + fit.n_iter, 1)
        unit = problem.scale_unit
        self.objective_ = float(fit.objective) * unit * unit
        self.raw_coef_, self.raw_intercept_ = problem.coefficients(fit.z)
        self.raw_scale_ = raw_scale * unit
        self.start_scale_ = s0 * unit
        residual = problem.residual(fit.z)
        self.support_ = problem.support(residual)
        self.robust_r2_ = robust_r2(
            residual,
            problem.y,
            problem.weight,
            problem.n_kept,
            fit_intercept=self.fit_intercept,
            row_scale=problem.design.row_scale,
            zero=problem.zero,
        )
        self._set_final(problem, fit, residual, raw_scale, s0)
        self._report(
            f"end: {self.n_iter_} iterations, objective {self.objective_:.6g}, "
            f"scale {self.scale_:.6g}"
        )

    def _choose_epsilon(self, problem, s0, raw_scale, z):
        """Set the epsilon for "auto"; returns where its fit begins, and iterations."""
        self.epsilon_, n_iter = DEFAULT, 0
        if s0 > 0:
            self.epsilon_, z, n_iter = choose_epsilon(
                problem, s0, raw_scale, z, **self._control()
            )
        self._report(f"epsilon {self.epsilon_:g} chosen")
        return z, n_iter

    def _set_other_minimum(self, problem):
        """Keep another minimum of the objective, if the search came near one."""
        s0 = self.start_scale_ / problem.scale_unit
        others, problem.others = problem.others, []
        self.other_minimum_ = find_other_minimum(
            self, problem, others, s0, **self._control()
        )

    def _set_final(self, problem, fit, residual, raw_scale, s0):
        """Set what depends on whether the fit is reweighted."""
        epsilon = self.epsilon_
        z, p, slope = fit.z, fit.p, None
        raw, good = residual, inlier_mask(residual, raw_scale, zero=problem.zero)
        bound = None
        if not problem.weight @ good:  # "sort" that broke down fits none
            scale = raw_scale
            warn(
                f"No residual of {type(self).__name__} is within {OUTLIER_CUTOFF:.2f} "
                f"scales of the start ({raw_scale * problem.scale_unit:.3g}): "
                f"formulation='sort' with epsilon={epsilon:g} has followed outliers.",
            )
        # Also the rows on the plane of an exact fit are worth a least-squares fit.
        elif self.reweight or s0 == 0:
            bound = OUTLIER_CUTOFF * raw_scale or problem.zero
            p = good.astype(np.float64)
            z = problem.least_squares(z, residual, p)
            residual = problem.residual(z)
            scale = problem.reweighted_scale(residual, good, "reweighted")
        elif epsilon == 0:
            scale = raw_scale
        else:
            scale = problem.reweighted_scale(residual, good, "soft", INLIER_FRACTION)
            if self.formulation == "selection":
                slope = choice_slope(residual, p, epsilon, s0)
        self.scale_ = scale * problem.scale_unit
        self.inlier_mask_ = inlier_mask(residual, scale, zero=problem.zero)
        self.coef_, self.intercept_ = problem.coefficients(z)
        unit = s0 or 1.0
        if bound is not None:
            weights = weights_up_to(0.5 * (bound / unit) ** 2)
        elif self.formulation == "selection" and epsilon > 0:
            weights = SelectionWeights(fit.threshold, float(epsilon))
        else:
            counted = problem.weight > 0
            losses = 0.5 * (raw[counted] / unit) ** 2
            weights = step_weights(losses, p[counted])
        before, after = (problem.coefficients(z) for z in (fit.z, z))
        self._set_rule(problem, weights, raw, unit, before, after)
        # Hard trimming makes the residuals of its choice small: they tell no error.
        errors = problem.gram = None
        is_chosen_hard = epsilon == 0 and not self.reweight and s0 > 0
        if problem.design.basis.ndim == 2 and not is_chosen_hard:
            gram = problem.design.gram(problem.weight * p)
            problem.gram = gram / (problem.weight @ p)
            errors = coefficient_errors(
                problem.design, residual, problem.weight, p, slope, gram
            ).scaled(problem.unit if scale > 0 else 0.0)
            if slope is not None:
                counted = problem.weight @ (p > 0)
                part = max(1 - problem.n_kept / counted, 0.0)
                errors = errors.after_choice(part, problem.n_coefs)
        self._set_errors(problem, p, errors)

    def _set_errors(self, problem, p, errors: Any) -> None:
        """Set the standard errors, infinite for coefficients that nothing tells."""
        design = problem.design
        self._lost = np.zeros(design.X.shape[1], dtype=bool)
        self._errors = errors
        self.stderr_ = self.intercept_stderr_ = self.df_ = None
        if errors is not None:
            self.stderr_, self.intercept_stderr_ = errors.coefficients()
            self.df_ = errors.df
        if design.basis.ndim == 1:
            self._find_undetermined(problem, p)
            return
        stderr: Any = self.stderr_
        if problem.has_lone_rows or errors is None or np.isinf(stderr).any():
            axes = self._find_undetermined(problem, p)
            if errors is not None:
                stderr[self._lost] = np.inf
                self._errors = errors.without(axes, noise_along(axes, design))
