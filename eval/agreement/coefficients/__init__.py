"""Coefficients of agreement with their standard errors. Knows no files, no arms."""
