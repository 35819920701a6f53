"""`compare`: train the same thing under several policies, and show which one wins."""
