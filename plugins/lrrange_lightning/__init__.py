"""PyTorch Lightning for lrrange."""
