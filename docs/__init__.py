"""The documentation: `pages/`, and the programs that build its site and generate its references."""
