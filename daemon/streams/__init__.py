"""Where experience comes from: sources, lanes, mixes, the hold-out. The supervisor reads parts of it without numpy."""
