"""Trainings that `lrrange.testing` runs its contract on."""

from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import torch
from scipy import sparse
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrrange.testing import Rig
from tests.frameworks.sklearn.trainings import (
    DIGIT,
    DIGITS,
    LABELS,
    PATIENTS,
    PIXELS,
    PROGRESS,
    Scorer,
    classifier,
    plain_net,
    regressor,
    seed,
)


def observed(estimator: Any) -> dict[str, Any]:
    """Checksums of everything that an estimator holds, and of NumPy's and torch's random states."""
    held = {name: joblib.hash(value) for name, value in vars(estimator).items()}
    return held | {"numpy": joblib.hash(np.random.get_state()), "torch": joblib.hash(torch.get_rng_state().numpy())}


def weights_of(estimator: Any) -> list[Any]:
    held = vars(estimator)
    return [held["coef_"]] if "coef_" in held else held["coefs_"]


def rig_of(estimator: Any, X: Any, y: Any, steps_before: int = 0, **options: Any) -> Rig:  # noqa: N803
    seed()
    batches = np.random.RandomState(3)
    classes = (
        {"classes": np.unique(y)} if hasattr(estimator, "predict_proba") or "Classifier" in repr(estimator) else {}
    )

    def train(steps: int) -> list[float]:
        sums = []
        for _ in range(steps):
            rows = batches.choice(len(y), 32, replace=False)
            estimator.partial_fit(X[rows], y[rows], **classes)
            sums.append(float(sum(np.sum(part) for part in weights_of(estimator))))
        return sums

    train(steps_before)
    return Rig(
        target=estimator,
        options={"X": X, "y": y, **options},
        observe=lambda: observed(estimator),
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 0.03},
    )


def linear_of_many_classes() -> Rig:
    return rig_of(SGDClassifier(loss="log_loss", learning_rate="constant"), DIGITS, DIGIT)


def linear_of_two_classes_averaged_and_resumed() -> Rig:
    estimator = SGDClassifier(learning_rate="adaptive", average=True, random_state=np.random.RandomState(1))
    return rig_of(estimator, DIGITS, np.where(DIGIT < 5, "low", "high"), steps_before=4)


def linear_regression_on_a_sparse_matrix() -> Rig:
    return rig_of(
        SGDRegressor(penalty="elasticnet"), sparse.csr_matrix(PATIENTS), PROGRESS, sample_weight=1 + PATIENTS[:, 0] ** 2
    )


def perceptron_with_adam() -> Rig:
    return rig_of(MLPClassifier(hidden_layer_sizes=(16,)), DIGITS, DIGIT)


def perceptron_with_momentum_resumed() -> Rig:
    estimator = MLPClassifier(
        hidden_layer_sizes=(16,), solver="sgd", learning_rate="invscaling", random_state=np.random.RandomState(2)
    )
    return rig_of(estimator, DIGITS, DIGIT, steps_before=4)


def perceptron_of_several_outputs() -> Rig:
    estimator = MLPRegressor(hidden_layer_sizes=(8, 8), solver="sgd", learning_rate="adaptive", random_state=5)
    return rig_of(estimator, PATIENTS.astype("float32"), np.stack([PROGRESS, PROGRESS**2], axis=1))


def pipeline() -> Rig:
    """Its last step is observed and trained; nothing of it is changed by the sweep."""
    rig = rig_of(SGDClassifier(learning_rate="constant", random_state=0), DIGITS, DIGIT)
    steps = make_pipeline(StandardScaler(), rig.target)
    return Rig(target=steps, options=rig.options, observe=rig.observe, train=rig.train, sweep=rig.sweep)


ESTIMATORS: tuple[Callable[[], Rig], ...] = (
    linear_of_many_classes,
    linear_of_two_classes_averaged_and_resumed,
    linear_regression_on_a_sparse_matrix,
    perceptron_with_adam,
    perceptron_with_momentum_resumed,
    perceptron_of_several_outputs,
    pipeline,
)


def rig_of_net(net: Any, X: Any, y: Any, epochs_before: int = 0) -> Rig:  # noqa: N803
    """A rig whose training is `partial_fit`, epochs of two batches, with skorch's own callbacks."""

    def observe() -> dict[str, Any]:
        held = {
            name: joblib.hash(value)
            for name, value in vars(net).items()
            if name in ("lr", "history_", "initialized_", "classes_inferred_", "callbacks", "verbose")
        }
        names = sorted(vars(net))
        if not net.initialized_:
            return held | {"names": names, "torch": joblib.hash(torch.get_rng_state().numpy())}
        return held | {
            "names": names,
            "modes": [each.training for each in net.module_.modules()],
            "module": {name: value.numpy().tobytes() for name, value in net.module_.state_dict().items()},
            "gradients": [
                None if each.grad is None else each.grad.numpy().tobytes() for each in net.module_.parameters()
            ],
            "optimizer": joblib.hash(net.optimizer_.state_dict()),
            "hooks": len(net.optimizer_._optimizer_step_pre_hooks),
            "callbacks_": [(name, id(each)) for name, each in net.callbacks_],
            "torch": joblib.hash(torch.get_rng_state().numpy()),
        }

    def train(steps: int) -> list[float]:
        losses: list[float] = []
        while len(losses) < steps:
            net.partial_fit(X, y)
            losses += [float(batch["train_loss"]) for batch in net.history[-1, "batches"] if "train_loss" in batch]
            losses.append(float(net.history[-1].get("valid_loss", 0.0)))
        return losses

    net.max_epochs = 1
    if epochs_before:
        net.partial_fit(X, y)
    return Rig(
        target=net,
        options={"X": X, "y": y},
        observe=observe,
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 0.03},
    )


def net_not_initialized() -> Rig:
    return rig_of_net(classifier(batch_size=200), PIXELS, LABELS)


def net_with_adam_resumed() -> Rig:
    net = classifier(optimizer=torch.optim.Adam, optimizer__param_groups=[("head*", {"lr": 0.02})], lr=0.01)
    return rig_of_net(net, PIXELS[:128], LABELS[:128], epochs_before=1)


def net_of_a_module_that_exists() -> Rig:
    seed()
    net = regressor(module=Scorer(), train_split=None, optimizer__momentum=0.9)
    return rig_of_net(net, PATIENTS.astype("float32"), PROGRESS.astype("float32").reshape(-1, 1))


def net_on_a_data_set() -> Rig:
    inputs, targets = torch.from_numpy(PATIENTS).float(), torch.from_numpy(PROGRESS).float().reshape(-1, 1)
    net = plain_net(iterator_train__shuffle=True, iterator_train__generator=torch.Generator().manual_seed(3))
    return rig_of_net(net, torch.utils.data.TensorDataset(inputs, targets), None)


NETS: tuple[Callable[[], Rig], ...] = (
    net_not_initialized,
    net_with_adam_resumed,
    net_of_a_module_that_exists,
    net_on_a_data_set,
)
