"""Isotonic and permutahedron projections."""

import math
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _isotonic, _pav
from ._checks import (
    check_exact,
    check_finite,
    check_flag,
    check_regularization,
)
from ._jacobian import Jacobian, pool_jacobian
from ._rows import Slices, argsort_rows, rounded, unsorted
from ._typing import Regularization

__all__ = ["isotonic_projection", "project_permutahedron"]


@overload
def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = None,
    *,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Solve isotonic optimisation: the best non-increasing v for `s` and `w`.

    Parameters
    ----------
    s : array-like of shape (..., n, ...)
        The values to fit, in any order.
    w : array-like of the shape of `s`, or of shape (n,), default=None
        The values to subtract; one 1-D `w` serves every slice. None means zeros.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" minimises ``1/2 ||v - (s - w)||^2``; "entropic" minimises
        ``<exp(s - v), 1> + <exp(w), v>``.
    axis : int or None, default=-1
        Axis along which v is non-increasing. None flattens `s` first.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    v : ndarray of the shape of `s`
        The solution; float32 where `s` and `w` are, else float64.
    jacobian : Jacobian
        dv/ds, with dv/dw as its attribute `wrt_w`. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    project_permutahedron : The projection that reduces to this problem.
    scipy.optimize.isotonic_regression : Weighted, quadratic, without a Jacobian.

    Notes
    -----
    The solution is constant on blocks B; its value there is

    .. math::

        \bar s_B - \bar w_B \quad \text{(quadratic)}, \qquad
        \log \sum_{i \in B} e^{s_i} - \log \sum_{i \in B} e^{w_i}
        \quad \text{(entropic)} .

    It is computed by pool adjacent violators in O(n) time ([1]_, section 5).

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import isotonic_projection
    >>> isotonic_projection([3.0, 1.0, 2.0, 0.0])
    array([3. , 1.5, 1.5, 0. ])
    """
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    s = check_exact(s, "s")
    slices = Slices(s.shape, axis)
    w = None if w is None else check_exact(w, "w")
    return _solve(s, w, slices, "s", kind, return_jacobian, project=False)


@overload
def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Project `z` on the permutahedron of `w`.

    The permutahedron P(w) is the convex hull of all permutations of w.

    Parameters
    ----------
    z : array-like of shape (..., n, ...)
        The points to project.
    w : array-like of the shape of `z`, or of shape (n,)
        The vertex that generates the permutahedron, in any order; one 1-D `w` serves
        every slice.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" is the Euclidean projection. "entropic" is the logarithm of the
        Kullback-Leibler projection of exp(z) on P(exp(w)).
    axis : int or None, default=-1
        Axis of the points. None flattens `z` first.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    projection : ndarray of the shape of `z`
        float32 where `z` and `w` are, else float64.
    jacobian : Jacobian
        The derivative in z, with the derivative in w as its attribute `wrt_w`. Only
        with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort, soft_rank : The projections with one side fixed to (n, ..., 1).

    Notes
    -----
    With z sorted by sigma, largest first, and w sorted, the projection is

    .. math::

        z - v(z_\sigma, w)_{\sigma^{-1}}

    where v solves `isotonic_projection` ([1]_, Proposition 3). It is written as block
    value plus deviation, so that no digits are lost where z is much larger than w.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    The projection on the probability simplex is the one with w = (1, 0, ..., 0):

    >>> from sksoftrank import project_permutahedron
    >>> project_permutahedron([0.5, 0.25, -3.0], [1.0, 0.0, 0.0])
    array([0.625, 0.375, 0.   ])
    """
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    z = check_exact(z, "z")
    w = check_exact(w, "w")
    slices = Slices(z.shape, axis)
    return _solve(z, w, slices, "z", kind, return_jacobian, project=True)


def _solve(s, w, slices, name, kind, return_jacobian, *, project):
    """Both projections: of `s` on the monotone cone, or on the permutahedron of w."""
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    w_shape = (slices.length,) if w is None else w.shape
    if w_shape not in ((slices.length,), s.shape):
        raise ValueError(
            f"w must have the shape of {name}, {s.shape}, or ({slices.length},), "
            f"got {w_shape}."
        )
    dtype = s.dtype if w is None else np.result_type(s.dtype, w.dtype)
    s_rows, w_rows = slices.to_rows(s).astype(np.float64, copy=False), None
    if w is not None:
        w_slices = slices if w.size == s.size else Slices(w.shape, 0)
        w_rows = w_slices.to_rows(w).astype(np.float64, copy=False)
    s_order = w_order = None
    if project:
        _check_sizes(s, w, slices, name, project)
        s_order, s_rows = argsort_rows(s_rows, descending=True)
        w_order, w_rows = argsort_rows(w_rows, descending=True)
        w_order = np.ascontiguousarray(np.broadcast_to(w_order, s_order.shape))
    out = np.empty(s_rows.shape)
    pools = s_weights = w_weights = None
    if return_jacobian:
        pools = np.zeros((slices.count, slices.length + 1), dtype=np.int64)
        if kind != _pav.QUADRATIC:
            s_weights, w_weights = np.empty(s_rows.shape), np.empty(s_rows.shape)
    found = out, pools, s_weights, w_weights
    if not _isotonic.isotonic_rows(s_rows, w_rows, 1.0, kind, project, *found):
        _check_sizes(s, w, slices, name, project)
    if project:
        out = unsorted(out, s_order)
    result = rounded(slices.from_rows(out), dtype)
    if not return_jacobian:
        return result

    def find_wrt_w():
        return pool_jacobian(
            w_shape,
            slices,
            pools,
            dtype=dtype,
            weights=w_weights,
            input_order=w_order,
            output_order=s_order,
            divisor=1.0 if project else -1.0,
        )

    jacobian = pool_jacobian(
        s.shape,
        slices,
        pools,
        dtype=dtype,
        weights=s_weights,
        input_order=s_order,
        output_order=s_order,
        matrix=_isotonic.DEVIATION if project else _isotonic.AVERAGE,
        derivatives={"wrt_w": find_wrt_w},
    )
    return result, jacobian


def _check_sizes(s, w, slices, name, project):
    """Refuse what is not finite, or so large that sums or differences are not."""
    # Pools multiply ranges by two sizes.
    check_finite(s, name, factor=slices.length**2)
    if w is None:
        return
    check_finite(w, "w", factor=slices.length**2)
    if not project and s.size:
        s_size, w_size = float(np.abs(s).max()), float(np.abs(w).max())
        if not math.isfinite(s_size + w_size):
            raise ValueError(
                f"w must be small enough for s - w to be finite, got |w| up to "
                f"{w_size} and |s| up to {s_size}."
            )
