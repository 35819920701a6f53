"""The quality of suggested learning rates, judged by grids of complete training runs."""
