"""Years of OpenCompass's output folders into the results database.

What lies there has no manifests: nothing tells which weights were scored. So scores are marked as imported, and no
prediction is ever used again.
"""
