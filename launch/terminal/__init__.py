"""What commands print: tables, footnotes, whole lines. Measures nothing."""
