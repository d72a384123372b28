"""The demo: what histosyn does, on tissue that a program draws, with the small model it ships."""
