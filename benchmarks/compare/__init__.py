"""Comparisons of schedules on real data: their results, and the factory for one of them."""
