"""The version of the product, which its wheel, its image, its chart and its metrics have."""

VERSION = "0.1.0"
