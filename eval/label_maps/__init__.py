"""New label maps beside real ones: are they alike, and are they new? Knows no readers."""
