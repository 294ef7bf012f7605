"""Names of the features that the last step of a pipeline sees."""

from typing import Any

from sklearn.pipeline import Pipeline


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last one of a pipeline."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def names_of(estimator: Any) -> list[str] | None:
    """Names of the features of the last step, or None if they are not known."""
    names = getattr(last_step(estimator), "feature_names_in_", None)
    if names is None and isinstance(estimator, Pipeline):
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError, TypeError):  # a step does not tell
            return None
    return None if names is None else [str(name) for name in names]
