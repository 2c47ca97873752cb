"""Settings: environment variables and flags, one module per concern, validated before anything starts."""
