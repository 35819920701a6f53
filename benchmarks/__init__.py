"""Measurements of lrrange, for whoever wants to check or repeat them. Not part of the installed package."""
