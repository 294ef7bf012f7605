"""The private names of scikit-learn that the estimators need, in one place.

They are what scikit-learn's own estimators use to check parameters, unchanged in the
supported versions 1.6 to 1.9.
"""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from itertools import chain
from numbers import Real
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import get_config, utils
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _Scorer as Scorer
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._array_api import _is_numpy_namespace, get_namespace
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._param_validation import validate_params as _validate_params
from sklearn.utils.metadata_routing import _raise_for_params as raise_for_params
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.parallel import _get_threadpool_controller as threadpool_controller
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight

if TYPE_CHECKING:
    # scikit-learn has no types: what our estimators have from it, for type checkers.
    class _BaseEstimator:
        n_features_in_: int
        feature_names_in_: NDArray[Any]

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def get_metadata_routing(self) -> Any: ...
        def set_fit_request(self, **requests: bool | str | None) -> Self: ...
        def set_predict_request(self, **requests: bool | str | None) -> Self: ...
        def set_score_request(self, **requests: bool | str | None) -> Self: ...
        def __sklearn_tags__(self) -> Any: ...

    class _ScoreMixin:
        def score(
            self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
        ) -> float: ...

    class _ClassifierMixin(_ScoreMixin): ...

    class _RegressorMixin(_ScoreMixin): ...

    class TransformerMixin:
        def fit_transform(
            self, X: Any, y: ArrayLike | None = None, **fit_params: Any
        ) -> Any: ...
        def set_output(self, *, transform: str | None = None) -> Self: ...

    class OneToOneFeatureMixin:
        def get_feature_names_out(
            self, input_features: ArrayLike | None = None
        ) -> NDArray[Any]: ...

    class MetaEstimatorMixin: ...

    class CallbackSupportMixin:
        def set_callbacks(self, *callbacks: Any) -> Self: ...

else:
    from sklearn.base import BaseEstimator as _BaseEstimator
    from sklearn.base import ClassifierMixin as _ClassifierMixin
    from sklearn.base import (
        MetaEstimatorMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
    )
    from sklearn.base import RegressorMixin as _RegressorMixin

    try:
        from sklearn.callback import CallbackSupportMixin
    except ImportError:

        class CallbackSupportMixin:
            """Stands in for the mixin: before 1.9 there are no callbacks."""


__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "FitCallbacks",
    "HasMethods",
    "Interval",
    "MetaEstimatorMixin",
    "OneToOneFeatureMixin",
    "RegressorMixin",
    "Scorer",
    "StrOptions",
    "TransformerMixin",
    "check_X_y",
    "check_array",
    "check_method_params",
    "check_sample_weight",
    "count_masked",
    "fit_context",
    "is_lazy",
    "numeric_targets",
    "plain_classes",
    "raise_for_params",
    "refuse_dates",
    "refuse_lazy",
    "refuse_masked",
    "refuse_other_arrays",
    "safe_indexing",
    "safe_split",
    "scorer_takes",
    "threadpool_controller",
    "validate_data",
    "validate_params",
]

F = TypeVar("F", bound=Callable[..., Any])

# Where the site is published.
SITE = "https://sksoftrank.github.io/sksoftrank"


class BaseEstimator(_BaseEstimator):
    """Estimator of which the HTML representation links to its page of our site."""

    _doc_link_module = "sksoftrank"
    _doc_link_template = SITE + "/api/generated/sksoftrank.{estimator_name}.html"


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[F], F]:
    """scikit-learn's decorator of `fit`, which checks parameters, with a type."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def validate_params(
    constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[F], F]:
    """scikit-learn's decorator of functions, which checks parameters, with a type."""
    return _validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )


def is_lazy(value: Any) -> bool:
    """Whether a value is a collection of dask, which is in memory nowhere."""
    dask: Any = sys.modules.get("dask.base")  # else there is none
    return dask is not None and dask.is_dask_collection(value)


def refuse_lazy(value: Any, name: str) -> None:
    """Say which module has the estimators for collections of dask."""
    if is_lazy(value):
        raise TypeError(
            f"{name} must be in memory, got a {type(value).__name__} of dask: "
            f"sksoftrank.dask has estimators that read it block by block, and "
            f"compute() brings it to memory."
        )


def refuse_masked(value: Any, name: str) -> None:
    """Say that masked entries are no numbers, in an array or in a list of them."""
    n_masked = count_masked(value)
    if n_masked:
        raise TypeError(
            f"{name} must be an array without missing values, got a masked array with "
            f"{n_masked} masked entries."
        )


