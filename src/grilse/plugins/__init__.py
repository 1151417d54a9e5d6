"""The core element and source kinds, written against the public plugin API only."""
