"""Side-by-side measurements against peers, one file each."""
