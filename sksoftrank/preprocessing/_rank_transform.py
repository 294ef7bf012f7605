"""Transformers of features by soft ranks relative to the training sample."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from .._sklearn import Interval, StrOptions, check_array, fit_context
from .._typing import Features, OutputDistribution, RandomState
from ._soft_cdf_transformer import SoftCDFTransformer

# Normal scores are limited to those of this probability, as in QuantileTransformer.
SCORE_LIMIT = 1e-7

# So many quantiles of a target tell all of weights without end.
LARGEST_TARGET = 2**20


class SoftRankTransformer(SoftCDFTransformer):
    r"""Replace the values of each feature by soft ranks in the training sample.

    A smooth relative of `sklearn.preprocessing.QuantileTransformer`: the result is
    uniform or normal unless the feature has very long tails, but no two values are
    pulled apart faster than `epsilon` allows. As `epsilon` goes to 0 the ranks become
    hard; as it grows, a linear function of the feature is left.

    Parameters
    ----------
    epsilon : float, default=1.0
        Strength of the smoothing, at least 0: the ranks run from the lowest to the
        highest over `epsilon` interquartile ranges or more. Up to 1.8 a large normal
        sample is left as it is, and only values that gather more densely are smoothed;
        above, its middle becomes linear. One grid of values serves all features.
    output_distribution : {"uniform", "normal"}, default="uniform"
        Distribution of the transformed features. "uniform" is in [0, 1]; "normal" has
        mean 0 and standard deviation 1, and is limited to those values that a fraction
        of 1e-7 exceeds, 5.2.
    offset : float, default=0.5
        Rank r of n stands for the probability ``(r - offset) / (n + 1 - 2 * offset)``,
        with an offset in [0, 0.5]. 3/8 gives the normal scores of Blom [2]_, close to
        their expectation, 0 those of van der Waerden. Below 0.5, values outside of the
        range of the training sample get scores just beyond those of its ends: 2.50 and
        3.02 for Blom's and n = 100, where 0.5 has a cliff, from 2.58 to 5.2.
    subsample : int or None, default=10_000
        Largest number of distinct values of a feature to fit on. Of more, so many
        values are drawn, see the notes. None uses all.
    random_state : int, RandomState instance or None, default=None
        What draws the subsample.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        Interquartile range of each feature: the unit of `epsilon`. 1 for a feature that
        is constant, NaN for one that is NaN everywhere.
    soft_cdfs_ : list of n_features objects
        The fitted function of each feature, with methods ``cdf``, ``pdf`` and ``ppf``.
    n_values_ : ndarray of shape (n_features,)
        Number n of values of each feature, NaN left out, as the sum of their weights.
        Weights of a mean below 1 cannot be frequencies and get a mean of 1.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    See Also
    --------
    sklearn.preprocessing.QuantileTransformer : Interpolates hard ranks.
    SoftQuantileNormalizer : Gives all features one distribution from the data.
    soft_rank : The operator behind it.

    Notes
    -----
    Let h be `epsilon` times the scale of a feature, :math:`x_1 \le \ldots \le x_n` its
    training sample, and :math:`r_1, \ldots, r_n` the quadratic soft ranks of that
    sample with the strength :math:`h / n` ([1]_, eq. 13). Then `transform` gives
    :math:`(r - 1/2) / n`. A new value x, with i sample values below it, gets the rank
    that it has as a further member of the sample with a weight that goes to 0: the
    middle one of

    .. math::

        r_{i+1} - \frac{n}{h} (x_{i+1} - x), \qquad i + \frac{1}{2}, \qquad
        r_i + \frac{n}{h} (x - x_i) .

    So `transform` is non-decreasing and piecewise linear: it has the slope ``1 / h`` on
    *ramps*, one for each pool of the soft rank, and is constant between them.

    It is a distribution function: that of the distribution with a density of at most
    ``1 / h`` that is closest to the sample in the Wasserstein-2 distance.
    `inverse_transform` is its quantile function. For ``epsilon=0`` it is the empirical
    distribution function, with the mean of its two sides at jumps: average ranks.

    `fit` takes O(n log n) for each feature, `transform` O(log n) for each value. NaN
    are left out in `fit` and kept by `transform`. Sample weights are relative
    frequencies: a whole number is as good as that number of repeats, and a common
    factor of all changes nothing but, with an offset below 0.5, n. The interquartile
    range is that of the mid-distribution function, interpolated between distinct
    values, so it is above 0 for all features that vary.

    The subsample is stratified: the values of a feature, without NaN, are split along
    their order into `subsample` parts of equal weight, and from each one is drawn.

    Integers that float64 does not hold, beyond 2**53, are refused: subtract their
    minimum first.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [2] G. Blom, "Statistical Estimates and Transformed Beta-Variables", Wiley, 1958.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.preprocessing import SoftRankTransformer
    >>> X = np.array([[0.0], [1.0], [1.5], [8.0]])
    >>> SoftRankTransformer(epsilon=0).fit_transform(X).ravel()
    array([0.125, 0.375, 0.625, 0.875])
    >>> transformer = SoftRankTransformer(epsilon=1.0).fit(X)
    >>> transformer.transform(X).ravel().round(3)
    array([0.179, 0.414, 0.532, 0.875])
    >>> transformer.transform([[1.25], [100.0]]).ravel().round(3)
    array([0.473, 1.   ])
    """

    _parameter_constraints: ClassVar[dict] = {
        **SoftCDFTransformer._parameter_constraints,
        "output_distribution": [StrOptions({"uniform", "normal"})],
        "offset": [Interval(Real, 0, 0.5, closed="both")],
    }

    n_values_: NDArray[np.float64]

    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        output_distribution: OutputDistribution = "uniform",
        offset: float = 0.5,
        subsample: int | None = 10_000,
        random_state: RandomState = None,
    ) -> None:
        self.epsilon = epsilon
        self.output_distribution = output_distribution
        self.offset = offset
        self.subsample = subsample
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Features, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the soft distribution function of each feature.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training sample. NaN are left out.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative frequencies of the samples, at least 0 and not all 0.

        Returns
        -------
        SoftRankTransformer
            The fitted transformer.
        """
        samples = self._fit_sample(X, sample_weight)
        self.n_values_ = np.array([float(sample.total) for sample in samples])
        return self

    def __getattr__(self, name: str) -> Any:
        if name == "offset":  # older pickles have none
            return 0.5
        raise AttributeError(f"SoftRankTransformer has no attribute {name!r}.")

    def _quantile(self, u, j):
        # (r - offset) / (n + 1 - 2 offset) for u = (r - 1/2) / n
        u = u + (0.5 - u) * self._shrinkage(j)
        if self.output_distribution == "uniform":
            return u
        return ndtri(np.clip(u, SCORE_LIMIT, 1 - SCORE_LIMIT))

    def _quantile_slope(self, u, j):
        stretch = 1 - self._shrinkage(j)
        if self.output_distribution == "uniform":
            return stretch
        score = self._quantile(u, j)
        slope = stretch * np.sqrt(2 * np.pi) * np.exp(0.5 * score**2)
        is_limited = np.abs(score) >= -ndtri(SCORE_LIMIT)
        return np.where(is_limited, 0.0, slope)

    def _probability(self, y, j):
        u = y if self.output_distribution == "uniform" else ndtr(y)
        shrinkage = self._shrinkage(j)
        return u + (u - 0.5) * shrinkage / (1 - shrinkage)

    def _shrinkage(self, j):
        """By which part probabilities are closer to 1/2 than (r - 1/2) / n."""
        if self.offset == 0.5:
            return 0.0
        gap = 1 - 2 * self.offset
        return gap / (max(self.n_values_[j], 1) + gap)


