"""Callbacks of scikit-learn, in the versions that have them (from 1.9 on)."""

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for the mixin: there are no callbacks to support."""


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
        if hasattr(estimator, "set_callbacks"):
            self.fit_task = estimator._init_callback_context(max_subtasks=None)
            self.fit_task.call_on_fit_task_begin(**self.data)

    def begin_iteration(self):
        """Say that an iteration begins, unless one has begun."""
        if self.fit_task is not None and self.iteration is None:
            self.iteration = self.fit_task.subcontext(task_name="iteration")
            self.iteration.call_on_fit_task_begin(**self.data)

    def end_iteration(self, attributes):
        """Say that the iteration ended, and return whether a callback asks to stop.

        `attributes` is a function that returns the fitted attributes as a dict.
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
