"""The public functions, one file per family: signature, documentation, composition."""
