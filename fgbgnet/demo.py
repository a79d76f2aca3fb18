"""`fgbgnet demo`: from nothing to a trained model, its figures and its pictures, on generated rooms."""

SCENES = 6000
FRACTIONS = (0.9, 0.05, 0.05)
IMPERFECT = ("mixed", 3)
PICTURES = 6
