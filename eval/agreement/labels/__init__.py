"""How well label maps agree, pixel by pixel. Knows no readers of whole images."""
