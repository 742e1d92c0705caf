"""Documents whose text must be taken out of them first: PDF, EPUB, HTML and mail."""
