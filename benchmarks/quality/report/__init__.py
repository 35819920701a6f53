"""The report: tables, plots and statistics made from the stored measurements, for `docs/evidence/quality.md`."""
