"""What the numbers of a stain code are called."""

STAINS = ("hematoxylin", "eosin", "residual")
NAMES = (*STAINS, *(f"{stain}_spread" for stain in STAINS), "glass")
