"""What a fitted model says of rows that it has not seen: predictions, or losses."""

import numpy as np
from scipy.special import logsumexp
from sklearn.pipeline import Pipeline

# The loss of a class of probability 0 is that of this probability.
SMALLEST_PROBABILITY = np.finfo(np.float64).eps
LARGEST_LOSS = -np.log(SMALLEST_PROBABILITY)


def read_predictions(model, X, y):
    """Predictions, one finite number a row."""
    prediction = np.asarray(model.predict(X), dtype=np.float64)
    if prediction.shape not in (y.shape, (y.size, 1)):
        raise ValueError(
            f"estimator must predict one number for each row, got an array of shape "
            f"{prediction.shape} for {y.size} rows."
        )
    if not np.isfinite(prediction).all():
        raise ValueError(
            "estimator must predict finite numbers, got NaN or infinity; if y is very "
            "large, other units of it may help."
        )
    return prediction.ravel()


def read_scores(model, X, y, method, classes):
    """Scores of the classes: logarithms of probabilities, or else 0 for the predicted
    one and -1 for the others. NaN for classes unknown to the model.
    """
    response = np.asarray(getattr(model, method)(X))
    if method == "predict":
        return (response[:, None] == classes).astype(np.float64) - 1
    known = getattr(model, "classes_", None)
    if known is None:
        raise ValueError(
            f"estimator must have the attribute classes_ once fitted if it has "
            f"{method}, got a {type(model).__name__} without."
        )
    known = np.asarray(known)
    score = _log_probabilities(model, response, known.size, method)
    result = np.full((y.size, classes.size), np.nan)
    column = np.searchsorted(classes, known).clip(max=classes.size - 1)
    same = classes[column] == known
    result[:, column[same]] = score[:, same]
    return result


def label_losses(scores, label):
    """Losses of the labels (columns of the scores), capped; NaN for unknown ones."""
    return np.minimum(-scores[np.arange(label.size), label], LARGEST_LOSS)


def with_known_losses(losses, label, weight):
    """Losses in which the mean of its label takes the place of an unknown one."""
    unknown = np.isnan(losses)
    if not unknown.any():
        return losses
    known = weight * ~unknown
    total = np.bincount(label, known)
    mean = np.bincount(label, known * np.nan_to_num(losses))
    mean = np.divide(
        mean, total, out=np.full(total.size, LARGEST_LOSS), where=total > 0
    )
    return np.where(unknown, mean[label], losses)


def _log_probabilities(model, response, n_classes, method):
    """Logarithms of the probabilities of the classes, in the order of the model's."""
    if response.shape == (response.shape[0], 1) and n_classes == 2:
        response = response.ravel()
    if response.ndim == 1:
        pair = [1 - response, response]
        if method == "decision_function":
            pair = [np.zeros(response.size), response]
        response = np.column_stack(pair)
    n_pairs = n_classes * (n_classes - 1) // 2
    is_pairs = n_classes != response.shape[1] == n_pairs or _scores_pairs(model)
    if method == "decision_function" and n_classes > 2 and is_pairs:
        response = _from_pairs(response, n_classes)
    if response.shape[1] != n_classes:
        raise ValueError(
            f"estimator must have one column of {method} for each of its {n_classes} "
            f"classes, got {response.shape[1]}."
        )
    if method == "predict_proba":
        return np.log(np.maximum(response, SMALLEST_PROBABILITY))
    return response - logsumexp(response, axis=1, keepdims=True)


def _scores_pairs(model):
    """Whether decision values are those of pairs of classes: three for three, too."""
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "estimator_") and not hasattr(
            model, "decision_function_shape"
        ):
            model = model.estimator_
        else:
            return getattr(model, "decision_function_shape", None) == "ovo"


def _from_pairs(decision, n_classes):
    """Scores of classes from those of pairs, as scikit-learn's "ovr" has them: votes.

    The sums of the values that speak for a class, squeezed to less than a third of a
    vote, decide between equal numbers of votes.
    """
    votes, sums = np.zeros((2, decision.shape[0], n_classes))
    pairs = zip(*np.triu_indices(n_classes, 1), strict=True)
    for k, (i, j) in enumerate(pairs):
        speaks_for_first = decision[:, k] >= 0
        votes[:, i] += speaks_for_first
        votes[:, j] += ~speaks_for_first
        sums[:, i] += decision[:, k]
        sums[:, j] -= decision[:, k]
    return votes + sums / (3 * (np.abs(sums) + 1))
