"""Everything that learns: blocks, models, memory, growth, vital signs. Knows no HTTP, database or process."""
