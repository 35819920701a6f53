"""Advice from a curve: a learning rate, a range, and how far both can be trusted."""
