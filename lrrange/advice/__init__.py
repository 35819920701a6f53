"""From a curve to a learning rate, a range, and how far both can be trusted."""