def count_masked(value: Any) -> int:
    """Number of masked entries of an array, or of arrays in a list."""
    n_masked, level = 0, [value]
    while level:
        kinds = set(map(type, level))  # few, of many numbers
        if any(issubclass(kind, np.ma.MaskedArray) for kind in kinds):
            arrays = (item for item in level if isinstance(item, np.ma.MaskedArray))
            n_masked += sum(int(np.ma.count_masked(array)) for array in arrays)
        nested = tuple(kind for kind in kinds if issubclass(kind, list | tuple))
        rows = [item for item in level if isinstance(item, nested)] if nested else []
        level = list(chain.from_iterable(rows))
    return n_masked


def refuse_other_arrays(*arrays, names=("X", "y")):
    """Raise for arrays that are not NumPy's where scikit-learn would keep them.

    That is with ``array_api_dispatch=True``; else it makes them NumPy's. Collections of
    dask are refused in any case, for it would gather them, and masked entries, for it
    would take what is under the mask.
    """
    for array, name in zip(arrays, names, strict=False):
        refuse_lazy(array, name)
        refuse_masked(array, name)
    if not get_config()["array_api_dispatch"]:
        return
    for array in arrays:
        if hasattr(array, "shape") and not _is_numpy_namespace(get_namespace(array)[0]):
            raise TypeError(
                f"estimators and scores of sksoftrank take NumPy arrays, got a "
                f"{type(array).__module__}.{type(array).__name__}, which "
                f"array_api_dispatch=True forbids to convert: convert it before, or "
                f"set array_api_dispatch=False."
            )


class ClassifierMixin(_ClassifierMixin):
    """scikit-learn's, of which the score refuses such arrays, too."""

    def score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Accuracy of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            True classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The weighted part of the rows of which the class is right.
        """
        refuse_other_arrays(y, sample_weight, names=("y", "sample_weight"))
        refuse_dates(sample_weight, "sample_weight")
        return super().score(X, plain_classes(y), sample_weight)


class RegressorMixin(_RegressorMixin):
    """scikit-learn's, of which the score refuses such arrays, too."""

    def score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """R2 of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The score: 1.0 is best, and the best constant has 0.0.
        """
        refuse_other_arrays(y, sample_weight, names=("y", "sample_weight"))
        refuse_dates(y, "y")
        refuse_dates(sample_weight, "sample_weight")
        try:
            return super().score(X, y, sample_weight)
        except (TypeError, ValueError) as error:
            explained = _explained(error, y, "y", numeric=True)
            if explained is None:
                raise
            raise explained from error


def refuse_dates(value: Any, name: str) -> None:
    """Say that dates and durations are no numbers, which scikit-learn makes of them."""
    if hasattr(value, "columns") and hasattr(value, "dtypes"):
        dtypes = dict(zip(value.columns, value.dtypes, strict=True))
    else:
        while isinstance(value, list | tuple) and value:
            value = value[0]
        dtypes = {None: getattr(value, "dtype", None)}
    for column, dtype in dtypes.items():
        is_temporal = getattr(dtype, "is_temporal", bool)  # of polars
        if is_temporal() or getattr(dtype, "kind", None) in ("m", "M"):
            where = "" if column is None else f" in column {column!r}"
            raise TypeError(
                f"{name} must hold real numbers, got {dtype}{where}; subtract a date "
                f"and divide by a unit of time."
            )


def plain_classes(y: Any, name: str = "y") -> Any:
    """Numbers in an array of objects as an array of numbers; all else as it is.

    Or say that one of the objects is a missing class.
    """
    refuse_masked(y, name)
    if is_lazy(y):  # which a check refuses
        return y
    try:
        array = np.asarray(y)
    except ValueError:  # ragged
        return y
    if array.dtype.kind != "O" or array.ndim == 0:
        return y
    for item in array.flat:
        if item is None or type(item).__name__ == "NAType":
            raise ValueError(f"{name} must hold a class for each row, got {item}.")
    kinds = set(map(type, array.flat))
    if not kinds or not all(issubclass(k, Real | np.bool_) for k in kinds):
        return y
    return np.reshape(np.array(array.ravel().tolist()), array.shape)


def _refusing(check, n_before, names=("X", "y")):
    """A check of scikit-learn that refuses such arrays first, and names what fails."""

    @wraps(check)
    def refuse_and_check(*arguments, **options):
        own = options.get("input_name") or names[0], *names[1:]
        arrays = arguments[n_before : n_before + 2]
        refuse_other_arrays(*arrays, names=own)
        separate = options.get("validate_separately")
        of_first = separate[0] if separate else options
        is_numeric = (
            of_first.get("dtype", "numeric") is not None,
            bool(separate or options.get("y_numeric")),
        )
        named = list(zip(arrays, own, is_numeric, strict=False))
        for array, name, numeric in named:
            if numeric:
                refuse_dates(array, name)
        try:
            return check(*arguments, **options)
        except (TypeError, ValueError) as error:
            for array, name, numeric in named:
                explained = _explained(error, array, name, numeric)
                if explained is not None:
                    raise explained from error
            raise

    return refuse_and_check


