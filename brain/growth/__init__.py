"""Neurogenesis: when to grow, and how, without losing what is known.

A rule looks at a history and proposes (`triggers/`), `decide_growth` makes a plan of it, and only
`apply_growth` changes a brain.
"""
