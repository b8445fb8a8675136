"""One interface to cloud marketplaces."""
