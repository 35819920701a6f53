"""A convolutional network on scikit-learn's digits, in Keras 3: find the rate, apply it, train and prove it.

$ python examples/keras_digits.py
$ KERAS_BACKEND=jax python examples/keras_digits.py
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lrrange


def make_model() -> keras.Model:
    """Return a compiled network, with the rate that Keras gives to Adam."""
    layers = [
        keras.layers.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    return model


def main() -> None:
    """Train once at the rate that Keras gives, and once at the one that is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    images, digits = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        images.reshape(-1, 8, 8, 1).astype("float32") / 16, digits, test_size=400, random_state=0
    )
    training = {"x": x, "y": y, "batch_size": 32, "epochs": options.epochs}

    for finding in (False, True):
        keras.utils.set_random_seed(options.seed)
        model = make_model()
        if finding:
            result = lrrange.find_lr(model, **training, seed=options.seed, progress=False)
            print(result)
            print("applied:", result.apply(model))
            with result.verify(model):  # raises if the fit trains at another rate
                model.fit(**training, verbose=0)
        else:
            model.fit(**training, verbose=0)
        loss, accuracy = model.evaluate(x_val, y_val, verbose=0)
        rate = "found" if finding else "of Keras"
        print(f"rate {rate:<8} {float(model.optimizer.learning_rate):.2e}: held-out loss {loss:.3f}, {accuracy:.1%}")


if __name__ == "__main__":
    main()
