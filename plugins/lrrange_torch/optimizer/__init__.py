"""What lrrange does to a torch optimizer: set its rates and its momentum, and check that they are in force."""
