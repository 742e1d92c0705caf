"""One brain for every learner of labelled texts: documents out of rows, labels as they come, what is reported."""
