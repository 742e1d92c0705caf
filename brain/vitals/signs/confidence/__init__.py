"""Confidence: does the brain know when it is right."""
