"""The public projections, methods for arrays of any framework."""

from types import ModuleType
from typing import Generic

from .._typing import Regularization
from . import _operators as formulas
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
        return formulas.isotonic(self._xp, s, w, regularization, axis)

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
        return formulas.permutahedron(self._xp, z, w, regularization, axis)
