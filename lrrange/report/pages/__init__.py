"""What is printed of range tests and grids: in terminals, logs and notebooks."""
