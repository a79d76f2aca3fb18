"""Zip archives that are read in place: a compact directory in memory, members by one read at their offset."""
