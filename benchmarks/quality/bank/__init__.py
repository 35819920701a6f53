"""A bank of trainings, made by a generator from parts, on which the advice of a range test is fitted and judged."""
