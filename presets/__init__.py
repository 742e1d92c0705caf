"""Ready-made runs, one TOML file each."""
