"""The vital signs: one file each, the class that measures a live brain."""
