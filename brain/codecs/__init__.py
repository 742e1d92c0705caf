"""Codecs: bytes in, the symbols of a network out, and back."""
