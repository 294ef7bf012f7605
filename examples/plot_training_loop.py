"""
A training loop with the Jacobian
=================================

No autodiff framework is needed to train through ranks: `return_jacobian=True` returns
an object with the product `vjp`, and an optimiser of SciPy does the rest. Here two
linear models learn from targets that were bent by an unknown increasing function: one
by least squares, one by the correlation of soft ranks, which no such function changes.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata, spearmanr

from sksoftrank import soft_rank

rng = np.random.default_rng(0)
coef = np.array([1.0, -2.0, 0.5, 0.0, 1.5])
X, X_test = rng.normal(size=(2, 300, 5))
y, y_test = (np.exp(2 * (A @ coef) + 0.5 * rng.normal(size=300)) for A in (X, X_test))

# %%
# Value and gradient
# ------------------
#
# The loss is one minus Pearson's correlation of the soft ranks with the ranks of y.
# Backwards through it: the derivative of the correlation in the ranks, then one `vjp`
# through the ranks to the scores, then the features. Scores are divided by their
# standard deviation, as the correlation should not depend on their size; that
# derivative comes from the quotient rule.

target = rankdata(y) - (len(y) + 1) / 2
target /= np.linalg.norm(target)


def rank_loss(w, epsilon):
    """One minus the soft rank correlation, and its gradient in w."""
    raw = X @ w
    centred = raw - raw.mean()
    size = centred.std()
    scores = centred / size
    ranks, jacobian = soft_rank(scores, epsilon, return_jacobian=True)
    deviation = ranks - ranks.mean()
    norm = np.linalg.norm(deviation)
    correlation = deviation @ target / norm
    in_ranks = -(target - correlation * deviation / norm) / norm
    in_scores = jacobian.vjp(in_ranks)
    in_centred = (in_scores - scores * (scores @ in_scores) / len(y)) / size
    return 1 - correlation, X.T @ (in_centred - in_centred.mean())


# %%
# Before an optimiser is trusted with it, a gradient is compared with differences:

w = rng.normal(size=5)
steps = 1e-6 * np.eye(5)
differences = [
    (rank_loss(w + step, 0.1)[0] - rank_loss(w - step, 0.1)[0]) / 2e-6 for step in steps
]
print(np.abs(rank_loss(w, 0.1)[1] - differences).max() < 1e-6)

# %%
# Training
# --------
#
# A large `epsilon` first, for a smooth start, then a smaller one.

history = []


def record(w):
    history.append(spearmanr(X_test @ w, y_test).statistic)


w = rng.normal(size=5)
record(w)
for epsilon in (1.0, 0.1):
    fit = minimize(
        rank_loss, w, (epsilon,), jac=True, method="L-BFGS-B", callback=record
    )
    w = fit.x
least_squares = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=None)[0]
reference = spearmanr(X_test @ least_squares, y_test).statistic

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.plot(history, "o-", label="soft ranks")
left.axhline(reference, color="C1", label="least squares on y")
left.set(xlabel="iteration", ylabel="Spearman correlation on test rows")
left.legend()
width = 0.27
places = np.arange(5)
for k, (name, values) in enumerate(
    {"true": coef, "soft ranks": w, "least squares": least_squares}.items()
):
    heights = values / np.linalg.norm(values)
    right.bar(places + (k - 1) * width, heights, width, label=name)
right.set(xlabel="coefficient", title="coefficients, of length one")
right.legend()
plt.show()
