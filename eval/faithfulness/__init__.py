"""Label faithfulness: is tissue where the label map says? Knows no training, no distances."""
