"""
===================================
A network trained on ranks: PyTorch
===================================

Where only the order of predictions counts, a network can be trained on it. The loss is
the squared distance of the soft ranks of its outputs to the ranks of the targets, which
is Spearman's rank correlation once they are hard. The script needs PyTorch and is not
run when this page is built::

    pip install ".[torch]"  # in a clone of the repository
    python examples/train_pytorch.py
"""

import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sksoftrank.torch import SpearmanLoss

# %%
# The targets are given a few wild values, which least squares would run after; their
# ranks hardly notice.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
y_train[::20] *= 100
scaler = StandardScaler().fit(X_train)
inputs, test_inputs = (
    torch.tensor(scaler.transform(part), dtype=torch.float32)
    for part in (X_train, X_test)
)
# The larger the target, the better. The loss ranks anew what it is given, the smallest
# first, so the negative targets do: the largest target gets the rank 1.
ranks = torch.tensor(-y_train, dtype=torch.float32)


def train(criterion, targets):
    """A network with one hidden layer, and its outputs for the test set."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = criterion(network(inputs).T, targets[None])
        loss.backward()
        optimizer.step()
    return network(test_inputs).detach().numpy()[:, 0]


# %%
# One row of scores holds all of the training set. `epsilon` is in the units of the
# network's outputs, whose size it learns.

by_ranks = train(SpearmanLoss(epsilon=0.1), ranks)
standardised = torch.tensor((y_train - y_train.mean()) / y_train.std()).float()
by_squares = train(torch.nn.MSELoss(), standardised)
for name, outputs in (("ranks", by_ranks), ("squared errors", by_squares)):
    print(f"trained on {name}: rank correlation {spearmanr(outputs, y_test)[0]:.2f}")
