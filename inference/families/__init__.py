"""Dataset families, one module each: loader, post-processors and evaluators under OpenCompass's class names.

Every module here is imported when the first name is looked up (:mod:`inference.extensions`), so modules
import what is slow inside their functions. A family is added by adding its file.
"""
