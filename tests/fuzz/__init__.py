"""Projects with something wrong in them, by the thousand: what becomes of loading them."""
