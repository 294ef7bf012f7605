"""What the estimators of batches share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._sklearn import SITE, fit_context
from ._blocks import Batches, Source


def in_one_reading(fit: Callable[..., Any]) -> Callable[..., Any]:
    """`fit` of the class in memory, for a class of batches: it counts as one reading.

    What a fit to batches has set for itself is forgotten.
    """

    @wraps(fit)
    def fit_in_memory(self: Any, *arguments: Any, **options: Any) -> Any:
        for name in ("_row_counts", "_hard_limit"):
            vars(self).pop(name, None)
        fit(self, *arguments, **options)
        self.n_reads_ = 1
        return self

    return fit_in_memory


class BatchesMixin(ABC):
    """Mixin for estimators in memory that can be fitted to blocks, too.

    Subclasses say how one fits to a source of blocks: ``_fit_source``.
    """

    # The class in memory, and fitted attributes that it does not have.
    _in_memory: ClassVar[type]
    _only_here: ClassVar[tuple[str, ...]] = ("n_reads_",)

    _doc_link_template = (
        SITE + "/api/generated/sksoftrank.batches.{estimator_name}.html"
    )

    n_reads_: int
    verbose: int

    @fit_context(prefer_skip_nested_validation=True)
    def fit_batches(self, batches: Any) -> Self:
        """Fit the model to batches that are read again and again.

        Parameters
        ----------
        batches : callable or iterable
            ``batches()``, or the iterable itself, gives the same batches, in the same
            order, every time: tuples ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y,
            sample_weight, sigma)`` of what `fit` takes in memory, with a few rows or
            many. One batch at a time is in memory. `sigma` is for `SoftLTSRegressor`.

        Returns
        -------
        object
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If the batches cannot be read again, or hold what they should not; the
            message tells in which batch.
        """
        self._fit_source(Batches(batches))
        return self

    @abstractmethod
    def _fit_source(self, source: Source) -> None: ...

    def to_local(self) -> Any:
        """The ordinary estimator, for arrays in memory, with the same fit.

        Returns
        -------
        object
            An estimator of the class of the same name in `sksoftrank`, fitted. What has
            an entry for each row of the data is not in it.
        """
        check_is_fitted(self)
        local = self._in_memory(**self.get_params(deep=False))  # type: ignore[attr-defined]
        names = vars(self).keys() - vars(local).keys() - set(self._only_here)
        vars(local).update({name: vars(self)[name] for name in names})
        return local

    def _report_reads(self, source: Source) -> None:
        """Set the number of readings, and print it with `verbose`."""
        self.n_reads_ = source.n_reads
        if self.verbose:
            print(f"[{type(self).__name__}] {source.n_reads} readings of the data")

    def _set_names(self, names: tuple[str, ...] | None, n_features: int) -> None:
        """Set what scikit-learn keeps of the features."""
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
