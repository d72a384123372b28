"""Models for other programs: the generator as ONNX. Knows no training, no files of tiles."""
