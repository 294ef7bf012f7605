"""The structure of operators in NumPy: integers, and the thresholds of soft choices.

All functions take arrays with the slices along the last axis. What belongs to slices,
like `epsilon` and masses, has a shape that is the beginning of that of the values: ()
for all, or that of the leading axes, which `vmap` adds.
"""

import numpy as np

from .. import _isotonic, _pav
from .._checks import check_epsilon, check_finite, nonfinite_error
from .._rows import Slices, argsort_rows, first_places
from ..operators._choice import CLOSEST, Choice, WeightedRows
from ..operators._rows import solve_rows, solve_rows_without_nan


def solve_blocks(
    rows,
    epsilon,
    kind,
    *,
    is_sort,
    descending,
    omits_nan=False,
    keep=True,
    n_jobs=None,
):
    """Soft ranks or sorts of rows, with what their Jacobian needs: `SolvedRows`."""
    # As in `soft_rank` and `soft_sort`.
    sign = 1.0 if is_sort == descending else -1.0
    if is_sort and epsilon == 0:
        kind = _pav.QUADRATIC
    solve = solve_rows_without_nan if omits_nan else solve_rows
    options = {"is_sort": is_sort, "keep": keep, "n_jobs": n_jobs}
    solved = solve(rows, epsilon, kind, sign, **options)
    if solved is None or solved.has_infinite:
        raise nonfinite_error(rows[~np.isnan(rows)] if omits_nan else rows, "values")
    return solved


def blocks(values, epsilon, *, kind, is_sort, descending, omits_nan=False, n_jobs=None):
    """Order and blocks of soft ranks or sorts.

    Returns
    -------
    order : ndarray of int64, of the shape of `values`
        Which value has which place. Ranks pair the places with n, ..., 1; NaN have the
        first places, for sorts the last.
    first : ndarray of int64, of the shape of `values`
        The place at which the block of a place begins.
    """
    rows = _rows(values)
    order, first = (np.empty(rows.shape, dtype=np.int64) for _ in range(2))
    if rows.size:
        for strength, group in _groups(epsilon, values.shape[:-1]):
            part = rows[group]
            solved = solve_blocks(
                part,
                strength,
                # The weights of other kinds are not needed here.
                kind,
                is_sort=is_sort,
                descending=descending,
                omits_nan=omits_nan,
                n_jobs=n_jobs,
            )
            order[group], first[group] = solved_blocks(part, solved, strength, is_sort)
    return order.reshape(values.shape), first.reshape(values.shape)


def solved_blocks(rows, solved, epsilon, is_sort):
    """Order and first places from what `solve_blocks` returned."""
    n = rows.shape[1]
    order, first = solved.order, first_places(solved.pools, n)
    if epsilon == 0 and not is_sort:
        # Ties share a rank; ranks have no other blocks, for nothing moves.
        ordered = np.take_along_axis(rows, order, axis=1)
        is_new = ordered[:, 1:] != ordered[:, :-1]
        first[:, 1:] = np.maximum.accumulate(is_new * np.arange(1, n), axis=1)
    if is_sort and solved.n_kept is not None:
        shift = n - solved.n_kept[:, None]
        place = (np.arange(n) + shift) % n
        order = np.take_along_axis(order, place, axis=1)
        first = (np.take_along_axis(first, place, axis=1) - shift) % n
    return order, first


def descending_order(values, name):
    """The order from the largest value to the smallest, stable."""
    rows = _rows(values)
    found = argsort_rows(rows, descending=True)
    if found is None:
        raise nonfinite_error(values, name)
    return found[0].reshape(values.shape)


def isotonic_blocks(s, w, *, kind, project):
    """First places of the blocks of isotonic optimisation of `s` and `w`.

    Both have the same shape; for a projection they are in descending order.
    """
    n = s.shape[-1]
    check_finite(s, "z" if project else "s", factor=n**2)
    check_finite(w, "w", factor=n**2)
    s_rows, w_rows = (_rows(x).astype(np.float64, copy=False) for x in (s, w))
    pools = np.full((len(s_rows), n + 1), n, dtype=np.int64)
    out = np.empty(s_rows.shape)
    _isotonic.isotonic_rows(s_rows, w_rows, 1.0, kind, project, out, pools, None, None)
    return first_places(pools, n).reshape(s.shape)


def choice(values, weights, mass, rest, epsilon, *, kind, name, demand):
    """The soft choice of the smallest values of total weight `mass`.

    Parameters
    ----------
    values : ndarray of shape (..., n)
        Finite.
    weights : ndarray of the shape of `values`, or None
    mass, rest : ndarrays of a shape that begins that of the slices, ()
        What is kept of the total of the weights, and what is not.
    epsilon : ndarray
    kind : int
    name : str
        What the values are called.
    demand : str
        What to say if a mass or a rest is below 0.

    Returns
    -------
    region : ndarray of int64, of the shape of `values`
        0 for the part 0, 2 for the part 1, and 1 between; 1 throughout if "entropic".
    anchor, offset : ndarrays of float64, of the shape of the slices
        The centre of the choice is ``anchor + epsilon * offset``.
    """
    rows, leading = _rows(values).astype(np.float64, copy=False), values.shape[:-1]
    region = np.empty(rows.shape, dtype=np.int64)
    anchor, offset = np.empty(len(rows)), np.empty(len(rows))
    check_finite(rows, name)
    mass, rest = (_by_row(x, leading)[:, None] for x in (mass, rest))
    least = min(mass.min(initial=0.0), rest.min(initial=0.0))
    if least < 0:
        raise ValueError(f"{demand}, got a choice that is short of {-least:g}.")
    info = np.finfo(values.dtype)
    closest = max(float(info.tiny / info.eps), CLOSEST)
    if rows.size:
        for strength, group in _groups(epsilon, leading):
            part = np.ascontiguousarray(rows[group])
            part_weights = None if weights is None else _rows(weights)[group]
            data = WeightedRows(part, Slices(part.shape, 1), part_weights)
            found = Choice(
                data,
                np.ascontiguousarray(mass[group]),
                np.ascontiguousarray(rest[group]),
                strength,
                kind,
            )
            close = data.close_means(strength, closest) if strength > 0 else None
            if close is not None:
                found.centre_at(*close)
            anchor[group], offset[group] = found.anchor[:, 0], found.offset[:, 0]
            if found.is_logistic:
                region[group] = 1
            else:
                p = found.p
                region[group] = np.where(p >= 1, 2, p > 0)
            if strength == 0:  # the offset is the part of ties
                offset[group] = 0.0
    return (
        region.reshape(values.shape),
        anchor.reshape(leading),
        offset.reshape(leading),
    )


def _rows(values):
    """The slices as C-contiguous rows."""
    n = values.shape[-1]
    count = values.size // n if n else 0
    return np.ascontiguousarray(values.reshape(count, n))


def _by_row(array, leading):
    """What belongs to slices, for each row: its shape begins that of the slices."""
    array = np.asarray(array, dtype=np.float64)
    array = array.reshape(array.shape + (1,) * (len(leading) - array.ndim))
    return np.ascontiguousarray(np.broadcast_to(array, leading)).ravel()


def _groups(epsilon, leading):
    """Each `epsilon` as a float, with the rows that have it."""
    epsilon = np.asarray(epsilon, dtype=np.float64)
    if epsilon.size and (epsilon == epsilon.flat[0]).all():
        yield check_epsilon(float(epsilon.flat[0])), slice(None)
        return
    epsilon = _by_row(epsilon, leading)
    for strength in np.unique(epsilon):
        yield check_epsilon(float(strength)), np.flatnonzero(epsilon == strength)
