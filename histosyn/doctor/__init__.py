"""Checks of a data set: what is wrong with it, in one pass. Knows no shards, no torch.

`histosyn.doctor.diagnosis.examine` is the way in. Nothing is imported here: the processes that look
at files need little, and start sooner without the rest.
"""
