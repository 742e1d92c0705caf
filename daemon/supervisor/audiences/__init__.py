"""Those who are notified of what happens: live feed, log, terminal. None can hinder another."""
