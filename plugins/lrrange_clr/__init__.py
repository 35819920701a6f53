"""Cyclical learning rates for torch optimizers."""
