"""The private names of scikit-learn that the estimators need, in one place.

They are what scikit-learn's own estimators use to check parameters, unchanged in the
supported versions 1.6 to 1.9.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = ["Interval", "StrOptions", "fit_context"]
