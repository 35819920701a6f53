"""What a suggested learning rate is worth: suggestions judged by grids of complete training runs."""
