"""Measurements of lrrange that anybody can repeat. They are not part of the installed package."""
