"""The networks that give features, and which one a name stands for. Knows no distances."""
