"""Which learning rate for an MLPClassifier, an SGDClassifier and a skorch net on the digits of scikit-learn?

python examples/sklearn_digits.py     # with lrrange[sklearn], and skorch and torch for the net
"""

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

import lrrange

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X.astype("float32"), y, random_state=0)
torch.manual_seed(0)


class Network(nn.Sequential):
    def __init__(self, hidden=32):
        super().__init__(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10), nn.Softmax(-1))


models = {
    "SGDClassifier": SGDClassifier(loss="log_loss", learning_rate="constant", max_iter=5, tol=None, random_state=0),
    "MLPClassifier": MLPClassifier(max_iter=5, tol=0.0, n_iter_no_change=100, random_state=0),
    "skorch net": NeuralNetClassifier(Network, max_epochs=5, optimizer=torch.optim.Adam, verbose=0),
}
for name, model in models.items():
    model = make_pipeline(StandardScaler(), model)
    before = model.fit(X_train, y_train).score(X_test, y_test)

    result = lrrange.find_lr(model, X=X_train, y=y_train, seed=0)
    result.apply(model)

    after = model.fit(X_train, y_train).score(X_test, y_test)
    print(f"{name:13} lr {result.lr:.2g}: accuracy after five epochs {after:.3f}, at the default rate {before:.3f}")
