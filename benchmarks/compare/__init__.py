"""Comparisons of schedules on real data, and the factory of one of them."""