class SoftQuantileNormalizer(SoftCDFTransformer):
    """Give all features the same distribution, by soft ranks.

    The soft version of the quantile normalisation of genomics [1]_, where the features
    are the arrays of an experiment and the samples its genes: the k-th smallest value
    of each feature becomes the mean of the k-th smallest values of all features. As
    `epsilon` grows, all values approach the median of the target.

    Parameters
    ----------
    epsilon : float, default=1.0
        Strength of the smoothing, at least 0, as in `SoftRankTransformer`: the
        transformed values run through the target in `epsilon` interquartile ranges of
        the feature or more.
    target : array-like of shape (n_target,), default=None
        A sample of the distribution to give to the features, in any order. None takes
        the mean of the quantile functions of the training features, which then ought to
        have the same unit.
    subsample : int or None, default=10_000
        Largest number of distinct values of a feature to fit on. Of more, so many
        values are drawn, see the notes. None uses all.
    random_state : int, RandomState instance or None, default=None
        What draws the subsample.

    Attributes
    ----------
    target_quantiles_ : ndarray of shape (n_quantiles,)
        The quantiles of the target at the probabilities ``(k - 1/2) / n_quantiles`` for
        k = 1, ..., n_quantiles.
    scale_ : ndarray of shape (n_features,)
        Interquartile range of each feature: the unit of `epsilon`. 1 for a feature that
        is constant, NaN for one that is NaN everywhere.
    soft_cdfs_ : list of n_features objects
        The fitted function of each feature, with methods ``cdf``, ``pdf`` and ``ppf``.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    See Also
    --------
    SoftRankTransformer : Gives the features a uniform or normal distribution.
    PermutahedronProjection : Normalises rows instead of features.

    Notes
    -----
    A value x of a feature becomes ``Q(F(x))``, with F what `SoftRankTransformer` makes
    of it, and Q the linear interpolation of `target_quantiles_`, constant outside. For
    ``epsilon=0``, all training samples in use, no NaN and no ties, this is classical
    quantile normalisation; tied values share the target at their mean rank.

    With ``target=None`` there are as many quantiles as the feature with the fewest NaN
    has values, repeats by weights among them, but not more than `subsample`; features
    with more NaN are interpolated.

    To normalise samples instead, each over its features and without reference to other
    samples (arrays as rows), use ``PermutahedronProjection(w="mean")``.

    References
    ----------
    .. [1] B. M. Bolstad, R. A. Irizarry, M. Astrand, T. P. Speed, "A comparison of
       normalization methods for high density oligonucleotide array data based on
       variance and bias", Bioinformatics 19, 2003.
    .. [2] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.preprocessing import SoftQuantileNormalizer
    >>> X = np.array([[5.0, 4.0], [2.0, 1.0], [3.0, 40.0]])
    >>> SoftQuantileNormalizer(epsilon=0).fit_transform(X)
    array([[22.5,  3.5],
           [ 1.5,  1.5],
           [ 3.5, 22.5]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **SoftCDFTransformer._parameter_constraints,
        "target": ["array-like", None],
    }

    target_quantiles_: NDArray[np.float64]

    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        target: ArrayLike | None = None,
        subsample: int | None = 10_000,
        random_state: RandomState = None,
    ) -> None:
        self.epsilon = epsilon
        self.target = target
        self.subsample = subsample
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Features, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the target and the soft distribution function of each feature.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training sample. NaN are left out.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the samples, at least 0 and not all 0. Weights of a mean
            below 1 cannot be frequencies and get a mean of 1.

        Returns
        -------
        SoftQuantileNormalizer
            The fitted transformer.
        """
        samples = self._fit_sample(X, sample_weight)
        if self.target is None:
            self.target_quantiles_ = _mean_quantiles(
                samples, LARGEST_TARGET if self.subsample is None else self.subsample
            )
        else:
            target = check_array(
                self.target, ensure_2d=False, dtype=np.float64, input_name="target"
            )
            if target.ndim != 1:
                raise ValueError(
                    f"target must have one dimension, got shape {target.shape}."
                )
            self.target_quantiles_ = np.sort(target)
        return self

    def _quantile(self, u, _):
        return _interpolate(u, self._probabilities(), self.target_quantiles_)

    def _quantile_slope(self, u, _):
        q = self.target_quantiles_
        # Of the piece between the probabilities of q[k - 1] and q[k].
        slope = np.concatenate([[0.0], np.diff(q) * q.size, [0.0]])
        return slope[np.searchsorted(self._probabilities(), u)]

    def _probability(self, y, _):
        # From both sides, so that equal quantiles share the middle.
        q, p = self.target_quantiles_, self._probabilities()
        below = -_interpolate(-y, -q[::-1], -p[::-1])
        return 0.5 * (_interpolate(y, q, p) + below)

    def _probabilities(self):
        n = self.target_quantiles_.size
        return (np.arange(n) + 0.5) / n


def _interpolate(x, knots, values):
    """`numpy.interp`, which takes NaN for a single value."""
    return np.where(np.isnan(x), np.nan, np.interp(x, knots, values))


def _mean_quantiles(samples, largest):
    """Mean over the features of their quantiles."""
    samples = [sample for sample in samples if sample.values.size]
    if not samples:
        return np.full(1, np.nan)
    n = max(1, round(min(largest, max(sample.total for sample in samples))))
    probability = (np.arange(n) + 0.5) / n
    return np.mean([_quantiles(sample, probability) for sample in samples], axis=0)


def _quantiles(sample, probability):
    values, weight, total = sample
    m = values.size
    if weight is None:
        return np.interp(probability, (np.arange(m) + 0.5) / m, np.sort(values))
    # A value stands for its repeats, from the middle of the first to that of the last.
    order = np.argsort(values)
    weight = weight[order] * (total / weight.sum())
    edges = np.cumsum(weight)
    half = np.minimum(0.5, 0.5 * weight)
    knots = np.ravel([edges - weight + half, edges - half], order="F") / edges[-1]
    return np.interp(probability, knots, np.repeat(values[order], 2))
