"""What the machine offers and how it fails: files, locks, paths, clocks, standard streams. Imports no torch."""
