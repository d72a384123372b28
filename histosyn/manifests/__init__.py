"""What lies in an OUT folder: its manifest, and who may write there. Knows no images."""
