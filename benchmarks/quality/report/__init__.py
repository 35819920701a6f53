"""The report: figures, tables and plots from what is stored."""
