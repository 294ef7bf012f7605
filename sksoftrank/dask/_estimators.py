"""What the estimators of dask share."""

from collections.abc import Callable
from typing import Any, Self

import dask.array as da
import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._sklearn import SITE
from ..batches._estimators import BatchesMixin
from ._blocks import DaskBlocks, check_features


class DaskMixin(BatchesMixin):
    """Mixin for estimators that `fit` fits to collections of dask."""

    _doc_link_template = SITE + "/api/generated/sksoftrank.dask.{estimator_name}.html"

    # Fitted attributes with an entry for each row: lazy, and not pickled.
    _of_rows: tuple[str, ...] = ()

    def fit_batches(self, batches: Any) -> Self:
        """As in `sksoftrank.batches`: nothing of dask is needed or made."""
        self._forget_rows()
        return super().fit_batches(batches)

    def _fit_collections(self, X: Any, **columns: Any) -> DaskBlocks:
        """Fit to collections; returns their blocks."""
        source = DaskBlocks(X, columns)
        self._forget_rows()
        self._fit_source(source)
        names = _names(source.X)
        self._set_names(names, source.X.shape[1])
        return source

    def _forget_rows(self) -> None:
        for name in self._of_rows:
            vars(self).pop(name, None)

    def _lazy(
        self,
        method: str | Callable[..., Any],
        X: Any,
        *columns: Any,
        dtype: Any,
        width: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Lazy dask array of a method of the ordinary estimator, or function of it.

        It has a column for each of `width` numbers, or one dimension without.
        """
        local = self._nameless()
        arguments: list[Any] = [_array(X), "ij"]
        for values in columns:
            arguments += [None, None] if values is None else [_column(values), "i"]
        shape = (0,) if width is None else (0, width)
        return da.blockwise(
            _call,
            "i" if width is None else "ik",
            *arguments,
            new_axes={} if width is None else {"k": width},
            concatenate=True,
            align_arrays=False,
            meta=np.empty(shape, dtype=dtype),
            local=local,
            method=method,
            options=options or {},
            empty=np.empty(shape, dtype=dtype),
        )

    def _nameless(self) -> Any:
        """The ordinary estimator, for arrays without names of their columns."""
        local = self.to_local()
        vars(local).pop("feature_names_in_", None)
        return local

    def _check_columns(self, X: Any) -> Any:
        """X, if it is a collection with the features of the fit."""
        check_is_fitted(self)
        X = check_features(X)
        n_features, names = X.shape[1], getattr(self, "feature_names_in_", None)
        if n_features != self.n_features_in_:
            raise ValueError(
                f"X must have {self.n_features_in_} features, as in fit, got "
                f"{n_features}."
            )
        own = _names(X)
        if names is not None and own is not None and list(own) != list(names):
            raise ValueError(
                f"X must have the features of the fit in the same order, "
                f"{list(names)}, got {list(own)}."
            )
        return X

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return {name: state[name] for name in state if name not in self._of_rows}


def _call(X, *columns, local, method, options, empty):
    if len(X) == 0:
        return empty
    if callable(method):
        return method(local, X, *columns, **options)
    return getattr(local, method)(X, *columns, **options)


def _array(values: Any) -> Any:
    """A collection as an array in the chunks of its rows."""
    array = values if isinstance(values, da.Array) else values.to_dask_array()
    if array.ndim == 2 and array.numblocks[1] > 1:
        array = array.rechunk({1: -1})
    return array


def _column(values: Any) -> Any:
    """A series, or a frame of one column, as an array of one dimension."""
    array = _array(values)
    return array[:, 0] if array.ndim == 2 else array


def _names(X: Any) -> tuple[str, ...] | None:
    """Names of the columns of a data frame, if all are strings."""
    names = getattr(X, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
