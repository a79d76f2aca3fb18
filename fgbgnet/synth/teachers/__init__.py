"""Depth for pictures that have none, by a teacher: a function, or a model of Hugging Face (extra ``depth``)."""

from fgbgnet.synth.teachers.annotating import annotate
from fgbgnet.synth.teachers.loading import load_teacher
from fgbgnet.synth.teachers.teacher import Teacher

__all__ = ["Teacher", "annotate", "load_teacher"]
