"""Every way to spend the steps of a job."""
