"""Where the best peak rate of other schedules lies between the best constant rate and the best peak of one cycle."""
