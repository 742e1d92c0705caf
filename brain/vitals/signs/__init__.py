"""The vital signs: one folder each, its torch-free config beside the class that measures a live brain."""
