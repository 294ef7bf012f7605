"""Fits from which to search for the minimum of least trimmed squares."""

import numpy as np

from ..linear._algebra import EPS
from ._normal_equations import add_ridge, select, solve, white_axes

# Components of largest, and of smallest, sensitivity that are looked at.
MAX_COMPONENTS = 30

# Steps towards projections of extreme skewness and kurtosis, and how many are used.
N_FIXED_POINT_STEPS = 10
N_EXTREME = 5

# Size of bootstrap samples of repeated rows.
MAX_SAMPLE = 2000

# Residuals beyond this many medians of their sizes are left out of the next round.
OUTLYING = 3.0

# Huber's constant, in medians of the sizes of the residuals.
HUBER = 2.0
HUBER_STEPS = 4

# Relative size below which a row depends on others.
DEPENDENT = 1e-6

# Rows with a leverage of 1 up to this are the only ones that see a direction.
LONE = 1e-11


def central_fits(rows):
    """Least squares on the rows in the centre of the x space."""
    return rows.fit(np.array(rows.central_masses))


def projection_fits(rows, huber):
    """Fits without the half of the rows that is extreme in an interesting projection.

    A cluster of outlying rows makes a projection of rows and targets skew, or if large,
    its kurtosis small (Pena & Prieto 2001). Fixed-point iterations lead to projections
    of extreme skewness and kurtosis. They start from the projections on the predictions
    of `huber_fits`, for bad leverage is there, and from the axes of a fourth-moment
    matrix.
    """
    weight = rows.unit_weight / rows.total
    white = np.column_stack([rows.rows, rows.y / np.abs(rows.y).max()])
    white -= weight @ white
    axes = white_axes(white, weight)
    white = white @ axes
    distance = np.einsum("ij,ij->i", white, white)
    _, axes = np.linalg.eigh((white.T * (weight * distance)) @ white)
    first, last = huber[[0, -1]]
    fitted = rows.rows @ np.column_stack([first, last, last - first])
    fitted = white.T @ (weight[:, None] * fitted)
    fitted /= np.maximum(np.linalg.norm(fitted, axis=0), np.finfo(np.float64).tiny)
    found = [fitted, _extreme_axes(axes)]
    axes = np.hstack([fitted, _extreme_axes(axes)])
    for kurtosis in (False, True):
        extreme, size = _extreme_projections(white, weight, axes, kurtosis)
        size[: fitted.shape[1]] = np.inf
        order = np.argsort(-size, kind="stable")
        found.append(extreme[:, order[: fitted.shape[1] + N_EXTREME]])
    return _fits_without_extremes(rows, white @ np.hstack(found), rows.unit_weight)


def _extreme_projections(white, weight, axes, kurtosis):
    """Axes after steps to extreme skewness or kurtosis, and the sizes of that."""
    weighted = (white * weight[:, None]).T
    for _ in range(N_FIXED_POINT_STEPS):
        projected = white @ axes
        power = projected * projected
        if kurtosis:
            power *= projected
            axes = weighted @ power - 3 * axes
        else:
            axes = weighted @ power
        axes /= np.maximum(np.linalg.norm(axes, axis=0), EPS)
    cumulant = weight @ (power * projected) - 3 * kurtosis
    return axes, np.abs(cumulant)


def huber_fits(rows):
    """Least squares, and a few steps from there with Huber's weights."""
    z = rows.fit(rows.unit_weight[None])
    fits = [z]
    for _ in range(HUBER_STEPS):
        size = np.sqrt(rows.losses(z)[0])
        weight = rows.unit_weight * huber_weights(size, rows.total, rows.weight)
        z = rows.fit(weight[None])
        fits.append(z)
    return np.vstack(fits)


def huber_weights(size, total, weight):
    """Huber's weights for residuals of these sizes, by the smaller half of the rows."""
    kept = select(size[None], total / 2, weight)[0] > 0
    cutoff = HUBER * size[kept].max() or 1.0
    return cutoff / np.maximum(size, cutoff)


def sensitivity_fits(rows, n_rounds=2):
    """Fits without the half of the rows that is extreme in a component of sensitivity.

    The principal sensitivity components (Pena & Yohai 1999) are the projections of the
    rows in which the fits without single rows differ most. The next round does without
    the rows that are outlying in the best fit of the last one.
    """
    active = rows.unit_weight
    found = []
    for _ in range(n_rounds):
        fits = _fits_of_components(rows, active[None])
        found.append(fits)
        losses = rows.losses(fits)
        value = rows.objective(fits, losses, rows.select(losses))
        losses = losses[value.argmin()]
        kept = select(losses[None], rows.total / 2, rows.weight)[0] > 0
        cutoff = OUTLYING**2 * losses[kept].max()
        last, active = active, rows.unit_weight * (losses <= cutoff)
        if np.array_equal(last, active) or cutoff == 0:
            break
    return np.vstack(found)


def resampled_sensitivity_fits(rows, n_samples, rng):
    """Fits by the sensitivity components of bootstrap samples."""
    cumulated = np.cumsum(rows.unit_weight)
    size = min(int(rows.total), MAX_SAMPLE)
    index = draw(cumulated, rng.random_sample((n_samples, size)))
    mass = np.array([np.bincount(i, minlength=rows.y.size) for i in index], dtype=float)
    return _fits_of_components(rows, mass)


