"""Models as files that run without their code: ONNX, and PyTorch's own ``.pt2``."""

from fgbgnet.inference.export.export import ExportReport, export_model
from fgbgnet.inference.export.facts import ExportFacts
from fgbgnet.inference.export.run import ExportedFile, ExportedModel, OnnxModel

__all__ = ["ExportFacts", "ExportReport", "ExportedFile", "ExportedModel", "OnnxModel", "export_model"]
