"""What histosyn does, on tissue that a program draws, with the small model it ships. Trains nothing
itself: each step is a command.
"""
