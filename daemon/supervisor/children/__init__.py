"""Processes the supervisor keeps alive: an order, a pipe, a heartbeat, a goodbye. What they do is not known here."""
