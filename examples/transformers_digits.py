"""Which learning rate for a small vision transformer on the digits of scikit-learn, trained by a Trainer?

python examples/transformers_digits.py     # with lrrange[transformers], and scikit-learn for the digits
"""

import tempfile

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

import lrrange


def items(images, labels):
    return [
        {"pixel_values": image[None].astype("float32") / 8 - 1, "labels": int(label)}
        for image, label in zip(images, labels, strict=True)
    ]


def make_trainer():
    set_seed(0)
    config = ViTConfig(
        image_size=8, patch_size=4, num_channels=1, num_labels=10,
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
    )  # fmt: skip
    args = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        num_train_epochs=5,
        per_device_train_batch_size=32,
        warmup_steps=20,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    return Trainer(
        model=ViTForImageClassification(config),
        args=args,
        train_dataset=train,
        eval_dataset=test,
        compute_metrics=lambda outputs: {"accuracy": np.mean(outputs.predictions.argmax(-1) == outputs.label_ids)},
    )


digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)
train, test = items(x_train, y_train), items(x_test, y_test)

by_default = make_trainer()
trainer = make_trainer()

result = lrrange.find_lr(trainer)
applied = result.apply(trainer)
proof = result.verify(trainer)

by_default.train()
trainer.train()
print(f"found {result.lr:.2e}, applied {applied['args.learning_rate']:.2e} ({applied['schedule']})")
print(f"seen in force in the first steps: {proof.proved}")
for name, trained in (("at the default of 5e-05", by_default), ("at the rate that was found", trainer)):
    print(f"accuracy {trained.evaluate()['eval_accuracy']:.3f} {name}")
