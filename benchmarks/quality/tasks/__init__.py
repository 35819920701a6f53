"""The tasks that suggested rates are judged on."""