def _fits_of_components(rows, masses):
    """Fits of the rows with these masses, and fits of halves of them."""
    gram, right = rows.normal_equations(masses)
    add_ridge(gram)
    curvature, axes = np.linalg.eigh(gram)
    z = np.linalg.solve(gram, right[:, :, None])
    # With these, white @ white.T is the hat matrix.
    floor = EPS * curvature[:, -1:]
    white = rows.rows @ (axes / np.sqrt(np.maximum(curvature, floor))[:, None])
    leverage = np.einsum("fij,fij->fi", white, white)
    # How far the fit without the row is from the one with it, at the row. Without a row
    # that alone sees a direction there is none: the ratio would be one of rounding
    # errors, and other units of the data would lead to another start.
    rest = 1 - leverage
    residual = rows.y - (rows.rows @ z)[:, :, 0]
    shift = np.where((masses > 0) & (rest > LONE), residual, 0.0)
    shift /= np.maximum(rest, LONE)
    largest = np.abs(shift).max(axis=1, keepdims=True)
    shift /= np.where(largest > 0, largest, 1.0)
    weighted = np.swapaxes(white, 1, 2) * (masses * shift**2)[:, None]
    size, axes = np.linalg.eigh(weighted @ white)
    found = []
    for i, mass in enumerate(masses):
        some = axes[i][:, size[i] > len(size[i]) * EPS * size[i, -1]]
        component = white[i] @ _extreme_axes(some)
        found += [z[i].T, _fits_without_extremes(rows, component, mass)]
    return np.vstack(found)


def _extreme_axes(axes):
    if axes.shape[1] <= 2 * MAX_COMPONENTS:
        return axes
    return np.hstack([axes[:, :MAX_COMPONENTS], axes[:, -MAX_COMPONENTS:]])


def _fits_without_extremes(rows, component, mass):
    """Fits without the half of the rows that a component puts highest, lowest, or out.

    The components are the columns.
    """
    component = component.T
    component = np.vstack([component, -component, np.abs(component)])
    return rows.fit_halves(component, mass)


def elemental_fits(rows, n_fits, rng):
    """Fits through as many random rows as there are coordinates.

    Rows are drawn with probabilities proportional to their weights, and one that
    depends linearly on those drawn before is drawn again (Koller & Stahel 2017).
    """
    q = rows.n_coordinates
    cumulated = np.cumsum(rows.unit_weight)
    spare = 4 + q * q // (2 * rows.y.size)
    index = draw(cumulated, rng.random_sample((n_fits, q + spare)))
    z, is_found = rows.fit_exactly(index, DEPENDENT)
    if not is_found.all():
        chosen = _redrawn_rows(rows, index[~is_found], rng)
        through, y = rows.rows[chosen], rows.y[chosen][:, :, None]
        try:
            z[~is_found] = np.linalg.solve(through, y)[:, :, 0]
        except np.linalg.LinAlgError:  # the rows of some fit are dependent
            z[~is_found] = (np.linalg.pinv(through) @ y)[:, :, 0]
    return z


def _redrawn_rows(rows, index, rng):
    n_fits, q = len(index), rows.n_coordinates
    basis = np.zeros((n_fits, q, q))
    chosen = np.zeros((n_fits, q), dtype=np.intp)
    count = np.zeros(n_fits, dtype=np.intp)
    for column in index.T:
        row = rows.rows[column]
        rest = _orthogonal_part(row[:, None], basis)[:, 0]
        norm = np.linalg.norm(rest, axis=1)
        take = (count < q) & (norm > DEPENDENT * np.linalg.norm(row, axis=1))
        take = np.flatnonzero(take)
        basis[take, count[take]] = rest[take] / norm[take, None]
        chosen[take, count[take]] = column[take]
        count[take] += 1
    size = np.linalg.norm(rows.rows, axis=1)
    for i in np.flatnonzero(count < q):
        for k in range(count[i], q):
            rest = _orthogonal_part(rows.rows, basis[i, :k])
            norm = np.linalg.norm(rest, axis=1)
            free = norm > DEPENDENT * size
            if not free.any():
                free = norm == norm.max()
            weight = np.cumsum(rows.unit_weight * free)
            row = draw(weight, rng.random_sample())
            basis[i, k] = rest[row] / max(norm[row], np.finfo(np.float64).tiny)
            chosen[i, k] = row
    return chosen


def _orthogonal_part(rows, basis):
    """What orthonormal vectors leave of rows; in two passes, for the digits."""
    for _ in range(2):
        rows = rows - (rows @ np.swapaxes(basis, -1, -2)) @ basis
    return rows


def subset_fits(rows, masses, n_fits, n_drawn, rng):
    """Fits of random draws, with replacement, from the rows that random fits keep."""
    parent = rng.randint(len(masses), size=n_fits)
    uniform = rng.random_sample((n_fits, n_drawn))
    n_kept = np.count_nonzero(masses, axis=1)
    is_whole = masses.max() == 1 and (masses.sum(axis=1) == n_kept).all()
    if is_whole and (n_kept == n_kept[0]).all():
        kept = np.nonzero(masses)[1].reshape(len(masses), -1)
        index = kept[parent[:, None], (uniform * n_kept[0]).astype(np.intp)]
    else:
        cumulated = np.cumsum(masses, axis=1)[parent]
        pairs = zip(cumulated, uniform, strict=True)
        index = np.stack([draw(*pair) for pair in pairs])
    if rows.is_exact:
        return rows.fit_drawn(index)
    drawn = rows.rows[index]
    transposed = np.swapaxes(drawn, 1, 2)
    gram = transposed @ drawn
    if rows.penalty is not None:
        gram += n_drawn * rows.penalty
    return solve(gram, (transposed @ rows.y[index][:, :, None])[:, :, 0])


def draw(cumulated, uniform):
    """Indices drawn by their cumulated weights, given uniform random numbers."""
    index = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    # Rounding may lead beyond the last index of positive weight.
    return np.minimum(index, np.searchsorted(cumulated, cumulated[-1]))
