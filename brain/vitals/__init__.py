"""Vital signs: published estimators with known answers, or not available with the reason."""
