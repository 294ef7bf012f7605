"""
===============================
A network trained on ranks: JAX
===============================

The same as with PyTorch, by a compiled step of gradient descent. The script needs JAX
and is not run when this page is built::

    pip install ".[jax]"  # in a clone of the repository
    python examples/train_jax.py
"""

import jax
from jax import numpy as jnp
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sksoftrank.jax import spearman_loss

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
y_train[::20] *= 100
scaler = StandardScaler().fit(X_train)
inputs, test_inputs = (
    jnp.asarray(scaler.transform(part)) for part in (X_train, X_test)
)
# The larger the target, the better: the best has the rank 1.
ranks = jnp.asarray(-y_train)[None]

# %%
# A network with one hidden layer, its loss, and a step with momentum.


def scores(weights, x):
    first, second = weights
    return jnp.maximum(x @ first, 0) @ second


def loss(weights):
    n = len(inputs)
    return spearman_loss(scores(weights, inputs)[None], ranks, epsilon=0.1) / n**3


@jax.jit
def step(weights, velocity):
    value, gradient = jax.value_and_grad(loss)(weights)
    velocity = jax.tree.map(lambda v, g: 0.9 * v - 3.0 * g, velocity, gradient)
    return jax.tree.map(jnp.add, weights, velocity), velocity, value


# %%
keys = jax.random.split(jax.random.key(0))
weights = (
    0.3 * jax.random.normal(keys[0], (inputs.shape[1], 32)),
    0.3 * jax.random.normal(keys[1], (32,)),
)
velocity = jax.tree.map(jnp.zeros_like, weights)
for _ in range(150):
    weights, velocity, value = step(weights, velocity)
outputs = scores(weights, test_inputs)
print(f"loss {value:.4f}, rank correlation {spearmanr(outputs, y_test)[0]:.2f}")
