"""Models to ship: their folders, and where else one is found. Knows no training, no synthesis."""
