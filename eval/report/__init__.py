"""One document of everything that was measured: claims, provenance, plots. Measures nothing."""
