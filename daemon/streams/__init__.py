"""Where experience comes from: sources, lanes, mixes and the hold-out."""
