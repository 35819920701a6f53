"""What people look at: tables, plots, HTML and the progress bar."""