def _explained(error, array, name, numeric):
    """The error with the argument that is no number, and its column, or None."""
    if "NA is ambiguous" in str(error) or "NAType" in str(error):
        items = np.asarray(array, dtype=object).flat
        if any(type(item).__name__ == "NAType" for item in items):
            return ValueError(f"{name} must hold no missing values, got NA.")
        return None
    if not numeric or sparse.issparse(array):
        return None
    where = _not_real(array)
    if where is None and "bytes/strings" in str(error):
        where = "" if np.asarray(array).dtype.kind in "SU" else None
    if where is None:
        return None
    kind = TypeError if isinstance(error, TypeError) else ValueError
    reason = str(error).partition("\n")[0]
    return kind(f"{name} must hold real numbers{where}: {reason}")


def _not_real(array):
    """Where an array holds text that is no number, complex numbers or other objects."""
    if hasattr(array, "columns") and hasattr(array, "dtypes"):
        columns = {f", not as column {c!r}": array[c] for c in array.columns}
    else:
        try:
            table = np.asarray(array)
        except (TypeError, ValueError):  # ragged, or of columns that NumPy cannot join
            return None
        if table.dtype.kind in "fiub":
            return None
        columns = {"": table}
        if table.ndim == 2 and table.dtype.kind == "O":
            columns = {f", not as column {j}": c for j, c in enumerate(table.T)}
    for where, column in columns.items():
        column = np.asarray(column)
        if column.dtype.kind == "c":
            return where
        try:
            column.astype(np.float64)
        except (TypeError, ValueError):
            return where
    return None


check_array = _refusing(utils.check_array, 0)
check_sample_weight = _refusing(_check_sample_weight, 0, ("sample_weight", "X"))
check_X_y = _refusing(utils.check_X_y, 0)
validate_data = _refusing(utils.validation.validate_data, 1)


def numeric_targets(y: NDArray[Any]) -> NDArray[Any]:
    """Targets of `validate_data` as numbers, of which it leaves text as it is."""
    if y.dtype.kind not in "US":
        return y
    return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")


def scorer_takes(scorer, name):
    """Whether a scorer, or the function that it is made of, has such an argument.

    Where metadata routing is enabled scorers request it, and nobody need look.
    """
    function = getattr(scorer, "_score_func", scorer)
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == name or p.kind == p.VAR_KEYWORD for p in parameters)


class FitCallbacks:
    """Tells the callbacks of an estimator about its fit and the iterations of it.

    Each iteration is a task within that of the fit. `fit` of the estimator is decorated
    with scikit-learn's ``fit_context``, which ends the callbacks, also after an error.

    Parameters
    ----------
    estimator : estimator
        The estimator whose fit begins, with the `CallbackSupportMixin`.
    X, y : array-like
        The training data.
    metadata : dict
        The other arguments of `fit`.
    """

    def __init__(self, estimator, X, y, metadata):
        self.fit_task = self.iteration = None
        self.data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        if getattr(estimator, "_skl_callbacks", None):  # else there is nobody to tell
            self.fit_task = estimator._init_callback_context(max_subtasks=None)
            self.fit_task.call_on_fit_task_begin(**self.data)

    def begin_iteration(self, name="iteration"):
        """Say that an iteration, or another task, begins, unless one has begun."""
        if self.fit_task is not None and self.iteration is None:
            self.iteration = self.fit_task.subcontext(task_name=name)
            self.iteration.call_on_fit_task_begin(**self.data)

    def end_iteration(self, attributes):
        """Say that the iteration ended, and return whether a callback asks to stop.

        `attributes` is a function that returns the fitted attributes as a dict, or None
        if there are none yet.
        """
        if self.iteration is None:
            return False
        iteration, self.iteration = self.iteration, None
        return iteration.call_on_fit_task_end(
            **self.data, reconstruction_attributes=attributes
        )

    def end_fit(self):
        """Say that the fit ended; the estimator has its attributes."""
        if self.fit_task is not None:
            self.end_iteration(dict)  # one that was begun and found nothing to do
            self.fit_task.call_on_fit_task_end(
                **self.data, reconstruction_attributes=dict
            )
