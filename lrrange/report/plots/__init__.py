"""Plots of range tests and grids, and the parts that all plots share. They need matplotlib."""
