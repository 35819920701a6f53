"""The tasks on which suggested learning rates are judged."""
