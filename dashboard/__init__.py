"""The live page: HTML, ES modules, CSS and vendored assets. Imports nothing of the project."""
