"""Reports for people: tables, plots, HTML and the progress bar."""
