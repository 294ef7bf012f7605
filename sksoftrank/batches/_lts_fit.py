"""The fit of soft least trimmed squares to blocks of rows: reading by reading."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..linear._robust_scale import (
    INLIER_FRACTION,
    OUTLIER_CUTOFF,
    consistent_scale,
    inlier_mask,
    scaled_variance,
    small_sample_factor,
    weighted_quantile,
)
from ..robust._coefficient_errors import ChoiceMoments
from ..robust._problem import SCALE_ROUNDS, RobustProblem, n_kept_of
from ..robust._trimmed_squares import smooth_fit
from ._blocks import Floats, Source
from ._cells import smallest_sum, smallest_variance
from ._hard_steps import settle
from ._lts_sums import (
    Task,
    View,
    add_all,
    choice_of_rows,
    counts,
    plain_sums,
    row_counts,
    square_sums,
    sums_of,
    target_sums,
)
from ._newton import Minimum, minimise, plain_fit

# Where a hard choice is wanted, minima are followed there over these epsilons, roughly.
NEARLY_HARD = (0.1, 0.01)
ROUGHLY = 1e-4

# Cells for sums of the smallest squares and for the targets: their borders are
# quantiles of the drawn rows, or near the one that the drawn rows expect.
N_TARGET_CELLS = 2000
SQUARE_CELLS = np.linspace(0.95, 1.05, 257)


class Result(NamedTuple):
    """The fit in the coordinates and units of the problem of the drawn rows."""

    z: Floats  # the coefficients
    raw_z: Floats  # those before reweighting
    start_scale: float
    raw_scale: float
    scale: float
    objective: float
    threshold: float  # of the losses in units of `start_scale`, infinite if all count
    hard_limit: float  # the largest of the h smallest residuals
    square_mean: float  # of the h smallest residuals
    target_variance: float  # the smallest of h targets
    gram: Floats  # weighed by the choice
    moments: ChoiceMoments  # of which the standard errors are made
    rows: tuple[int, int, int]  # numbers kept, suspicious and ignored
    n_steps: int
    message: str | None


class Edges(NamedTuple):
    """Borders of cells for the sums of the last reading."""

    squares: Floats  # of the sizes of residuals, near the largest of the h smallest
    targets: Floats
    rows: Floats  # of the sizes of residuals, near those of the last outliers
    unit: float  # of all of these


class BlocksFit:
    """Reads the data and fits.

    Parameters
    ----------
    source : Source
        The data.
    problem : RobustProblem
        That of the drawn rows.
    view : View
        How blocks are seen.
    penalty : ndarray of shape (n_coordinates, n_coordinates)
        Hessian of the penalty.
    report : callable
        Takes a text on the progress.
    """

    def __init__(
        self,
        source: Source,
        problem: RobustProblem,
        view: View,
        penalty: Floats,
        report: Callable[[str], None],
    ):
        self.source, self.problem, self.view = source, problem, view
        self.penalty = penalty
        self.report = report
        self.total = self.n_kept = math.nan
        self.n_rows: int | None = None

    def read(self, tasks: list[Task], unit: float = 1.0) -> list[tuple]:
        """Sums over all rows, with residuals in units of `unit`, in one reading."""
        view = self.view._replace(unit=self.view.unit * unit)
        tasks = [Task(counts, ()), *tasks]
        (n_rows, total), *sums = self.source.reduce(sums_of, view, tasks, merge=add_all)
        if self.n_rows is None:
            self.n_rows, self.total = int(n_rows), float(total)
            self.n_kept = n_kept_of(self.total, self.problem.n_coefs, self.problem.trim)
        elif n_rows != self.n_rows:
            raise ValueError(
                f"The data must be the same in every reading, got {self.n_rows} rows "
                f"and now, in reading {self.source.n_reads}, {n_rows}."
            )
        return sums

    def fit(
        self, start_z, soft_z, raw_scale, *, epsilon, reweight, **control
    ) -> Result:
        """Fit from the hard and the soft fit of the drawn rows on."""
        if raw_scale == 0:
            return self._fit_exactly(start_z)
        s0, raw_scale = self._scales(start_z, raw_scale)
        self.report(f"start: scale {s0 * self.problem.scale_unit:.6g}")
        if soft_z is None:
            soft_z = self._soft_start(start_z, s0, epsilon, **control)
        if self.n_kept >= self.total:
            minimum = self._least_squares(soft_z / s0, s0, raw_scale)
        elif epsilon == 0:
            minimum, raw_scale = self._minimise_hard(
                soft_z / s0, s0, raw_scale, **control
            )
            if not reweight:
                return self._result(minimum, s0, raw_scale, False, is_hard=True)
        else:
            minimum = self._minimise(soft_z / s0, s0, raw_scale, epsilon, **control)
        return self._result(minimum, s0, raw_scale, reweight)

    def _scales(self, z, raw_scale) -> tuple[float, float]:
        """Scale of the start, its last round on all rows, and the raw scale."""
        problem = self.problem
        limit = self._hard_limit(problem.residual(z))
        edges = limit * SQUARE_CELLS
        z_good, residual, scale = z, problem.residual(z), raw_scale
        for _ in range(SCALE_ROUNDS - 1):
            good = inlier_mask(residual, scale)
            z_good = problem.least_squares(z_good, residual, good)
            residual = problem.residual(z_good)
            rounded = problem.reweighted_scale(
                residual, good, "reweighted", INLIER_FRACTION
            )
            scale = rounded or scale
        tasks = [
            Task(plain_sums, (z_good, OUTLIER_CUTOFF * scale)),
            Task(square_sums, (z, edges)),
        ]
        plain, squares = self.read(tasks)
        _, square, total = plain_fit(problem.design, self.penalty, z_good, plain)
        start_scale = self._scale(square, total, "reweighted", INLIER_FRACTION)
        mean = self._mean_square(squares)
        raw = consistent_scale(
            mean, self.n_kept / self.total, self._factor("raw"), problem.zero
        )
        return start_scale or scale, raw or raw_scale

    def _soft_start(self, z, s0, epsilon, **control) -> Floats:
        """The soft fit of the drawn rows."""
        if epsilon == 0:
            return z
        return smooth_fit(self.problem, s0, z, epsilon, "selection", **control).z

    def _minimise(self, z, s0, raw_scale, epsilon, **control) -> Minimum:
        squares = self.problem.trimmed_squares(s0, float(epsilon))
        residual = self.problem.residual(z * s0) / s0
        squares.trim(0.5 * residual**2)

        def extra(z, threshold):
            self._set_edges(z, s0, raw_scale, threshold)
            choice = Task(choice_of_rows, (z, threshold, epsilon))
            return [choice, *self._last_tasks(z, raw_scale / s0)]

        return minimise(
            lambda tasks: self.read(tasks, s0),
            extra,
            self.problem.design,
            self.penalty,
            z,
            squares.threshold,
            epsilon=float(epsilon),
            total=self.total,
            n_kept=self.n_kept,
            report=lambda text: self.report(f"read {self.source.n_reads}: {text}"),
            **control,
        )

    def _minimise_hard(
        self, z, s0, raw_scale, *, max_iter, tol
    ) -> tuple[Minimum, float]:
        """Follow the minimum to a hard choice; returns it and its raw scale."""
        n_steps = 0
        for epsilon in NEARLY_HARD:
            nearly = self._minimise(
                z, s0, raw_scale, epsilon, max_iter=max_iter, tol=max(tol, ROUGHLY)
            )
            z, n_steps = nearly.z, n_steps + nearly.n_steps
        problem, fraction = self.problem, self.n_kept / self.total
        hard = settle(
            lambda tasks: self.read(tasks, s0),
            problem.design,
            self.penalty,
            z,
            lambda z: 0.5 * (problem.residual(z * s0) / s0) ** 2,
            nearly.threshold,
            self.n_kept,
            self.total,
            self.n_rows or 0,
        )
        raw_scale = s0 * consistent_scale(
            hard.square / self.n_kept, fraction, self._factor("raw"), 0.0
        )
        self._set_edges(hard.z, s0, raw_scale, hard.limit)
        others = self.read(self._last_tasks(hard.z, raw_scale / s0), s0)
        minimum = Minimum(
            z=hard.z,
            value=0.5
            * float(hard.square / self.n_kept + hard.z @ self.penalty @ hard.z),
            threshold=hard.limit,
            gram=nearly.gram,
            extra=[(1.0,) * 6, *others],
            n_steps=n_steps + hard.n_rounds,
            message=None if hard.is_settled else "The rounds of steps do not settle.",
        )
        return minimum, raw_scale

    def _least_squares(self, z, s0, raw_scale) -> Minimum:
        """The fit that keeps all rows."""
        for _ in range(2):  # the second time corrects rounding errors
            self._set_edges(z, s0, raw_scale, math.inf)
            tasks = [Task(plain_sums, (z, math.inf))]
            plain, *others = self.read(tasks + self._last_tasks(z, raw_scale / s0), s0)
            z, square, total = plain_fit(self.problem.design, self.penalty, z, plain)
        value = 0.5 * float(square / total + z @ self.penalty @ z)
        moments = (total, total, square, total, total, total)
        return Minimum(
            z,
            value,
            math.inf,
            plain[0] / self.n_kept,
            [moments, *others],
            2,
            None,
        )

    def _result(
        self, minimum: Minimum, s0, raw_scale, reweight, is_hard=False
    ) -> Result:
        problem = self.problem
        choice, good, squares, targets, (counted,) = minimum.extra
        moments = _moments_of(*choice)
        z, gram = minimum.z, minimum.gram * self.n_kept
        square, total = float(good[3]), float(good[2])
        scale = s0 * self._scale(square, total, "soft", INLIER_FRACTION)
        if reweight:
            z, square, total = plain_fit(problem.design, self.penalty, z, good)
            scale = s0 * self._scale(square, total, "reweighted", None)
            gram, moments = good[0], _moments_of(total, total, square, *3 * [total])
        limit = s0 * math.sqrt(2 * minimum.threshold)
        if reweight:
            limit = OUTLIER_CUTOFF * raw_scale
        if is_hard:
            scale = raw_scale
        rows = self._count(counted, OUTLIER_CUTOFF * scale / s0, limit / s0)
        return Result(
            z=z * s0,
            raw_z=minimum.z * s0,
            start_scale=s0,
            raw_scale=raw_scale,
            scale=scale,
            objective=minimum.value * s0**2,
            threshold=minimum.threshold,
            hard_limit=limit if is_hard else s0 * self._quantile(squares[0]),
            square_mean=s0**2 * self._mean_square(squares),
            target_variance=s0**2 * self._target_variance(targets),
            gram=gram,
            moments=moments,
            rows=rows,
            n_steps=minimum.n_steps,
            message=minimum.message,
        )

    def _fit_exactly(self, z) -> Result:
        """Least squares on the rows that a plane goes through."""
        zero = self.problem.zero
        for _ in range(2):
            self._set_edges(z, 1.0, 0.0, zero)
            plain, targets, counted = self.read(
                [
                    Task(plain_sums, (z, zero)),
                    Task(target_sums, (self._edges.targets,)),
                    Task(row_counts, (z, np.array([np.nextafter(zero, np.inf)]))),
                ]
            )
            raw_z = z
            z, square, total = plain_fit(self.problem.design, self.penalty, z, plain)
        scale = self._scale(square, total, "reweighted", None)
        return Result(
            z=z,
            raw_z=raw_z,
            start_scale=0.0,
            raw_scale=0.0,
            scale=scale,
            objective=float(0.5 * raw_z @ self.penalty @ raw_z),
            threshold=math.nan,
            hard_limit=zero,
            square_mean=0.0,
            target_variance=self._target_variance(targets),
            gram=plain[0],
            moments=_moments_of(total, total, square, *3 * [total]),
            rows=(int(counted[0][0]), 0, int(counted[0][1:].sum())),
            n_steps=1,
            message=None,
        )

    def _scale(self, square, total, kind, fraction) -> float:
        """Scale of residuals of this weight and sum of squares."""
        if fraction is None:
            fraction = total / self.total
        mean = square / max(total - 1, 0.5 * total)
        return consistent_scale(mean, fraction, self._factor(kind), self.problem.zero)

    def _factor(self, kind) -> float:
        fraction = self.n_kept / self.total
        return small_sample_factor(self.total, self.problem.n_coefs, fraction, kind)

    def _hard_limit(self, residual) -> float:
        """The largest of the h smallest residuals of the drawn rows."""
        problem = self.problem
        part = problem.n_kept / problem.weight.sum()
        return float(weighted_quantile(np.abs(residual), problem.weight, part))

    def _last_tasks(self, z, raw_scale) -> list[Task]:
        """What is read at the minimum, beside the choice, in units of the view."""
        return [
            Task(plain_sums, (z, OUTLIER_CUTOFF * raw_scale)),
            Task(square_sums, (z, self._edges.squares)),
            Task(target_sums, (self._edges.targets,)),
            Task(row_counts, (z, self._edges.rows)),
        ]

    def _set_edges(self, z, unit, raw_scale, threshold) -> None:
        """Choose borders of cells for the last sums, with z in units of `unit`."""
        problem = self.problem
        residual = problem.residual(z * unit)
        limit = self._hard_limit(residual) or problem.zero
        y = problem.y if problem.fit_intercept else np.abs(problem.y)
        levels = np.linspace(0, 1, N_TARGET_CELLS + 1)
        targets = np.unique(np.quantile(y[problem.weight > 0], levels))
        good = inlier_mask(residual, raw_scale, zero=problem.zero)
        cuts = [raw_scale, math.sqrt(2 * threshold) * unit / OUTLIER_CUTOFF]
        for kind, fraction in (("soft", INLIER_FRACTION), ("reweighted", None)):
            scale = problem.reweighted_scale(residual, good, kind, fraction)
            cuts.extend(scale * SQUARE_CELLS)
        rows = OUTLIER_CUTOFF / unit * np.array(cuts)
        self._edges = Edges(
            limit / unit * SQUARE_CELLS,
            targets / unit,
            np.unique(rows[rows > 0]),
            unit,
        )

    def _count(self, counted, cut, limit) -> tuple[int, int, int]:
        """Numbers of rows up to both, up to the second only, and beyond it."""
        edges = np.nan_to_num(self._edges.rows, posinf=np.finfo(float).max)
        up_to = np.interp([min(cut, limit), limit], edges, np.cumsum(counted)[:-1])
        kept, used = np.rint(up_to).astype(int)
        if np.isinf(limit):
            used = counted.sum()
        return int(kept), int(used - kept), int(counted.sum() - used)

    def _mean_square(self, squares) -> float:
        """Mean of the h smallest squares, of `square_sums`."""
        count, total = squares
        return smallest_sum(count, total, self.n_kept) / self.n_kept

    def _quantile(self, count) -> float:
        """The size of a residual up to which the weights reach h."""
        cumulated = np.cumsum(count)[:-1]
        return float(np.interp(self.n_kept, cumulated, self._edges.squares))

    def _target_variance(self, targets) -> float:
        count, first, second = targets
        problem = self.problem
        if problem.fit_intercept and problem.design.row_scale is not None:
            # The ones of the intercept are in units of sigma: that of the drawn rows.
            rows = problem.y, problem.design.row_scale, problem.weight
            return scaled_variance(*rows, problem.n_kept) / self._edges.unit**2
        if not problem.fit_intercept:
            return smallest_sum(count, second, self.n_kept) / self.n_kept
        return smallest_variance(count, first, second, self.n_kept)


def _moments_of(total, square, psi_square, slope, slope_square, used) -> ChoiceMoments:
    """What `choice_of_rows` tells."""
    mean = slope / used
    variance = max(slope_square / used - mean**2, 0.0)
    n_effective = total**2 / square
    return ChoiceMoments(total, n_effective, psi_square, slope, mean, variance)
