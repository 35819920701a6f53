"""`compare`: the same training under several policies, and which of them wins."""
