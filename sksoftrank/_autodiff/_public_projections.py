"""The public projections, methods for arrays of any framework."""

from types import ModuleType
from typing import Any, Generic

from .._checks import check_regularization
from .._typing import Regularization
from . import _blocks
from ._arguments import Axis, check_other, wide
from ._types import Array


class Projections(Generic[Array]):
    """Projections.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

    def isotonic_projection(
        self,
        s: Array,
        w: Array | None = None,
        *,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
    ) -> Array:
        """Solve isotonic optimisation: the best non-increasing v for `s` and `w`.

        `sksoftrank.isotonic_projection` for tensors, with all derivatives.

        Parameters
        ----------
        s : torch.Tensor of shape (..., n, ...)
            The values to fit, in any order.
        w : torch.Tensor of the shape of `s`, or of shape (n,), default=None
            The values to subtract. None means zeros.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.isotonic_projection`.
        axis : int or None, default=-1
            Axis along which v is non-increasing. None flattens `s` first.

        Returns
        -------
        v : torch.Tensor of the shape of `s`

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or not finite.

        See Also
        --------
        project_permutahedron : The projection that reduces to this problem.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import isotonic_projection
        >>> isotonic_projection(torch.tensor([3.0, 1.0, 2.0, 0.0])).tolist()
        [3.0, 1.5, 1.5, 0.0]
        """
        xp = self._xp
        check_regularization(regularization, ("quadratic", "entropic"))
        s = xp.check_values(s, "s")
        axis_of = Axis(xp, s.shape, axis)
        w = xp.zeros_like(s) if w is None else check_other(xp, w, "w", s)
        dtype, (s, w) = wide(xp, s, w)
        s, w = _pair(xp, s, w, axis_of, "s")
        first = xp.isotonic_blocks(s, w, regularization, project=False)
        result = _blocks.isotonic(xp, s, w, first, regularization)
        return xp.astype(axis_of.from_last(result), dtype)

    def project_permutahedron(
        self,
        z: Array,
        w: Array,
        *,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
    ) -> Array:
        """Project `z` on the permutahedron of `w`.

        `sksoftrank.project_permutahedron` for tensors, with all derivatives.

        Parameters
        ----------
        z : torch.Tensor of shape (..., n, ...)
            The points to project.
        w : torch.Tensor of the shape of `z`, or of shape (n,)
            The vertex that generates the permutahedron, in any order.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.project_permutahedron`.
        axis : int or None, default=-1
            Axis of the points. None flattens `z` first.

        Returns
        -------
        projection : torch.Tensor of the shape of `z`

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or not finite.

        See Also
        --------
        soft_sort, soft_rank : The projections with one side fixed to (n, ..., 1).

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import project_permutahedron
        >>> z, w = torch.tensor([0.5, 0.25, -3.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> project_permutahedron(z, w).tolist()
        [0.625, 0.375, 0.0]
        """
        xp = self._xp
        check_regularization(regularization, ("quadratic", "entropic"))
        z = xp.check_values(z, "z")
        w = check_other(xp, w, "w", z)
        axis_of = Axis(xp, z.shape, axis)
        dtype, (z, w) = wide(xp, z, w)
        z, w = _pair(xp, z, w, axis_of, "z")
        order = xp.descending_order(z, "z")
        z, w = xp.gather(z, order), xp.gather(w, xp.descending_order(w, "w"))
        first = xp.isotonic_blocks(z, w, regularization, project=True)
        result = xp.scatter(_blocks.projection(xp, z, w, first, regularization), order)
        return xp.astype(axis_of.from_last(result), dtype)


def _pair(xp: Any, s: Any, w: Any, axis: Axis, name: str) -> tuple[Any, Any]:
    """Both with the axis last, w repeated for each slice."""
    shape = tuple(s.shape)
    if tuple(w.shape) not in ((axis.length,), shape):
        raise ValueError(
            f"w must have the shape of {name}, {shape}, or ({axis.length},), "
            f"got {tuple(w.shape)}."
        )
    is_shared = tuple(w.shape) != shape
    s = axis.to_last(s)
    return s, xp.broadcast_to(w if is_shared else axis.to_last(w), tuple(s.shape))
